"""What was learnt of groups' clocks, for who leaves and comes back: heard at once, and from the right point."""

import time
from collections import OrderedDict

import msgspec

from hocket.client.together.groupclock import GroupClock
from hocket.relay.clocksync import ClockLine
from hocket.relay.keys import GroupId

KEPT = 8
"""Groups; more than that nobody goes to and fro between."""

GOOD_DOUBT_NS = 400_000.0
"""What may be further off than this is forgotten: the first answers of the host say more within a moment."""

LEAST_DRIFT_DOUBT = 1e-6
"""Rates change with the warmth of the room, however well they were learnt."""


class _Known(msgspec.Struct, frozen=True):
    """A line as of `at_ns`, and by how much it is off then and a nanosecond later."""

    line: ClockLine
    at_ns: int
    doubt_ns: float
    drift_doubt: float


class ClockMemory:
    """Of one machine: its monotonic clock must not have been started anew."""

    def __init__(self) -> None:
        self._known: OrderedDict[GroupId, _Known] = OrderedDict()

    def keep(self, group: GroupId, clock: GroupClock) -> None:
        """A group is left."""
        line = clock.line
        self._known.pop(group, None)
        if line is None or clock.doubt_ns > GOOD_DOUBT_NS:
            return
        drift_doubt = max(clock.drift_doubt, LEAST_DRIFT_DOUBT)
        self._known[group] = _Known(line, time.monotonic_ns(), clock.doubt_ns, drift_doubt)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def recall(self, group: GroupId, clock: GroupClock) -> None:
        """A group is entered: its clock begins with what is known of it, if that is still worth something."""
        known = self._known.get(group)
        if known is None:
            return
        now_ns = time.monotonic_ns()
        doubt_ns = known.doubt_ns + known.drift_doubt * (now_ns - known.at_ns)
        if doubt_ns <= GOOD_DOUBT_NS:
            clock.recall(ClockLine(now_ns, known.line.group(now_ns), known.line.drift), doubt_ns)
