"""All tracks that a node knows: an immutable value that answers pages, searches and names.

Every order is kept sorted, so a page without a search is a slice; a search marks slots in one pass and
walks the order that was asked for until the page is full. A change copies the orders (four bytes a
track) and moves what changed by bisection, so readers keep the catalogue that they hold.
"""

import re
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from itertools import compress
from typing import Final

import msgspec

from hocket.core.errors import TrackMissing
from hocket.core.ids import TrackId
from hocket.core.track import Sort, Track
from hocket.media.finding import resolve
from hocket.media.shelf import Shelf, haystack
from hocket.media.text import fold

_REBUILD_SHARE: Final = 0.02
"""Past this share of changed tracks sorting everything is cheaper than moving them one by one."""

_FEW: Final = 200
"""So few matches are sorted rather than picked out of all tracks in order."""

_SLOT: Final = "I"
_DIGITS = re.compile(r"\d+")


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What it took time to work out about tracks, for a file: see `Catalogue.restored`.

    One haystack a track; for each Sort the tracks' numbers in that order, four bytes each.
    """

    haystacks: list[str]
    orders: dict[Sort, bytes]


class Catalogue:
    """Tracks with distinct names; those that can play have distinct ids.

    `revision` counts changes: pages of different revisions may not fit one another.
    """

    __slots__ = ("_by_id", "_orders", "_shelf", "revision")

    def __init__(self, tracks: Iterable[Track] = (), revision: int = 0) -> None:
        unique = list({track.name: track for track in tracks}.values())
        natural = cache(_natural)
        # By name first: haystacks then lie in memory in the order in which most pages walk them.
        unique.sort(key=lambda track: _name_key(track.name, natural))
        orders = {}
        for sort, key in _KEYS.items():
            keys = [key(track, natural) for track in unique]
            orders[sort] = array(_SLOT, sorted(range(len(unique)), key=keys.__getitem__))
        by_id = {track.id: track for track in unique if track.id}
        self._fill(Shelf(list(unique), [haystack(track) for track in unique]), orders, by_id, revision)

    def _fill(self, shelf: Shelf, orders: "dict[Sort, array[int]]", by_id: dict[TrackId, Track], revision: int) -> None:
        self._shelf = shelf
        self._orders = orders
        self._by_id = by_id
        self.revision = revision

    @classmethod
    def restored(cls, tracks: Sequence[Track], snapshot: Snapshot, revision: int = 0) -> "Catalogue":
        """A catalogue out of `tracks` and `snapshot` of another one, without sorting anything.

        Raises ValueError when the two do not fit.
        """
        orders = {sort: array(_SLOT, snapshot.orders.get(sort, b"")) for sort in Sort}
        if {len(snapshot.haystacks), *map(len, orders.values())} != {len(tracks)}:
            raise ValueError("a snapshot of other tracks")
        catalogue = cls()
        by_id = {track.id: track for track in tracks if track.id}
        catalogue._fill(Shelf(list(tracks), snapshot.haystacks), orders, by_id, revision)
        return catalogue

    def snapshot(self) -> Snapshot:
        """What `restored` takes together with `tracks`."""
        by_name = self._orders[Sort.NAME]
        number = array(_SLOT, bytes(by_name.itemsize * len(self._shelf.tracks)))
        for position, slot in enumerate(by_name):
            number[slot] = position
        return Snapshot(
            [self._shelf.haystacks[slot] for slot in by_name],
            {sort: array(_SLOT, map(number.__getitem__, order)).tobytes() for sort, order in self._orders.items()},
        )

    def __len__(self) -> int:
        return len(self._orders[Sort.NAME])

    @property
    def tracks(self) -> list[Track]:
        """All tracks by name."""
        return self._in_slots(self._orders[Sort.NAME])

    def get(self, track: TrackId) -> Track | None:
        """The track with this id."""
        return self._by_id.get(track)

    @property
    def by_id(self) -> Mapping[TrackId, Track]:
        """All tracks that have an id."""
        return self._by_id

    def named(self, names: Collection[str]) -> dict[str, Track]:
        """Those of the names that tracks have, with their tracks."""
        slots = self._slots_of(names)
        return {name: track for name, slot in slots.items() if (track := self._shelf.tracks[slot]) is not None}

    def page(
        self, search: str = "", offset: int = 0, limit: int = 100, sort: Sort = Sort.NAME, descending: bool = False
    ) -> tuple[int, list[Track]]:
        """(how many tracks match, at most `limit` of them from `offset` on).

        Every word of the search must occur in title, artist, album or name, in any case and with or
        without accents. Raises ValueError for a negative offset or limit.
        """
        if offset < 0 or limit < 0:
            raise ValueError(f"offset {offset}, limit {limit}")
        found: Sequence[int] = self._orders[sort]
        if words := fold(search).split():
            marks = self._shelf.marks(words)
            if marks.count(1) <= _FEW:
                found = sorted(compress(range(len(marks)), marks), key=_keys_of(self._shelf.tracks, sort))
            else:
                found = [slot for slot in found if marks[slot]]
        return len(found), self._in_slots(_slice(found, offset, limit, descending))

    def resolve(self, text: str) -> Track:
        """The one track that a person means by text: an id, a name, a title, or a unique part of these.

        Raises AmbiguousTrack with the candidates, TrackMissing with near misses.
        """
        track = self._by_id.get(TrackId(text.strip().lower()))
        if track is None and (slot := self._slot_of(text)) is not None:
            track = self._shelf.tracks[slot]
        return track or resolve(text, self._shelf)

    def with_changes(self, added: Iterable[Track] = (), removed: Iterable[Track] = ()) -> "Catalogue":
        """The catalogue after a change, one revision on. A track that changed is both removed and added.

        Raises TrackMissing when a removed track is not here: the change belongs to another catalogue.
        """
        new = {track.name: track for track in added}
        gone = self._must_have([track.name for track in removed])
        gone += self._slots_of(new).values()
        if len(new) + len(gone) > _REBUILD_SHARE * len(self):
            left = set(self._orders[Sort.NAME]).difference(gone)
            return Catalogue([*self._in_slots(left), *new.values()], self.revision + 1)
        return self._moved(set(gone), list(new.values()))

    def _moved(self, gone: set[int], new: list[Track]) -> "Catalogue":
        shelf = self._shelf.copy()
        orders = {sort: order[:] for sort, order in self._orders.items()}
        for sort, order in orders.items():
            key = _keys_of(shelf.tracks, sort)
            for slot in gone:
                del order[bisect_left(order, key(slot), key=key)]
        by_id = self._by_id.copy()
        for slot in gone:
            by_id.pop(shelf.take(slot).id, None)
        for track in new:
            slot = shelf.put(track)
            if track.id:
                by_id[track.id] = track
            for sort, order in orders.items():
                insort(order, slot, key=_keys_of(shelf.tracks, sort))
        catalogue = Catalogue()
        catalogue._fill(shelf, orders, by_id, self.revision + 1)
        return catalogue

    def _in_slots(self, slots: Iterable[int]) -> list[Track]:
        tracks = self._shelf.tracks
        return [track for slot in slots if (track := tracks[slot]) is not None]

    def _slot_of(self, name: str) -> int | None:
        order = self._orders[Sort.NAME]
        wanted = _name_key(name, _natural)
        position = bisect_left(order, wanted, key=_keys_of(self._shelf.tracks, Sort.NAME))
        if position < len(order):
            track = self._shelf.tracks[order[position]]
            if track is not None and track.name == name:
                return order[position]
        return None

    def _slots_of(self, names: Collection[str]) -> dict[str, int]:
        """The slots of those names that are here."""
        if len(names) <= _REBUILD_SHARE * len(self):
            return {name: slot for name in names if (slot := self._slot_of(name)) is not None}
        all_slots = {track.name: slot for slot, track in enumerate(self._shelf.tracks) if track is not None}
        return {name: all_slots[name] for name in names if name in all_slots}

    def _must_have(self, names: Collection[str]) -> list[int]:
        slots = self._slots_of(names)
        for name in names:
            if name not in slots:
                raise TrackMissing(f"'{name}' is not in the catalogue, so it cannot be removed")
        return list(slots.values())


def _slice(order: Sequence[int], offset: int, limit: int, descending: bool) -> Sequence[int]:
    if not descending:
        return order[offset : offset + limit]
    end = max(len(order) - offset, 0)
    return order[max(end - limit, 0) : end][::-1]


def _natural(text: str) -> str:
    """Text that sorts as people count: 'No. 9' before 'No. 10'. Empty text comes last."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(6), fold(text)) or "\U0010ffff"


_Natural = Callable[[str], str]


def _name_key(name: str, natural: _Natural) -> str:
    return f"{natural(name)}\0{name}"


def _album_key(track: Track, natural: _Natural) -> str:
    return f"{natural(track.album)}\0{track.track_number:06}\0{natural(track.title)}\0{track.name}"


# Single strings rather than tuples: they compare four times as fast.
_KEYS: dict[Sort, Callable[[Track, _Natural], str]] = {
    Sort.NAME: lambda track, natural: _name_key(track.name, natural),
    Sort.TITLE: lambda track, natural: f"{natural(track.title)}\0{track.name}",
    Sort.ARTIST: lambda track, natural: f"{natural(track.artist)}\0{_album_key(track, natural)}",
    Sort.ALBUM: _album_key,
    Sort.DURATION: lambda track, natural: f"{round(track.duration_s * 1e9):018}\0{track.name}",
}


def _keys_of(tracks: Sequence[Track | None], sort: Sort) -> Callable[[int], str]:
    key = _KEYS[sort]

    def key_of(slot: int) -> str:
        track = tracks[slot]
        return key(track, _natural) if track is not None else ""

    return key_of
