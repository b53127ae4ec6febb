"""The line between two clouds of time stamps: hulls, support lines, and how likely each rate is."""

import math
from itertools import pairwise
from typing import NamedTuple

MAX_DRIFT = 1e-3
"""Clocks further apart than this are broken; NTP slews at half of it."""

TOLERANCES = ((0.5e-6, 0.3), (5e-6, 0.3), (50e-6, 0.4))
"""How far apart two machines' rates are before anything was measured: (standard deviation, how often so).

Both disciplined by NTP; free-running crystals of one kind; any two.
"""

_LOSS = 6.0
"""Rates that are e to this power less likely than the best one do not count any more."""

_GRID = 16
_EXACT_NS = 1e-3
_HALVINGS = 15
_WIDTHS = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)
_STEPS = 64  # cuts of a piecewise linear function: a handful in practice

Point = tuple[int, int]
FloatPoint = tuple[float, float]


def extend(hull: list[Point], point: Point) -> None:
    """Add a point to the right of a lower convex hull (Andrew's monotone chain)."""
    x, y = point
    while len(hull) >= 2:
        (x1, y1), (x2, y2) = hull[-2], hull[-1]
        if (x2 - x1) * (y - y1) > (x - x1) * (y2 - y1):
            break
        hull.pop()
    hull.append(point)


class Strip:
    """Two hulls and the widest strip between them, all relative to one origin.

    A line with drift b may rise to `above(b) = min(y - b x)` over the forward points and sink to
    `-below(b)`, `below(b) = min(y + b x)` over the backward points; the width is their sum.
    """

    __slots__ = ("backward", "forward")

    def __init__(self, forward: list[FloatPoint], backward: list[FloatPoint]) -> None:
        self.forward = forward
        self.backward = backward

    def touch(self, drift: float) -> tuple[float, float, float, float]:
        """`above` at a drift and the x where it touches, then `below` and its own."""
        above, x_above = min([(y - drift * x, x) for x, y in self.forward])
        below, x_below = min([(y + drift * x, x) for x, y in self.backward])
        return above, x_above, below, x_below

    def at(self, drift: float) -> tuple[float, float]:
        """Width of the strip at a drift, and how it changes with the drift (the tangent's slope)."""
        above, x_above, below, x_below = self.touch(drift)
        return above + below, x_below - x_above

    def lines(self, drift: float) -> tuple[float, float]:
        """`above` and `below` at a drift."""
        above = min([y - drift * x for x, y in self.forward])
        below = min([y + drift * x for x, y in self.backward])
        return above, below

    def widest(self) -> tuple[float, float]:
        """Drift within MAX_DRIFT that makes the strip widest, and that width (Kelley's cutting planes)."""
        low, high = -MAX_DRIFT, MAX_DRIFT
        low_width, low_slope = self.at(low)
        high_width, high_slope = self.at(high)
        if low_slope <= 0:
            return low, low_width
        if high_slope >= 0:
            return high, high_width
        while True:
            drift = (high_width - high_slope * high - low_width + low_slope * low) / (low_slope - high_slope)
            if not low < drift < high:
                return (low, low_width) if low_width > high_width else (high, high_width)
            width, slope = self.at(drift)
            # Every cut removes a corner that is too high; the one that is not is the maximum.
            if width >= low_width + low_slope * (drift - low) - _EXACT_NS:
                return drift, width
            if slope > 0:
                low, low_width, low_slope = drift, width, slope
            elif slope < 0:
                high, high_width, high_slope = drift, width, slope
            else:
                return drift, width

    def reach(self, start: float, width: float) -> float:
        """The drift nearest to `start` at which the strip is at least this wide (Newton; exact on a concave f)."""
        drift = start
        for _ in range(_STEPS):
            here, slope = self.at(drift)
            if here >= width - _EXACT_NS or not slope:
                break
            drift += (width - here) / slope
        return drift

    def bounds(self, width: float) -> tuple[float, float]:
        """Highest and lowest offset at the origin of any line that leaves this width; all points at x <= 0."""
        # With the points to the left, a line that turns up ends higher: the steepest are the outermost.
        return self.lines(self.reach(MAX_DRIFT, width))[0], -self.lines(self.reach(-MAX_DRIFT, width))[1]


class Moments(NamedTuple):
    """Mean rate and offset at the origin, and their standard deviations."""

    drift: float
    drift_doubt: float
    offset: float
    offset_doubt: float


class Likelihood:
    """How likely each rate is, by two support lines and what was believed before.

    x_means: of the samples each way, relative to the strip's origin; gaps: the average excess each way leaves.
    """

    __slots__ = ("_believed", "_gaps", "_strip", "_x_means")

    def __init__(self, strip: Strip, believed: float, x_means: tuple[float, float], gaps: tuple[float, float]) -> None:
        self._strip = strip
        self._believed = believed
        self._x_means = x_means
        self._gaps = gaps

    def moments(self) -> Moments:
        """By the trapezoidal rule over the rates that are likely at all, denser where they were believed."""
        low, high = self._range()
        step = (high - low) / _GRID
        rates = [low + step * at for at in range(_GRID + 1)]
        rates += [self._believed + width * at for width, _ in TOLERANCES[:-1] for at in _WIDTHS]
        rates = sorted(rate for rate in rates if low <= rate <= high)
        looked = [self._look(rate) for rate in rates]
        top = max(log for log, _ in looked)
        heights = [math.exp(log - top) for log, _ in looked]
        spans = [after - before for before, after in pairwise(rates)]
        weights = [h * (b + a) for h, b, a in zip(heights, [0.0, *spans], [*spans, 0.0], strict=True)]
        drift, drift_doubt = _mean(weights, rates)
        return Moments(drift, drift_doubt, *_mean(weights, [offset for _, offset in looked]))

    def _look(self, drift: float) -> tuple[float, float]:
        """Logarithm of the likelihood, what was believed included, and the offset at the origin."""
        log, _, offset = self._at(drift)
        beside = drift - self._believed
        prior = sum([share / width * math.exp(-((beside / width) ** 2) / 2) for width, share in TOLERANCES])
        return log + math.log(max(prior, 1e-300)), offset

    def _at(self, drift: float) -> tuple[float, float, float]:
        """Logarithm of the likelihood by the samples alone, its slope, and the offset at the origin."""
        above, x_above, below, x_below = self._strip.touch(drift)
        (x_there, x_back), (there, back) = self._x_means, self._gaps
        log = (above + drift * x_there) / there + (below - drift * x_back) / back
        return log, (x_there - x_above) / there + (x_below - x_back) / back, (above - below) / 2

    def _range(self) -> tuple[float, float]:
        """The rates that are likely by the samples and the widest belief, which together are concave."""
        width = TOLERANCES[-1][0]

        def log(drift: float) -> float:
            return self._at(drift)[0] - ((drift - self._believed) / width) ** 2 / 2

        low, high = -MAX_DRIFT, MAX_DRIFT
        for _ in range(_HALVINGS):
            best = (low + high) / 2
            if self._at(best)[1] > (best - self._believed) / width**2:
                low = best
            else:
                high = best
        best = (low + high) / 2
        least = log(best) - _LOSS
        ends = []
        for near, far in ((best, -MAX_DRIFT), (best, MAX_DRIFT)):
            for _ in range(_HALVINGS):
                middle = (near + far) / 2
                near, far = (middle, far) if log(middle) > least else (near, middle)
            ends.append(far)
        return ends[0], ends[1]


def _mean(weights: list[float], values: list[float]) -> tuple[float, float]:
    """Weighted mean and standard deviation."""
    total = sum(weights)
    mean = sum([weight * value for weight, value in zip(weights, values, strict=True)]) / total
    return mean, math.sqrt(sum([w * (value - mean) ** 2 for w, value in zip(weights, values, strict=True)]) / total)
