"""What a group plays next: a value that every change replaces, so that a successor has it whole."""

import msgspec

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import TrackId, UserName
from hocket.relay.keys import GroupId, Sign, canonical, is_signed_by

MAX_UPCOMING = 300
"""With ids and the longest names 50 KiB: a frame between friends has at most 64."""

MAX_PLAYED = 50
MAX_PER_PERSON = 50
"""What one follower may have waiting, so that nobody fills the queue alone."""


class QueueFull(HocketError):
    """No more tracks fit, in all or of one person."""

    code = ErrorCode.QUEUE_FULL


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One track in the queue; `number` names the entry, since a track may stand in it twice."""

    number: int
    track: TrackId
    by: UserName


class Queue(msgspec.Struct, frozen=True, array_like=True):
    """What was played, what plays, what comes. The host alone makes new versions."""

    group: GroupId
    epoch: int = 0
    version: int = 0
    next_number: int = 1
    current: Entry | None = None
    upcoming: tuple[Entry, ...] = ()
    played: tuple[Entry, ...] = ()

    @property
    def next_up(self) -> Entry | None:
        """What follows the current track."""
        return self.upcoming[0] if self.upcoming else None

    def add(self, track: TrackId, by: UserName, at: int | None = None, most: int = MAX_PER_PERSON) -> "Queue":
        """Put a track in at an index (0 = next up; None = last). Raises QueueFull."""
        if len(self.upcoming) >= MAX_UPCOMING:
            raise QueueFull(f"the queue holds {MAX_UPCOMING} tracks", hint="wait until some were played")
        if sum(entry.by == by for entry in self.upcoming) >= most:
            raise QueueFull(f"{by} has {most} tracks waiting", hint="wait until some were played")
        where = len(self.upcoming) if at is None else max(0, at)
        entry = Entry(self.next_number, track, by)
        upcoming = (*self.upcoming[:where], entry, *self.upcoming[where:])
        return self._next(next_number=self.next_number + 1, upcoming=upcoming)

    def remove(self, number: int) -> "Queue":
        """Take an entry out; the same queue where it is gone already."""
        upcoming = tuple(entry for entry in self.upcoming if entry.number != number)
        return self if len(upcoming) == len(self.upcoming) else self._next(upcoming=upcoming)

    def move(self, number: int, to: int) -> "Queue":
        """Put an entry at another index; the same queue where it is gone."""
        entry = next((entry for entry in self.upcoming if entry.number == number), None)
        if entry is None:
            return self
        others = [other for other in self.upcoming if other is not entry]
        others.insert(max(0, to), entry)
        return self if tuple(others) == self.upcoming else self._next(upcoming=tuple(others))

    def advance(self) -> "Queue":
        """The next track becomes the current one; none, when all were played."""
        return self._next(current=self.next_up, upcoming=self.upcoming[1:], played=self._played_with(self.current))

    def go_back(self) -> "Queue":
        """The last played track becomes the current one again; the same queue where there is none."""
        if not self.played:
            return self
        waiting = (self.current, *self.upcoming) if self.current else self.upcoming
        return self._next(current=self.played[-1], upcoming=waiting, played=self.played[:-1])

    def play_now(self, track: TrackId, by: UserName) -> "Queue":
        """A track becomes the current one; those that wait go on waiting."""
        entry = Entry(self.next_number, track, by)
        return self._next(next_number=self.next_number + 1, current=entry, played=self._played_with(self.current))

    def clear(self) -> "Queue":
        """Nothing waits any more; what plays plays on."""
        return self._next(upcoming=()) if self.upcoming else self

    def succeed(self, epoch: int) -> "Queue":
        """The same queue in a new host's hands."""
        return msgspec.structs.replace(self, epoch=epoch, version=0)

    def _played_with(self, entry: Entry | None) -> tuple[Entry, ...]:
        return (*self.played, entry)[-MAX_PLAYED:] if entry else self.played

    def _next(self, **changes: object) -> "Queue":
        return msgspec.structs.replace(self, version=self.version + 1, **changes)


class SignedQueue(msgspec.Struct, frozen=True, array_like=True):
    """A queue as it travels."""

    queue: Queue
    signature: bytes


def sign_queue(queue: Queue, sign: Sign) -> SignedQueue:
    """The host's signature under its queue."""
    return SignedQueue(queue, sign(canonical(queue)))


def is_news(known: Queue, offered: SignedQueue, epoch: int, host_key: bytes) -> bool:
    """Whether to take an offered queue: this group's, newer than what is known, and signed by the host of `epoch`."""
    queue = offered.queue
    return (
        queue.group == known.group
        and queue.epoch == epoch
        and (queue.epoch, queue.version) > (known.epoch, known.version)
        and len(queue.upcoming) <= MAX_UPCOMING
        and len(queue.played) <= MAX_PLAYED
        and is_signed_by(host_key, offered.signature, queue)
    )
