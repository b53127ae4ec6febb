"""What the group's clock says, from time stamps exchanged over a line with jitter.

A message from here to the host took some time, so `remote_received - local_sent` is never less than
the offset between the clocks; one from the host gives a bound from the other side. Plotted against
local time the offset is a straight line (two crystals, nearly constant rates) between a cloud of
points above and a cloud below. Of all lines that fit between, we take the middle of the widest
strip: queues and retransmissions only move points away from it, so they do no harm.

The width as a function of the rate is concave and piecewise linear (a sum of two minima of linear
functions), so that its maximum is found exactly in a few cuts; only convex hulls matter, and those
of past blocks never change. See Moon, Skelly, Towsley, "Estimation and removal of clock skew from
network delay measurements", 1999, for support lines.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from hocket.core.clock import NS_PER_S

BUCKET_NS = NS_PER_S // 4
"""One best sample each way is kept of each bucket."""

OPEN_BUCKETS = 8
"""Replies may overtake one another by 2 s and still count."""

BLOCK_NS = 10 * NS_PER_S
"""Older buckets are reduced to their hull and forgotten in blocks of this length."""

BLOCKS = 12
"""Closed blocks that are kept: 120 s. Longer, and the crystals' rates are no longer straight lines."""

MAX_DRIFT = 1e-3
"""Clocks further apart than this are broken; NTP slews at half of it."""

SLACK_NS = 1_000
"""Stamps may contradict one another by this much: the kernel's and ours are taken from different clocks."""

ROUND_TRIPS = 256
"""Round trips that the statistics look back on: 5 to 13 s."""

_DOUBT = 0.3
"""So many expected gaps between the best samples and the true least delays pass as noise (benchmarks/clocksync.py)."""

_STEADY_NS = 10 * NS_PER_S
"""A rate that was seen for less than this is doubted more: at first a crystal's own 100 ppm are the better guess."""

_LEARNT = 1e-4
"""A rate is remembered once it is known better than the crystals' own tolerance."""

_EXACT_NS = 1e-3
_STEPS = 64  # cuts of a piecewise linear function: a handful in practice

PACES = ((500_000_000, 200), (30 * NS_PER_S, 50))
"""(until so long after the start, exchanges a second): the first sound waits for the clock, the rate for 30 s."""

SLOW_PER_S = 20
"""Afterwards: still 5 in a bucket, and 1 % of a core for 256 friends."""


class Exchange(msgspec.Struct, frozen=True, array_like=True):
    """One question and its answer: four stamps in nanoseconds, two on each clock."""

    local_sent_ns: int
    remote_received_ns: int
    remote_sent_ns: int
    local_received_ns: int

    @property
    def round_trip_ns(self) -> int:
        """Time on the line, both ways; what the remote spent between its stamps is not in it."""
        return (self.local_received_ns - self.local_sent_ns) - (self.remote_sent_ns - self.remote_received_ns)

    @property
    def is_possible(self) -> bool:
        """False where a clock stepped between two of its own stamps."""
        return self.remote_sent_ns >= self.remote_received_ns and self.round_trip_ns >= -SLACK_NS


Point = tuple[int, int]
FloatPoint = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClockLine:
    """Group time as a line over local time; both in nanoseconds, exact to one.

    `drift` is how many seconds the group's clock gains in a local second.
    """

    local_ns: int
    group_ns: int
    drift: float = 0.0

    def group(self, local_ns: int) -> int:
        """Group time at a local time."""
        passed = local_ns - self.local_ns
        return self.group_ns + passed + round(passed * self.drift)

    def local(self, group_ns: int) -> int:
        """Local time at a group time."""
        passed = group_ns - self.group_ns
        return self.local_ns + passed - round(passed * (self.drift / (1.0 + self.drift)))


@dataclass(frozen=True, slots=True)
class ClockEstimate:
    """The line, and how far to trust it.

    half_width_ns: no further off than this, however unlike the two ways are (while rates stay and no clock steps).
    noise_ns: how far off it likely is where both ways have the same shortest delay.
    drift_doubt: half the range of rates that fit nearly as well; what a hold-over costs a second.
    """

    line: ClockLine
    half_width_ns: float
    noise_ns: float
    drift_doubt: float

    def uncertainty_ns(self, local_ns: int) -> float:
        """Half-width at a local time: it widens while nothing is heard."""
        held_ns = max(0, local_ns - self.line.local_ns)
        return self.half_width_ns + held_ns * self.drift_doubt


class RoundTrips(NamedTuple):
    """The last round trips in nanoseconds."""

    least_ns: int
    median_ns: int
    p95_ns: int
    worst_ns: int


def _extend(hull: list[Point], point: Point) -> None:
    """Add a point to the right of a lower convex hull (Andrew's monotone chain)."""
    x, y = point
    while len(hull) >= 2:
        (x1, y1), (x2, y2) = hull[-2], hull[-1]
        if (x2 - x1) * (y - y1) > (x - x1) * (y2 - y1):
            break
        hull.pop()
    hull.append(point)


@dataclass(slots=True)
class _Block:
    """What is kept of BLOCK_NS of one direction: the hull of its buckets, and sums over all its samples."""

    number: int
    hull: list[Point]
    count: int = 0
    x_sum: int = 0
    y_sum: int = 0


class _Side:
    """The newest 120 s of one direction: x local time, y = delay + offset (or - offset), both in ns."""

    __slots__ = ("_blocks", "_newest", "_open", "_past")

    def __init__(self, x: int) -> None:
        self._open: dict[int, Point] = {}  # by bucket; these still take replies that were overtaken
        self._newest = x // BUCKET_NS
        self._blocks: deque[_Block] = deque([_Block(x // BLOCK_NS, [])])
        self._past: list[Point] = []  # the hull of all blocks but the last

    def add(self, x: int, y: int, slope: float) -> None:
        """Take one sample; one that comes seconds too late is ignored: its delay says nothing."""
        bucket = x // BUCKET_NS
        if bucket <= self._newest - OPEN_BUCKETS:
            return
        if bucket > self._newest:
            self._newest = bucket
            self._settle()
        block = self._blocks[-1]
        block.count += 1
        block.x_sum += x
        block.y_sum += y
        best = self._open.get(bucket)
        # Within a bucket 100 ppm make 25 us: without the slope the earliest or latest would win.
        if best is None or y - best[1] < slope * (x - best[0]):
            self._open[bucket] = (x, y)

    def _settle(self) -> None:
        for bucket in sorted(self._open):
            if bucket > self._newest - OPEN_BUCKETS:
                break
            point = self._open.pop(bucket)
            number = point[0] // BLOCK_NS
            if number > self._blocks[-1].number:
                self._next_block(number)
            _extend(self._blocks[-1].hull, point)

    def _next_block(self, number: int) -> None:
        while self._blocks and self._blocks[0].number < number - BLOCKS:
            self._blocks.popleft()
        self._past = []
        for block in self._blocks:
            for point in block.hull:
                _extend(self._past, point)
        self._blocks.append(_Block(number, []))

    def hull(self, x0: int, y0: int) -> list[FloatPoint]:
        """Lower hull of all, relative to an origin near it, so that floats keep the nanoseconds."""
        hull = list(self._past)
        for point in self._blocks[-1].hull:
            _extend(hull, point)
        for bucket in sorted(self._open):
            _extend(hull, self._open[bucket])
        return [(float(x - x0), float(y - y0)) for x, y in hull]

    def mean(self, x0: int, y0: int) -> tuple[int, float, float]:
        """How many samples, and their mean relative to an origin."""
        count = sum([block.count for block in self._blocks])
        x_sum = sum([block.x_sum for block in self._blocks]) - count * x0
        y_sum = sum([block.y_sum for block in self._blocks]) - count * y0
        return count, x_sum / count, y_sum / count


class _Strip:
    """Two hulls and the widest strip between them, all relative to one origin.

    A line with drift b may rise to `above(b) = min(y - b x)` over the forward points and sink to
    `-below(b)`, `below(b) = min(y + b x)` over the backward points; the width is their sum.
    """

    __slots__ = ("backward", "forward")

    def __init__(self, forward: list[FloatPoint], backward: list[FloatPoint]) -> None:
        self.forward = forward
        self.backward = backward

    def at(self, drift: float) -> tuple[float, float]:
        """Width of the strip at a drift, and how it changes with the drift (the tangent's slope)."""
        above, x_above = min([(y - drift * x, x) for x, y in self.forward])
        below, x_below = min([(y + drift * x, x) for x, y in self.backward])
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


class ClockSync:
    """Estimates the group's clock from exchanges with the host.

    `add` costs microseconds; a new line is drawn once a bucket, or at once when an exchange does not
    fit the old one. Time comes from the stamps alone.
    """

    def __init__(self, drift: float = 0.0) -> None:
        """`drift`: the rate believed at first, such as one that was learnt earlier or from a last host."""
        self.estimate: ClockEstimate | None = None
        self.resets = 0
        self._drift = drift
        self._sides: tuple[_Side, _Side] | None = None
        self._offset_ns = 0
        self._newest_ns = -(2**63)
        self._next_line_ns = 0
        self._round_trips: deque[int] = deque(maxlen=ROUND_TRIPS)

    def add(self, exchange: Exchange) -> bool:
        """Take in one exchange, in any order. True: a clock had stepped, and all earlier ones are forgotten."""
        if not exchange.is_possible:
            return False
        went_back = exchange.local_received_ns < self._newest_ns - OPEN_BUCKETS * BUCKET_NS
        if not went_back:
            suspect = self._contradicts(exchange)
            self._take(exchange)
            if not suspect and exchange.local_received_ns < self._next_line_ns:
                return False
            self._draw()
            if self.estimate is not None:
                return False
        self.resets += 1
        self._newest_ns = exchange.local_received_ns
        self._sides = None
        self._round_trips.clear()
        self._take(exchange)
        self._draw()
        return True

    @property
    def round_trips(self) -> RoundTrips | None:
        """Statistics of the last ROUND_TRIPS round trips; None before the first."""
        if not self._round_trips:
            return None
        ordered = sorted(self._round_trips)
        last = len(ordered) - 1
        return RoundTrips(ordered[0], ordered[last // 2], ordered[round(last * 0.95)], ordered[last])

    def _contradicts(self, exchange: Exchange) -> bool:
        """Whether the present line is on the wrong side of this exchange; it may only lean too far."""
        if self.estimate is None:
            return False
        line = self.estimate.line
        early_ns = line.group(exchange.local_sent_ns) - exchange.remote_received_ns
        late_ns = exchange.remote_sent_ns - line.group(exchange.local_received_ns)
        return max(early_ns, late_ns) > SLACK_NS // 2

    def _take(self, exchange: Exchange) -> None:
        sent, received = exchange.local_sent_ns, exchange.local_received_ns
        if self._sides is None:
            self._sides = _Side(sent), _Side(received)
        forward, backward = self._sides
        forward.add(sent, exchange.remote_received_ns - sent, self._drift)
        backward.add(received, received - exchange.remote_sent_ns, -self._drift)
        self._offset_ns = exchange.remote_sent_ns - received
        self._newest_ns = max(self._newest_ns, received)
        self._round_trips.append(exchange.round_trip_ns)

    def _draw(self) -> None:
        """Draw the line anew; leaves no estimate where nothing fits between the clouds."""
        assert self._sides is not None
        forward, backward = self._sides
        now_ns, offset_ns = self._newest_ns, self._offset_ns
        strip = _Strip(forward.hull(now_ns, offset_ns), backward.hull(now_ns, -offset_ns))
        span_ns = -strip.forward[0][0]
        # A young line improves with every few exchanges, an old one hardly at all.
        self._next_line_ns = now_ns + min(BUCKET_NS, int(span_ns) // 2)
        width = strip.widest()[1]
        if width < -SLACK_NS:
            self.estimate = None
            return
        above, below = strip.lines(self._drift)
        noise = _gap(forward.mean(now_ns, offset_ns), self._drift, above)
        noise += _gap(backward.mean(now_ns, -offset_ns), -self._drift, below)
        enough = width - _DOUBT * noise * (1.0 + _STEADY_NS / max(span_ns, 1.0))
        drift = strip.reach(self._drift, enough)
        doubt = (strip.reach(MAX_DRIFT, enough) - strip.reach(-MAX_DRIFT, enough)) / 2
        if doubt < _LEARNT:
            self._drift = drift
        above, below = strip.lines(drift)
        middle = (above - below) / 2
        highest, lowest = strip.bounds(min(0.0, width))
        self.estimate = ClockEstimate(
            ClockLine(now_ns, now_ns + offset_ns + round(middle), drift),
            half_width_ns=max(highest - middle, middle - lowest, 0.0),
            noise_ns=noise / 2,
            drift_doubt=doubt,
        )


def _gap(mean: tuple[int, float, float], slope: float, least: float) -> float:
    """How far a support line likely is from the true least delay.

    The least of n delays that spread over s above their minimum is about s / n above it; one sample
    alone tells nothing.
    """
    count, x_mean, y_mean = mean
    return max(0.0, y_mean - slope * x_mean - least) / (count - 1) if count > 1 else float(NS_PER_S)


class ExchangeSchedule:
    """When to ask for the time: often at first (PACES), then SLOW_PER_S; `restart` after a step or a move."""

    __slots__ = ("_start_ns", "next_ns")

    def __init__(self, now_ns: int) -> None:
        self.restart(now_ns)

    def restart(self, now_ns: int) -> None:
        """Ask at once, and often again."""
        self._start_ns = now_ns
        self.next_ns = now_ns

    def due(self, now_ns: int) -> bool:
        """Whether to ask now; True moves `next_ns` on. What was missed is not made up for."""
        if now_ns < self.next_ns:
            return False
        age_ns = now_ns - self._start_ns
        period_ns = NS_PER_S // next((pace for until_ns, pace in PACES if age_ns < until_ns), SLOW_PER_S)
        self.next_ns += ((now_ns - self.next_ns) // period_ns + 1) * period_ns
        return True
