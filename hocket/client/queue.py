"""What plays, what comes next, and what came before: shuffle and repeat included. No I/O."""

import random
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from hocket.core.track import Track


class Repeat(StrEnum):
    """What follows the last track, or each one."""

    OFF = "off"
    ALL = "all"
    ONE = "one"


class Entry(msgspec.Struct, frozen=True):
    """One place in the queue. The same track may stand there twice, so places have numbers of their own."""

    id: int
    track: Track


class PlayQueue:
    """Entries in the order that people see, and the order they play in (another one when shuffled).

    `rng` decides the shuffle. Nothing plays while `current` is None: before the start, and past the end.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._entries: list[Entry] = []
        self._by_id: dict[int, Entry] = {}
        self._order: list[int] = []  # entry ids in the order of playing
        self._place: int | None = None  # index into _order of what plays
        self._last_id = 0
        self._shuffle = False
        self.repeat = Repeat.OFF

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """As people see them."""
        return tuple(self._entries)

    @property
    def current(self) -> Entry | None:
        return None if self._place is None else self._by_id[self._order[self._place]]

    @property
    def shuffle(self) -> bool:
        return self._shuffle

    # -- what is in it

    def replace(self, tracks: Sequence[Track], start: int = 0) -> Entry | None:
        """Only these from now on, playing from the given one."""
        self.clear()
        self._entries = [self._entry(track) for track in tracks]
        self._place = None
        self._reorder(first=self._entries[start].id if tracks else None)
        if tracks:
            self._place = self._order.index(self._entries[start].id)
        return self.current

    def add(self, tracks: Iterable[Track]) -> None:
        """At the end; when shuffled, somewhere among those to come."""
        for track in tracks:
            entry = self._entry(track)
            self._entries.append(entry)
            first = 0 if self._place is None else self._place + 1
            place = self._rng.randint(first, len(self._order)) if self._shuffle else len(self._order)
            self._order.insert(place, entry.id)

    def add_next(self, tracks: Iterable[Track]) -> None:
        """Right after what plays, shuffled or not."""
        fresh = [self._entry(track) for track in tracks]
        current = self.current
        seen_at = self._entries.index(current) + 1 if current else 0
        self._entries[seen_at:seen_at] = fresh
        place = 0 if self._place is None else self._place + 1
        self._order[place:place] = [entry.id for entry in fresh]

    def remove(self, entry_id: int) -> None:
        """Take one out. If it plays, the one before is current then: `forward` goes to the one after it."""
        entry = self._by_id[entry_id]
        place = self._order.index(entry_id)
        self._entries.remove(entry)
        del self._by_id[entry_id]
        del self._order[place]
        if self._place is not None and place < self._place:
            self._place -= 1
        elif place == self._place:
            self._place = None if place == 0 else place - 1

    def move(self, entry_id: int, to_index: int) -> None:
        """To another place in what people see; the order of playing follows unless shuffled."""
        entry = self._by_id[entry_id]
        current = self.current
        self._entries.remove(entry)
        self._entries.insert(max(0, min(to_index, len(self._entries))), entry)
        if not self._shuffle:
            self._order = [each.id for each in self._entries]
            if current is not None:
                self._place = self._order.index(current.id)

    def clear(self) -> None:
        self._entries.clear()
        self._by_id.clear()
        self._order.clear()
        self._place = None

    # -- going through it

    def jump(self, entry_id: int) -> Entry:
        """This one plays now."""
        self._place = self._order.index(entry_id)
        return self._by_id[entry_id]

    def peek(self) -> Entry | None:
        """What comes by itself when the current one ends."""
        if self.repeat is Repeat.ONE and self.current is not None:
            return self.current
        place = self._next_place()
        return None if place is None else self._by_id[self._order[place]]

    def advance(self) -> Entry | None:
        """The current one has ended: go to what `peek` said."""
        return self.current if self.repeat is Repeat.ONE and self.current is not None else self.forward()

    def forward(self) -> Entry | None:
        """The next one, as a person asks for it (past the end: the first with repeat, else None and stay)."""
        place = self._next_place()
        if place is None:
            return None
        self._place = place
        return self.current

    def back(self) -> Entry | None:
        """The one before; None (and stay) at the first, unless it repeats."""
        if self._place is None:
            return None
        if self._place == 0:
            if self.repeat is not Repeat.ALL:
                return None
            self._place = len(self._order)
        self._place -= 1
        return self.current

    def set_shuffle(self, on: bool) -> None:
        """Shuffle what is to come, the current one stays; or go back to the order that people see."""
        if on != self._shuffle:
            current = self.current
            self._shuffle = on
            self._reorder(first=current.id if current else None)
            if current is not None:
                self._place = self._order.index(current.id)

    # -- inside

    def _entry(self, track: Track) -> Entry:
        self._last_id += 1
        entry = self._by_id[self._last_id] = Entry(self._last_id, track)
        return entry

    def _next_place(self) -> int | None:
        following = 0 if self._place is None else self._place + 1
        if following < len(self._order):
            return following
        return 0 if self.repeat is Repeat.ALL and self._order else None

    def _reorder(self, first: int | None) -> None:
        self._order = [entry.id for entry in self._entries]
        if self._shuffle:
            self._rng.shuffle(self._order)
            if first is not None:
                self._order.remove(first)
                self._order.insert(0, first)
