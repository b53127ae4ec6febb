"""Simultaneous open: two sides behind routers dial each other at once (RFC 793 3.4, RFC 5382 REQ-2, REQ-4).

A router lets in what answers a packet that went out. So each side's first packet opens its own router for the
other's; whichever arrives second finds the way open. Nothing is guessed: the ports are those that the prime saw.
"""

from collections.abc import Mapping
from enum import Enum, auto

from hocket.core.clock import NS_PER_S
from hocket.core.machine import Machine

AHEAD_NS = 200_000_000
"""The prime's moment: time for both to be told, on all but the worst lines; who is told later dials at once."""

MAX_WAIT_NS = NS_PER_S
"""A moment further ahead is a clock that is wrong: nobody waits longer."""

DIAL_NS = 3 * NS_PER_S // 2
"""One try: the kernel sends its packet again after a second."""

REST_NS = NS_PER_S // 4
"""After a refusal: a router that refuses instead of keeping silent lets the next one in once the other has dialled."""

LIMIT_NS = 4 * NS_PER_S
MAX_DIALS = 8
"""So nobody can be made to send a third party more than this."""


class State(Enum):
    """Where one side's attempt is."""

    WAITING = auto()
    DIALLING = auto()
    RESTING = auto()
    THROUGH = auto()
    CLOSED = auto()


class Event(Enum):
    """What happens to it."""

    MOMENT = auto()
    SILENCE = auto()
    REFUSED = auto()
    RESTED = auto()
    ANSWERED = auto()
    LATE = auto()


class Command(Enum):
    """What is to be done with sockets."""

    NOTHING = auto()
    DIAL = auto()
    DIAL_ANEW = auto()
    HANG_UP = auto()
    KEEP = auto()
    GIVE_UP = auto()


_NEXT: Mapping[tuple[State, Event], tuple[State, Command]] = {
    (State.WAITING, Event.MOMENT): (State.DIALLING, Command.DIAL),
    (State.WAITING, Event.ANSWERED): (State.THROUGH, Command.KEEP),  # the other was early and reached the open port
    (State.WAITING, Event.LATE): (State.CLOSED, Command.GIVE_UP),
    (State.DIALLING, Event.SILENCE): (State.DIALLING, Command.DIAL_ANEW),
    (State.DIALLING, Event.REFUSED): (State.RESTING, Command.HANG_UP),
    (State.DIALLING, Event.ANSWERED): (State.THROUGH, Command.KEEP),
    (State.DIALLING, Event.LATE): (State.CLOSED, Command.GIVE_UP),
    (State.RESTING, Event.RESTED): (State.DIALLING, Command.DIAL),
    (State.RESTING, Event.ANSWERED): (State.THROUGH, Command.KEEP),
    (State.RESTING, Event.LATE): (State.CLOSED, Command.GIVE_UP),
}


class Punch:
    """One side's attempt to get through. Call `tick` at `next_ns`, and tell what the sockets do."""

    def __init__(self, now_ns: int, wait_ns: int) -> None:
        """`wait_ns` from now is the moment that the prime named; it may have passed already."""
        self._machine: Machine[State, Event, Command] = Machine(_NEXT, State.WAITING)
        self._due_ns = now_ns + min(max(0, wait_ns), MAX_WAIT_NS)
        self._end_ns = self._due_ns + LIMIT_NS
        self.dials = 0

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def next_ns(self) -> int:
        """When `tick` has something to say."""
        return min(self._due_ns, self._end_ns)

    def tick(self, now_ns: int) -> Command:
        """What time alone brings about."""
        if self.state in (State.THROUGH, State.CLOSED):
            return Command.NOTHING
        if now_ns >= self._end_ns:
            return self._machine.feed(Event.LATE)
        if now_ns < self._due_ns:
            return Command.NOTHING
        if self.dials >= MAX_DIALS:
            return self._machine.feed(Event.LATE)
        events = {State.WAITING: Event.MOMENT, State.DIALLING: Event.SILENCE, State.RESTING: Event.RESTED}
        self.dials += 1
        self._due_ns = now_ns + DIAL_NS
        return self._machine.feed(events[self.state])

    def refused(self, now_ns: int) -> Command:
        """The dial came to nothing at once."""
        if self.state is not State.DIALLING:
            return Command.NOTHING
        self._due_ns = now_ns + REST_NS
        return self._machine.feed(Event.REFUSED)

    def answered(self) -> Command:
        """There is a connection: by the dial, or because the other reached the open port."""
        if self.state in (State.THROUGH, State.CLOSED):
            return Command.HANG_UP  # one is enough
        return self._machine.feed(Event.ANSWERED)
