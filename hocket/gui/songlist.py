"""The songs as the window shows them: searched and sorted here, so that a keystroke asks nobody. No Qt, no I/O.

A search comes in slices of some milliseconds, so that the window has time for other things between them.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np

from hocket.core.track import Track
from hocket.gui import texts
from hocket.gui.listed import INDEX, NOTHING, Batch, Column, Listed, Orders, unpack
from hocket.media.text import fold

QUEUE_BEFORE = 200
QUEUE_AFTER = 800
"""Playing a song of a long list makes the songs around it the queue, not all fifty thousand."""

UNPACKED = 512
"""Tracks at hand for painting: some screens full."""

SLICE = 4_096
"""Tracks that are searched at a stretch: half a millisecond a word."""

HEADINGS = {
    Column.MARK: "",
    Column.TITLE: texts.TITLE,
    Column.ARTIST: texts.ARTIST,
    Column.ALBUM: texts.ALBUM,
    Column.LENGTH: texts.LENGTH,
}


class Found(msgspec.Struct, frozen=True):
    """What holds all words of a search: places in the library, in its order."""

    search: str
    places: Sequence[int]


class SongList:
    """All tracks in the library's order, and the rows that a search and a sort make of them."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._haystacks: list[str] = []
        self._orders: Orders = {}
        self._found = Found("", range(0))
        self._rows: Sequence[int] = range(0)
        self._unpacked: dict[int, Track] = {}
        self.sort = Column.MARK
        self.descending = False

    def __len__(self) -> int:
        """Rows that are shown."""
        return len(self._rows)

    @property
    def total(self) -> int:
        return len(self._packed)

    @property
    def search(self) -> str:
        """What the rows were searched for."""
        return self._found.search

    @property
    def is_plain(self) -> bool:
        """Neither searched nor sorted: what is appended comes last."""
        return not self.search and self.sort is Column.MARK and not self.descending

    def track(self, row: int) -> Track:
        index = self._rows[row]
        track = self._unpacked.get(index)
        if track is None:
            if len(self._unpacked) >= UNPACKED:
                self._unpacked.clear()
            track = self._unpacked[index] = unpack(self._packed[index])
        return track

    def tracks(self, rows: Iterable[int]) -> list[Track]:
        return [unpack(self._packed[self._rows[row]]) for row in rows]

    def row_of(self, name: str) -> int | None:
        """Where the track with this library name stands."""
        needle = name.encode()
        for row, index in enumerate(self._rows):
            if needle in self._packed[index] and unpack(self._packed[index]).name == name:
                return row
        return None

    def text(self, row: int, column: int) -> str:
        """What stands in a cell."""
        track = self.track(row)
        match column:
            case Column.TITLE:
                return track.title
            case Column.ARTIST:
                return track.artist
            case Column.ALBUM:
                return track.album
            case Column.LENGTH:
                return texts.time(track.duration_s) if track.is_playable else ""
        return ""

    def around(self, row: int) -> tuple[list[Track], int]:
        """What becomes the queue when this row is played, and where it stands there. Only what can play."""
        first = max(0, row - QUEUE_BEFORE)
        nearby = self.tracks(range(first, min(len(self._rows), row + QUEUE_AFTER)))
        chosen = nearby[row - first]
        playable = [track for track in nearby if track.is_playable or track is chosen]
        return playable, next(at for at, track in enumerate(playable) if track is chosen)

    # -- filling

    def append(self, batch: Batch) -> int:
        """More of the library, in its order; how many rows were added at the end. Sorted by `finish`."""
        first, before = len(self._packed), len(self._rows)
        self._packed = self._packed + batch.packed
        self._haystacks = self._haystacks + batch.haystacks
        self._orders = {}
        fresh = range(first, len(self._packed))
        if self.search:
            places = array(INDEX, self._found.places)
            places.extend(self._matching(fresh, fold(self.search).split()))
            self.show(Found(self.search, places))
        else:
            self.show(Found("", range(len(self._packed))))
        return len(self._rows) - before

    def finish(self, listed: Listed) -> bool:
        """This is what was appended, with its orders; whether rows changed their places."""
        self._packed, self._haystacks, self._orders = listed.packed, listed.haystacks, listed.orders
        if self.sort is Column.MARK and not self.descending:
            return False
        self.show(self._found)
        return True

    def replace(self, listed: Listed) -> None:
        """Another list in place of this one; search and sort stay."""
        search = self.search
        self._packed, self._haystacks, self._orders = listed.packed, listed.haystacks, listed.orders
        self._unpacked = {}
        self.show(Found("", range(len(self._packed))))
        self.set_search(search)

    def clear(self) -> None:
        """No tracks; search and sort stay."""
        self.replace(NOTHING)

    # -- searching and sorting

    def find(self, text: str) -> Iterator[Found | None]:
        """Search for what holds all these words: nothing after each slice but the last, which brings what is to be
        shown. No use any more once the list has changed."""
        before, words = self._found, fold(text).split()
        if not words:
            yield Found(text, range(len(self._packed)))
            return
        narrower = bool(before.search) and text.startswith(before.search)
        among = before.places if narrower else range(len(self._packed))
        places = array(INDEX)
        for start in range(0, len(among), SLICE):
            if start:
                yield None
            places.extend(self._matching(among[start : start + SLICE], words))
        yield Found(text, places)

    def show(self, found: Found) -> None:
        """Make rows of what `find` brought."""
        self._found = found
        order = self._ordered()
        if len(found.places) == len(order):
            self._rows = order
        elif isinstance(order, range):
            self._rows = found.places
        else:
            self._rows = _those_in(order, found.places)

    def set_search(self, text: str) -> bool:
        """Find and show in one go; whether that is something else than before."""
        if text == self.search:
            return False
        for found in self.find(text):
            if found is not None:
                self.show(found)
        return True

    def set_sort(self, column: Column, descending: bool) -> None:
        self.sort, self.descending = column, descending
        self.show(self._found)

    # -- inside

    def _matching(self, places: Sequence[int], words: list[str]) -> Sequence[int]:
        haystacks = self._haystacks
        found = places
        for word in words:
            found = [place for place in found if word in haystacks[place]]
        return found

    def _ordered(self) -> Sequence[int]:
        """All tracks as they are sorted, if the list is whole; equals in the library's own order, or in its reverse."""
        order = self._orders.get(self.sort)
        if order is None:
            return range(len(self._packed))
        return order[::-1] if self.descending else order


def _those_in(order: Sequence[int], places: Sequence[int]) -> Sequence[int]:
    """`order` without all that is not in `places`. In half a millisecond, where Python takes ten."""
    found = np.zeros(len(order), dtype=bool)
    found[np.asarray(places)] = True
    all_places = np.asarray(order)
    return array(INDEX, all_places[found[all_places]].tobytes())
