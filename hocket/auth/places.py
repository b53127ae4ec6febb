"""One place on an auth node: kept for a log-in, held while the password is checked, then a session's."""

from enum import Enum, auto

from hocket.core.machine import Machine


class State(Enum):
    """What a place is."""

    RESERVED = auto()
    CHECKING = auto()
    OPEN = auto()
    FREE = auto()


class Event(Enum):
    """What happens to it."""

    LOGIN = auto()
    REFUSED = auto()
    ACCEPTED = auto()
    HEARTBEAT = auto()
    TIMEOUT = auto()
    END = auto()


class Deadline(Enum):
    """Until when the place is held from here on."""

    SEAT = auto()  # as long as it was reserved for: a wrong password does not prolong it
    CHECK = auto()
    SILENCE = auto()
    NONE = auto()


_NEXT = {
    (State.RESERVED, Event.LOGIN): (State.CHECKING, Deadline.CHECK),
    (State.RESERVED, Event.TIMEOUT): (State.FREE, Deadline.NONE),
    (State.RESERVED, Event.END): (State.FREE, Deadline.NONE),
    # The listener may mistype and try again on the same seat.
    (State.CHECKING, Event.REFUSED): (State.RESERVED, Deadline.SEAT),
    (State.CHECKING, Event.ACCEPTED): (State.OPEN, Deadline.SILENCE),
    (State.CHECKING, Event.TIMEOUT): (State.FREE, Deadline.NONE),
    (State.CHECKING, Event.END): (State.FREE, Deadline.NONE),
    (State.OPEN, Event.HEARTBEAT): (State.OPEN, Deadline.SILENCE),
    (State.OPEN, Event.TIMEOUT): (State.FREE, Deadline.NONE),
    (State.OPEN, Event.END): (State.FREE, Deadline.NONE),
    # No way out of FREE: the next login makes a new place.
}


class Place(Machine[State, Event, Deadline]):
    """A place with its deadlines, in monotonic seconds."""

    __slots__ = ("deadline_s", "seat_until_s")

    def __init__(self, seat_until_s: float) -> None:
        super().__init__(_NEXT, State.RESERVED)
        self.seat_until_s = seat_until_s
        self.deadline_s = seat_until_s
