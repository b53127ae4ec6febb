"""The songs as the window shows them: searched and sorted here, so that a keystroke asks nobody. No Qt, no I/O.

Fifty thousand tracks as objects take three times the room of the bytes that they came as, so those are kept, and
a track is unpacked when it is painted or played.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

import msgspec

from hocket.core.track import Track
from hocket.gui import texts
from hocket.media.shelf import haystack
from hocket.media.text import fold

QUEUE_BEFORE = 200
QUEUE_AFTER = 800
"""Playing a song of a long list makes the songs around it the queue, not all fifty thousand."""

UNPACKED = 512
"""Tracks at hand for painting: some screens full."""

_INDEX = "I"
_DIGITS = re.compile(r"\d+")
_LAST = "\U0010ffff"


class Column(IntEnum):
    """Columns of the table, from the left. MARK shows what plays; sorting by it is the library's own order."""

    MARK = 0
    TITLE = 1
    ARTIST = 2
    ALBUM = 3
    LENGTH = 4


HEADINGS = {
    Column.MARK: "",
    Column.TITLE: texts.TITLE,
    Column.ARTIST: texts.ARTIST,
    Column.ALBUM: texts.ALBUM,
    Column.LENGTH: texts.LENGTH,
}


class Batch(msgspec.Struct, frozen=True):
    """Tracks as they are kept, the text of each that is searched, and its length; made on any thread by `prepare`."""

    packed: list[bytes]
    haystacks: list[str]
    seconds: "array[float]"


Orders = dict[Column, Sequence[int]]
"""All tracks, by their place in the library, in the order of a column."""


class _Words(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The beginning of a packed Track: what is sorted by, and nothing else is unpacked for it."""

    id: msgspec.Raw
    name: msgspec.Raw
    title: str
    artist: str = ""
    album: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Track)
_words = msgspec.msgpack.Decoder(_Words)


def prepare(tracks: Sequence[Track]) -> Batch:
    """Takes some microseconds a track."""
    return Batch(
        [_encoder.encode(track) for track in tracks],
        [haystack(track) for track in tracks],
        array("f", [track.duration_s for track in tracks]),
    )


def sort_key(text: str) -> str:
    """Text for sorting: no case, no accents, numbers by value, nothing last."""
    folded = fold(text)
    return _DIGITS.sub(lambda match: match[0].zfill(8), folded) if folded else _LAST


class _SortKeys(dict[str, str]):
    """Text -> its key: an artist has many songs."""

    def __missing__(self, text: str) -> str:
        key = self[text] = sort_key(text)
        return key


def orders_of(batches: Sequence[Batch]) -> Orders:
    """Every order that the table can be sorted in: a third of a second for 50,000 tracks, so on a thread of its own.

    One column after the other, so that the keys of one are gone before those of the next are made.
    """
    packed = [one for batch in batches for one in batch.packed]
    seconds = [one for batch in batches for one in batch.seconds]
    found: Orders = {Column.LENGTH: _sorted_by(seconds)}
    for column in (Column.TITLE, Column.ARTIST, Column.ALBUM):
        keys, field = _SortKeys(), column.name.lower()
        found[column] = _sorted_by([keys[getattr(_words.decode(one), field)] for one in packed])
    return found


def _sorted_by(keys: Sequence[Any]) -> Sequence[int]:
    return array(_INDEX, sorted(range(len(keys)), key=keys.__getitem__))


class SongList:
    """All tracks in the library's order, and the rows that a search and a sort make of them."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._haystacks: list[str] = []
        self._orders: Orders = {}
        self._rows: Sequence[int] = range(0)
        self._unpacked: dict[int, Track] = {}
        self.search = ""
        self.sort = Column.MARK
        self.descending = False

    def __len__(self) -> int:
        """Rows that are shown."""
        return len(self._rows)

    @property
    def total(self) -> int:
        return len(self._packed)

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
            track = self._unpacked[index] = _decoder.decode(self._packed[index])
        return track

    def tracks(self, rows: Iterable[int]) -> list[Track]:
        return [_decoder.decode(self._packed[self._rows[row]]) for row in rows]

    def row_of(self, name: str) -> int | None:
        """Where the track with this library name stands."""
        needle = name.encode()
        for row, index in enumerate(self._rows):
            if needle in self._packed[index] and _decoder.decode(self._packed[index]).name == name:
                return row
        return None

    def text(self, row: int, column: Column) -> str:
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

    def clear(self) -> None:
        """No tracks; search and sort stay."""
        self._packed, self._haystacks, self._rows = [], [], range(0)
        self._orders, self._unpacked = {}, {}

    def append(self, batch: Batch) -> int:
        """More of the library, in its order; how many rows were added at the end. Sorted by `finish`."""
        first, before = len(self._packed), len(self._rows)
        self._packed += batch.packed
        self._haystacks += batch.haystacks
        self._orders = {}
        fresh = range(first, len(self._packed))
        if self.search:
            rows = array(_INDEX, self._rows)
            rows.extend(self._matching(fresh, fold(self.search).split()))
            self._rows = rows
        else:
            self._rows = range(len(self._packed))
        return len(self._rows) - before

    def finish(self, orders: Orders) -> bool:
        """Everything was appended, and these are its orders; whether rows changed their places."""
        self._orders = orders
        if self.sort is Column.MARK and not self.descending:
            return False
        self._show(None)
        return True

    # -- searching and sorting

    def set_search(self, text: str) -> bool:
        """Show what holds all these words; whether that is something else than before."""
        if text == self.search:
            return False
        narrower = bool(self.search) and text.startswith(self.search)
        self.search = text
        self._show(self._rows if narrower else None)
        return True

    def set_sort(self, column: Column, descending: bool) -> None:
        self.sort, self.descending = column, descending
        self._show(None)

    # -- inside

    def _show(self, among: Sequence[int] | None) -> None:
        """Work out the rows anew; `among` those that are shown, where none can be added."""
        words = fold(self.search).split()
        self._rows = self._matching(self._ordered() if among is None else among, words)

    def _matching(self, indices: Sequence[int], words: list[str]) -> Sequence[int]:
        haystacks = self._haystacks
        found = indices
        for word in words:
            found = array(_INDEX, [index for index in found if word in haystacks[index]])
        return found

    def _ordered(self) -> Sequence[int]:
        """All tracks as they are sorted, if the list is whole; equals in the library's own order, or in its reverse."""
        order = self._orders.get(self.sort)
        if order is None:
            return range(len(self._packed))
        return order[::-1] if self.descending else order
