"""The line between two clouds of time stamps: hulls, support lines, and how likely each rate is."""

import math

MAX_DRIFT = 1e-3
"""Clocks further apart than this are broken; NTP slews at half of it."""

TOLERANCE = 50e-6
"""Standard deviation of two crystals' rates from one another, before anything was measured."""

_LOSS = 6.0
"""Rates that are e to this power less likely than the best one do not count any more."""

_GRID = 16
_EXACT_NS = 1e-3
_HALVINGS = 24
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

    def means(self) -> tuple[float, float, float, float]:
        """Rate and its standard deviation; offset at the origin and its own, as far as the rate makes it."""
        best = self._best()
        top = self._at(best)[0]
        low, high = self._edge(best, top, -MAX_DRIFT), self._edge(best, top, MAX_DRIFT)
        weights = drifts = squares = offsets = offset_squares = 0.0
        for step in range(_GRID + 1):
            drift = low + (high - low) * step / _GRID
            log, _, offset = self._at(drift)
            weight = math.exp(min(0.0, log - top))
            weights += weight
            drifts += weight * drift
            squares += weight * drift * drift
            offsets += weight * offset
            offset_squares += weight * offset * offset
        drift, offset = drifts / weights, offsets / weights
        spread = math.sqrt(max(0.0, offset_squares / weights - offset * offset))
        return drift, math.sqrt(max(0.0, squares / weights - drift * drift)), offset, spread

    def _at(self, drift: float) -> tuple[float, float, float]:
        """Logarithm of the likelihood, its slope, and the offset at the origin."""
        above, x_above, below, x_below = self._strip.touch(drift)
        (x_there, x_back), (there, back) = self._x_means, self._gaps
        beside = (drift - self._believed) / TOLERANCE
        log = (above + drift * x_there) / there + (below - drift * x_back) / back - beside * beside / 2
        slope = (x_there - x_above) / there + (x_below - x_back) / back - beside / TOLERANCE
        return log, slope, (above - below) / 2

    def _best(self) -> float:
        low, high = -MAX_DRIFT, MAX_DRIFT
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self._at(middle)[1] > 0:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def _edge(self, best: float, top: float, far: float) -> float:
        """Where the likelihood has fallen by _LOSS, towards `far`."""
        near = best
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            if self._at(middle)[0] > top - _LOSS:
                near = middle
            else:
                far = middle
        return near
