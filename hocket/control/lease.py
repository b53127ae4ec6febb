"""How a node's life is judged: heard, suspected, probed, lost.

The end of a connection or a lease without a heartbeat makes a node a suspect, no more. A probe, a
fresh connection to its address, decides: no answer and it is lost; an answer buys it one more lease
in which to come back to its control connection. The same order as in SWIM (Das, Gupta, Motivala
2002), with the prime as the only judge.
"""

from collections.abc import Mapping
from enum import Enum, auto

from hocket.core.machine import Machine


class State(Enum):
    """What the prime believes of one node."""

    EXPECTED = auto()  # ordered, not yet heard
    ALIVE = auto()
    SUSPECT = auto()  # a probe is under way
    REPRIEVED = auto()  # answered the probe, still silent on its control connection
    LOST = auto()  # judged; leaves the registry unless removals are frozen
    DEAD = auto()


class Event(Enum):
    """What happened to it."""

    HEARD = auto()  # registered, or a heartbeat
    SILENT = auto()  # the time that its state allows ran out
    EOF = auto()  # its control connection ended
    PROBE_OK = auto()
    PROBE_FAILED = auto()
    LEFT = auto()  # known for certain to be gone: said goodbye, its process ended, it was revoked
    BURIED = auto()  # taken out of the registry


class Command(Enum):
    """What follows from it."""

    NOTHING = auto()
    PROBE = auto()
    CONDEMN = auto()  # remove it once removals are allowed
    RETIRE = auto()  # it is out: forget it


_LIVING = (State.EXPECTED, State.ALIVE, State.SUSPECT, State.REPRIEVED, State.LOST)

_NEXT: Mapping[tuple[State, Event], tuple[State, Command]] = {
    (State.EXPECTED, Event.HEARD): (State.ALIVE, Command.NOTHING),
    (State.EXPECTED, Event.SILENT): (State.LOST, Command.CONDEMN),
    (State.ALIVE, Event.HEARD): (State.ALIVE, Command.NOTHING),
    (State.ALIVE, Event.SILENT): (State.SUSPECT, Command.PROBE),
    (State.ALIVE, Event.EOF): (State.SUSPECT, Command.PROBE),
    # Answers to a probe of an earlier suspicion that ended well in the meantime.
    (State.ALIVE, Event.PROBE_OK): (State.ALIVE, Command.NOTHING),
    (State.ALIVE, Event.PROBE_FAILED): (State.ALIVE, Command.NOTHING),
    (State.SUSPECT, Event.HEARD): (State.ALIVE, Command.NOTHING),
    (State.SUSPECT, Event.EOF): (State.SUSPECT, Command.NOTHING),
    (State.SUSPECT, Event.PROBE_OK): (State.REPRIEVED, Command.NOTHING),
    (State.SUSPECT, Event.PROBE_FAILED): (State.LOST, Command.CONDEMN),
    (State.SUSPECT, Event.SILENT): (State.LOST, Command.CONDEMN),
    (State.REPRIEVED, Event.HEARD): (State.ALIVE, Command.NOTHING),
    (State.REPRIEVED, Event.EOF): (State.REPRIEVED, Command.NOTHING),
    (State.REPRIEVED, Event.PROBE_OK): (State.REPRIEVED, Command.NOTHING),
    (State.REPRIEVED, Event.PROBE_FAILED): (State.LOST, Command.CONDEMN),
    (State.REPRIEVED, Event.SILENT): (State.LOST, Command.CONDEMN),
    # Condemned, but still here while removals are frozen: who speaks up lives.
    (State.LOST, Event.HEARD): (State.ALIVE, Command.NOTHING),
    (State.LOST, Event.EOF): (State.LOST, Command.NOTHING),
    (State.LOST, Event.PROBE_OK): (State.REPRIEVED, Command.NOTHING),
    (State.LOST, Event.PROBE_FAILED): (State.LOST, Command.NOTHING),
    (State.LOST, Event.SILENT): (State.LOST, Command.NOTHING),
    (State.LOST, Event.BURIED): (State.DEAD, Command.RETIRE),
    # No way out of DEAD: its replacement may already hold its place.
} | {(state, Event.LEFT): (State.DEAD, Command.RETIRE) for state in _LIVING}

SUSPECTED = frozenset({State.SUSPECT, State.REPRIEVED, State.LOST})
"""Silent or cut off: shown as `suspect`, given nothing new."""

Lease = Machine[State, Event, Command]


def new_lease(start: State) -> Lease:
    """A lease machine in EXPECTED (a node that was ordered) or ALIVE (one that was heard)."""
    return Machine(_NEXT, start)
