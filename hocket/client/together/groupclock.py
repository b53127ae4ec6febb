"""The group's time on this machine: by definition at its first host, learnt from the host everywhere else."""

import math
import time
from collections import OrderedDict

from hocket.adapters.peers import PeerLink
from hocket.core.clock import NS_PER_S
from hocket.relay.clocksync import SHORT_NS, ClockEstimate, ClockLine, ClockSync, Exchange, ExchangeSchedule
from hocket.wire.messages.together import AskTime, TimeIs

GOOD_NOISE_NS = 50_000
PATIENCE_NS = 230_000_000
"""After so long the best guess is taken: on a bad line it is still better than silence.

Over 20 +- 10 ms it is then 1 ms off (median); each 300 ms more would halve that, and would be silent.
"""

HELD_DOUBT_NS = 50_000.0
"""What an earlier estimate is off at least, seen from the peer that goes on with its own: it was not exact either."""

HELD_DRIFT = 10e-6
"""An earlier estimate grows worse by this: two crystals differ by about so much, and a successor goes by its own."""

YOUNG_DOUBT = 4.0
"""A new estimate is off by so many times what it says itself: it has not seen the line's quietest moments."""

DOUBT = 2.0
"""The same for one that was learnt for a while."""

FAR = 6.0
"""Beyond so many times what both may be off, the earlier estimate is of another world."""

HELD_SHARE = 0.05
"""An earlier estimate that counts for less is forgotten."""

SETTLING_NS = 2 * NS_PER_S
LEAST_SETTLING_NS = NS_PER_S * 3 // 10
SETTLED_NOISE_NS = 20_000
"""After the first answer the estimate still gets visibly better for so long, or until it is as good as this."""

MAX_OPEN = 64
"""Questions without an answer yet that are remembered."""


class GroupClock:
    """`line` maps local to group time; None while nothing is known."""

    def __init__(self, line: ClockLine | None = None) -> None:
        self._frozen = line  # of an earlier peer
        self._frozen_doubt_ns = 0.0
        self._between: tuple[ClockEstimate, ClockLine, float] | None = None  # see _blend
        self._sync: ClockSync | None = None
        self._first_ns = 0
        self._schedule = ExchangeSchedule(0)
        self._number = 0
        self._open: OrderedDict[int, int] = OrderedDict()

    @classmethod
    def own(cls) -> "GroupClock":
        """The first host's: its monotonic clock is the group's."""
        return cls(ClockLine(0, 0))

    @property
    def line(self) -> ClockLine | None:
        estimate = self._sync.estimate if self._sync is not None else None
        if estimate is None:
            return self._frozen
        if self._frozen is not None:
            return self._blend(self._frozen, estimate)[0]
        return estimate.line if self._is_good() else None

    def _blend(self, held: ClockLine, estimate: ClockEstimate) -> tuple[ClockLine, float]:
        """Between an earlier estimate and a new one, as far as each is to be believed; and the new one's share.

        Who takes over tells what it believed of the same clock, so the two differ by what both were off: going over
        at once, to an estimate that is still young, would be a jump.
        """
        if self._between is None or self._between[0] is not estimate:
            at_ns, young = estimate.line.local_ns, estimate.line
            apart_ns = young.group(at_ns) - held.group(at_ns)
            held_ns = self._frozen_doubt_ns + HELD_DRIFT * max(0, at_ns - held.local_ns)
            young_ns = YOUNG_DOUBT * estimate.noise_ns
            both_ns = math.hypot(held_ns, young_ns)
            is_far = abs(apart_ns) > FAR * both_ns
            share = float(self._is_good()) if is_far else (held_ns / both_ns) ** 2
            drift = held.drift + share * (young.drift - held.drift)
            self._between = estimate, ClockLine(at_ns, held.group(at_ns) + round(share * apart_ns), drift), share
        return self._between[1:]

    @property
    def guess(self) -> ClockLine | None:
        """The same as far as it is known at all: good enough to have the right music fetched."""
        estimate = self._sync.estimate if self._sync is not None else None
        return self.line or (estimate.line if estimate is not None else None)

    @property
    def drift(self) -> float:
        line = self.line
        return 0.0 if line is None else line.drift

    @property
    def noise_ns(self) -> float:
        """How far off it likely is."""
        estimate = self._sync.estimate if self._sync is not None else None
        if estimate is None:
            return 0.0 if self._sync is None else self._frozen_doubt_ns
        return estimate.noise_ns * math.sqrt(self._share)

    @property
    def doubt_ns(self) -> float:
        """How far off it may be, for whoever goes on with it later."""
        return max(HELD_DOUBT_NS, DOUBT * self.noise_ns)

    @property
    def drift_doubt(self) -> float:
        """By how much that grows."""
        estimate = self._sync.estimate if self._sync is not None else None
        return HELD_DRIFT if estimate is None else estimate.drift_doubt

    @property
    def _share(self) -> float:
        """What the present peer's estimate counts for, beside one of an earlier peer; from 0 to 1."""
        estimate = self._sync.estimate if self._sync is not None else None
        if estimate is None:
            return 0.0
        return 1.0 if self._frozen is None else self._blend(self._frozen, estimate)[1]

    @property
    def round_trip_ns(self) -> int:
        """Median of the last exchanges; 0 before the first."""
        trips = self._sync.round_trips if self._sync is not None else None
        return 0 if trips is None else trips.median_ns

    @property
    def jitter_ns(self) -> int:
        """By how much the last exchanges differ: 95 % took no longer than the shortest and this."""
        trips = self._sync.round_trips if self._sync is not None else None
        return 0 if trips is None else trips.p95_ns - trips.least_ns

    @property
    def resets(self) -> int:
        return 0 if self._sync is None else self._sync.resets

    @property
    def is_settling(self) -> bool:
        """Whether it is still getting better by the second: small errors may be its own."""
        if self._sync is None or self._frozen is not None:
            return False
        age_ns = time.monotonic_ns() - self._first_ns
        return age_ns < LEAST_SETTLING_NS or (age_ns < SETTLING_NS and self.noise_ns > SETTLED_NOISE_NS)

    @property
    def ready_in_ns(self) -> int:
        """How long until there is a line, at the latest; 0 also over a short line, where the clock is known at once."""
        if self.line is not None or self.round_trip_ns <= SHORT_NS:
            return 0
        return max(0, self._first_ns + PATIENCE_NS - time.monotonic_ns())

    def now_ns(self) -> int | None:
        """Group time."""
        line = self.line
        return None if line is None else line.group(time.monotonic_ns())

    def begin(self) -> None:
        """Learn from another peer from now on; what is known counts until the new is better."""
        self._frozen_doubt_ns, self._frozen = self.doubt_ns, self._held()
        self._between = None
        self._sync = ClockSync(self.drift)
        self._first_ns = 0
        self._open.clear()
        self._schedule.restart(time.monotonic_ns())

    def recall(self, line: ClockLine, doubt_ns: float) -> None:
        """Begin with what was known of this group's time when it was left; it counts until the new is better."""
        self._frozen, self._frozen_doubt_ns = line, doubt_ns
        self._between = None

    def lead(self) -> None:
        """Be the group's clock: go on from what it is now, at the speed of this machine's own."""
        line, now_ns = self.line, time.monotonic_ns()
        self._between = None
        self._frozen = None if line is None else ClockLine(now_ns, line.group(now_ns))
        self._sync = None

    def _held(self) -> ClockLine | None:
        """The present line, to be relied on for a while; a drift that is mostly doubt would lead astray."""
        line = self.line
        estimate = self._sync.estimate if self._sync is not None else None
        if line is None or estimate is None or line is not estimate.line or abs(line.drift) > estimate.drift_doubt:
            return line
        now_ns = time.monotonic_ns()
        return ClockLine(now_ns, line.group(now_ns))

    def ask(self, link: PeerLink) -> float:
        """Ask if it is time to; seconds until the next question."""
        now_ns = time.monotonic_ns()
        if self._schedule.due(now_ns):
            self._number += 1
            if len(self._open) >= MAX_OPEN:
                self._open.popitem(last=False)
            self._open[self._number] = time.monotonic_ns()
            link.send_time(AskTime(self._number))
        return max(0.0, (self._schedule.next_ns - time.monotonic_ns()) / NS_PER_S)

    def pace(self, question_ns: int) -> None:
        """The host's line carries no more than one question in so long."""
        self._schedule.least_ns = question_ns

    def hurry(self) -> None:
        """Ask again at once: nothing was heard for a while."""
        self._schedule.next_ns = time.monotonic_ns()

    def take(self, answer: TimeIs, at_ns: int) -> bool:
        """An answer came at at_ns; True: a clock had stepped."""
        sent_ns = self._open.pop(answer.number, None)
        if sent_ns is None or self._sync is None:
            return False
        if not self._first_ns:
            self._first_ns = at_ns
        self._schedule.answered(at_ns, at_ns - sent_ns)
        stepped = self._sync.add(Exchange(sent_ns, answer.received_ns, answer.sent_ns, at_ns))
        if stepped:
            self._frozen = self._between = None
            self._first_ns = at_ns
            self._schedule.restart(at_ns)
        elif self._share > 1.0 - HELD_SHARE:
            self._frozen = self._between = None
        return stepped

    def answer(self, question: AskTime, at_ns: int) -> TimeIs | None:
        """What to say to one who asked at at_ns."""
        line = self.line
        if line is None:
            return None
        return TimeIs(question.number, line.group(at_ns), line.group(time.monotonic_ns()))

    def _is_good(self) -> bool:
        if self._sync is None or self._sync.estimate is None:
            return False
        waited_ns = time.monotonic_ns() - self._first_ns
        return self._sync.estimate.noise_ns < GOOD_NOISE_NS or waited_ns > PATIENCE_NS
