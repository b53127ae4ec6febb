"""What the group's clock says, from time stamps exchanged over a line with jitter.

A message from here to the host took some time, so `remote_received - local_sent` is never less than
the offset between the clocks; one from the host gives a bound from the other side. Plotted against
local time the offset is a straight line (two crystals, nearly constant rates) between a cloud of
points above and a cloud below. Queues and retransmissions only move points away from it, so they do
no harm: what tells is how closely the nearest points of each cloud can be touched.

Near its least value a delay is spread evenly or better, so a support line that leaves an average
excess g = (mean - least) / n is exp(-loss / g) as likely as the best one. Together with what is known
of crystals that gives each rate its likelihood, a concave and piecewise linear function less a
parabola; rate and offset are its means. The widest strip alone, or the rate nearest to an earlier one,
leans for half a minute on the accident of a few points (benchmarks/clocksync.py). Only convex hulls
matter, and those of past blocks never change. See Moon, Skelly, Towsley, "Estimation and removal of
clock skew from network delay measurements", 1999, for support lines.
"""

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import msgspec

from hocket.core.clock import NS_PER_S
from hocket.relay.supportlines import FloatPoint, Likelihood, Point, Strip, extend

BUCKET_NS = NS_PER_S // 4
"""One best sample each way is kept of each bucket."""

YOUNG_NS = BUCKET_NS // 12
"""For the first seconds a new line is drawn more often than once a bucket, at most once in so long after the first."""

OPEN_BUCKETS = 8
"""Replies may overtake one another by 2 s and still count."""

BLOCK_NS = 10 * NS_PER_S
"""Older buckets are reduced to their hull and forgotten in blocks of this length."""

BLOCKS = 12
"""Closed blocks that are kept: 120 s. Longer, and the crystals' rates are no longer straight lines."""

SLACK_NS = 1_000
"""Stamps may contradict one another by this much: the kernel's and ours are taken from different clocks."""

ROUND_TRIPS = 256
"""Round trips that the statistics look back on: 5 to 13 s."""

STRAY_NS = 5_000_000
"""A stamp that contradicts all others by no more than this is dropped; STRAYS in a row are a step after all."""

STRAYS = 3

_FEW = 8
"""With fewer buckets than this all samples are counted instead of each bucket's best."""

_LEARNT = 1e-5
"""A rate that is known so well is believed after a step."""

_LEAST_GAP_NS = 50.0
"""No clock is read more exactly than this, however alike the stamps look."""

_MEDIAN = math.log(2)
"""Median of an exponential distribution, in means."""

PACES = ((NS_PER_S, 100), (30 * NS_PER_S, 50))
"""(until so long after the start, exchanges a second): the first sound waits for the clock, the rate for 30 s.

Denser does harm: in a queue that keeps the order a question waits for the one before.
"""

OPENING_HASTE = 20
"""So many times as often as the host's line allows for long, until the first pace is over."""

PROMPT_QUESTIONS = 24
SHORT_NS = 5_000_000
"""Over a line that answers within this so many questions follow upon answers: none can wait for the one before,
and in a home network the clock is known before the music is there."""

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


@dataclass(slots=True)
class _Block:
    """The hull of BLOCK_NS of one direction's buckets."""

    number: int
    hull: list[Point]


class _Side:
    """The newest 120 s of one direction: x local time, y = delay + offset (or - offset), both in ns."""

    __slots__ = ("_bests", "_blocks", "_newest", "_open", "_past", "_young")

    def __init__(self, x: int) -> None:
        self._young: list[Point] | None = []  # every sample, while there are _FEW buckets
        self._bests: deque[Point] = deque()  # of the same blocks, by bucket
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
        if self._young is not None:
            self._young.append((x, y))
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
            extend(self._blocks[-1].hull, point)
            self._bests.append(point)

    def _next_block(self, number: int) -> None:
        while self._blocks and self._blocks[0].number < number - BLOCKS:
            self._blocks.popleft()
        while self._bests and self._bests[0][0] // BLOCK_NS < number - BLOCKS:
            self._bests.popleft()
        self._past = []
        for block in self._blocks:
            for point in block.hull:
                extend(self._past, point)
        self._blocks.append(_Block(number, []))

    def hull(self, x0: int, y0: int) -> list[FloatPoint]:
        """Lower hull of all, relative to an origin near it, so that floats keep the nanoseconds."""
        hull = list(self._past)
        for point in self._blocks[-1].hull:
            extend(hull, point)
        for bucket in sorted(self._open):
            extend(hull, self._open[bucket])
        return [(float(x - x0), float(y - y0)) for x, y in hull]

    def excess(self, x0: int, y0: int, slope: float, least: float) -> tuple[float, float]:
        """How far a line of this slope and height likely is from the true least delay, and the mean x of its samples.

        All relative to an origin. The best of n samples that spread over s above their minimum is about s / n above
        it. By the median: a bucket in which everything was held up tells nothing of the others.
        """
        points = [*self._bests, *self._open.values()]
        if len(points) >= _FEW:
            self._young = None
        points = self._young or points
        if len(points) < 2:
            return float(NS_PER_S), float(points[0][0] - x0)
        beside = median([y - y0 - slope * (x - x0) for x, y in points]) - least
        x_mean = sum([x for x, _ in points]) / len(points) - x0
        return max(_LEAST_GAP_NS, beside / _MEDIAN / (len(points) - 1)), x_mean


class ClockSync:
    """Estimates the group's clock from exchanges with the host.

    `add` costs microseconds; a new line is drawn once a bucket, or at once when an exchange does not
    fit the old one. Time comes from the stamps alone.
    """

    def __init__(self, drift: float = 0.0) -> None:
        """`drift`: the rate believed at first, such as one that was learnt earlier or from a last host."""
        self.estimate: ClockEstimate | None = None
        self.resets = 0
        self._believed = drift
        self._learnt = drift
        self._drift = drift
        self._strays = 0
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
            if suspect and self._strays < STRAYS - 1 and self._is_stray(exchange):
                self._strays += 1
                return False
            self._take(exchange)
            if not suspect and exchange.local_received_ns < self._next_line_ns:
                return False
            self._draw()
            if self.estimate is not None:
                self._strays = 0
                return False
        self.resets += 1
        self._strays = 0
        self._believed = self._learnt
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

    def _is_stray(self, exchange: Exchange) -> bool:
        """Whether no line fits this exchange and all others, though one nearly does."""
        assert self._sides is not None
        now_ns, offset_ns = self._newest_ns, self._offset_ns
        sent, received = exchange.local_sent_ns, exchange.local_received_ns
        there = float(sent - now_ns), float(exchange.remote_received_ns - sent - offset_ns)
        back = float(received - now_ns), float(received - exchange.remote_sent_ns + offset_ns)
        forward, backward = self._sides
        strip = Strip([*forward.hull(now_ns, offset_ns), there], [*backward.hull(now_ns, -offset_ns), back])
        return -STRAY_NS < strip.widest()[1] < -SLACK_NS

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
        strip = Strip(forward.hull(now_ns, offset_ns), backward.hull(now_ns, -offset_ns))
        span_ns = -strip.forward[0][0]
        self._next_line_ns = now_ns + _next_line_in_ns(int(span_ns))
        width = strip.widest()[1]
        if width < -SLACK_NS:
            self.estimate = None
            return
        above, below = strip.lines(self._drift)
        there_gap, there_x = forward.excess(now_ns, offset_ns, self._drift, above)
        back_gap, back_x = backward.excess(now_ns, -offset_ns, -self._drift, below)
        likelihood = Likelihood(strip, self._believed, (there_x, back_x), (there_gap, back_gap))
        drift, doubt, middle, spread = likelihood.moments()
        self._drift = drift
        self._learnt = drift if doubt < _LEARNT else self._learnt
        highest, lowest = strip.bounds(min(0.0, width))
        self.estimate = ClockEstimate(
            ClockLine(now_ns, now_ns + offset_ns + round(middle), drift),
            half_width_ns=max(highest - middle, middle - lowest, 0.0),
            noise_ns=math.hypot(spread, there_gap / 2, back_gap / 2),
            drift_doubt=doubt,
        )


def _next_line_in_ns(span_ns: int) -> int:
    """A young line improves with every few exchanges, an old one hardly at all."""
    return min(BUCKET_NS, max(min(YOUNG_NS, span_ns // 2), span_ns // 8))


class ExchangeSchedule:
    """When to ask for the time: often at first (PACES), then SLOW_PER_S; `restart` after a step or a move."""

    __slots__ = ("_prompt", "_start_ns", "least_ns", "next_ns")

    def __init__(self, now_ns: int) -> None:
        self.least_ns = 0  # from one question to the next: what the host's line allows
        self.restart(now_ns)

    def restart(self, now_ns: int) -> None:
        """Ask at once, and often again."""
        self._start_ns = now_ns
        self._prompt = PROMPT_QUESTIONS
        self.next_ns = now_ns

    def answered(self, now_ns: int, round_trip_ns: int) -> None:
        """An answer came: over a short line the first questions wait for nothing else."""
        if self._prompt and not self.least_ns and round_trip_ns <= SHORT_NS:
            self._prompt -= 1
            self.next_ns = min(self.next_ns, now_ns)

    def due(self, now_ns: int) -> bool:
        """Whether to ask now; True moves `next_ns` on. What was missed is not made up for."""
        if now_ns < self.next_ns:
            return False
        age_ns = now_ns - self._start_ns
        period_ns = NS_PER_S // next((pace for until_ns, pace in PACES if age_ns < until_ns), SLOW_PER_S)
        is_opening = age_ns < PACES[0][0]
        period_ns = max(period_ns, self.least_ns // (OPENING_HASTE if is_opening else 1))
        self.next_ns += ((now_ns - self.next_ns) // period_ns + 1) * period_ns
        return True
