"""The songs as the window shows them: searched and sorted here, so that a keystroke asks nobody. No Qt, no I/O."""

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

import msgspec

from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.gui import texts
from hocket.media.shelf import haystack
from hocket.media.text import fold

QUEUE_BEFORE = 200
QUEUE_AFTER = 800
"""Playing a song of a long list makes the songs around it the queue, not all fifty thousand."""

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
    """Tracks with all that takes time to work out about them; made on any thread by `prepare`."""

    tracks: Sequence[Track]
    haystacks: list[str]
    titles: list[str]
    artists: list[str]
    albums: list[str]
    lengths: list[float]


@lru_cache(maxsize=20_000)
def _sort_key(text: str) -> str:
    """Text for sorting: no case, no accents, numbers by value, nothing last."""
    folded = fold(text)
    return _DIGITS.sub(lambda match: match[0].zfill(8), folded) if folded else _LAST


def prepare(tracks: Sequence[Track]) -> Batch:
    """Takes some microseconds a track."""
    return Batch(
        tracks,
        [haystack(track) for track in tracks],
        [_sort_key(track.title) for track in tracks],
        [_sort_key(track.artist) for track in tracks],
        [_sort_key(track.album) for track in tracks],
        [track.duration_s for track in tracks],
    )


class SongList:
    """All tracks in the library's order, and the rows that a search and a sort make of them."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._haystacks: list[str] = []
        self._keys: dict[Column, list[Any]] = {column: [] for column in Column if column is not Column.MARK}
        self._orders: dict[Column, list[int]] = {}  # all tracks in the order of a column, once that was asked for
        self._rows: list[int] = []
        self._by_id: dict[TrackId, int] = {}
        self.search = ""
        self.sort = Column.MARK
        self.descending = False

    def __len__(self) -> int:
        """Rows that are shown."""
        return len(self._rows)

    @property
    def total(self) -> int:
        return len(self._tracks)

    @property
    def is_plain(self) -> bool:
        """Neither searched nor sorted: what is appended comes last."""
        return not self.search and self.sort is Column.MARK and not self.descending

    def track(self, row: int) -> Track:
        return self._tracks[self._rows[row]]

    def tracks(self, rows: Iterable[int]) -> list[Track]:
        return [self.track(row) for row in rows]

    def known(self, track_id: str) -> Track | None:
        """A track of the list by its id."""
        index = self._by_id.get(TrackId(track_id))
        return None if index is None else self._tracks[index]

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
        nearby = [self.track(at) for at in range(first, min(len(self._rows), row + QUEUE_AFTER))]
        chosen = self.track(row)
        playable = [track for track in nearby if track.is_playable or track is chosen]
        return playable, next(at for at, track in enumerate(playable) if track is chosen)

    # -- filling

    def clear(self) -> None:
        """No tracks; search and sort stay."""
        self._tracks, self._haystacks, self._rows, self._by_id = [], [], [], {}
        self._keys = {column: [] for column in self._keys}
        self._orders = {}

    def append(self, batch: Batch) -> int:
        """More of the library, in its order; how many rows were added at the end. See `finish`."""
        first = len(self._tracks)
        self._tracks += batch.tracks
        self._haystacks += batch.haystacks
        self._keys[Column.TITLE] += batch.titles
        self._keys[Column.ARTIST] += batch.artists
        self._keys[Column.ALBUM] += batch.albums
        self._keys[Column.LENGTH] += batch.lengths
        self._orders = {}
        for index in range(first, len(self._tracks)):
            self._by_id[self._tracks[index].id] = index
        fresh = self._matching(range(first, len(self._tracks)), fold(self.search).split())
        self._rows += fresh
        return len(fresh)

    def finish(self) -> bool:
        """Everything was appended: sort; whether rows changed their places."""
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

    def _show(self, among: list[int] | None) -> None:
        """Work out the rows anew; `among` those that are shown, where none can be added."""
        words = fold(self.search).split()
        self._rows = self._matching(self._ordered() if among is None else among, words)

    def _matching(self, indices: Iterable[int], words: list[str]) -> list[int]:
        haystacks = self._haystacks
        found = list(indices)
        for word in words:
            found = [index for index in found if word in haystacks[index]]
        return found

    def _ordered(self) -> list[int]:
        """All tracks as they are sorted; equals in the library's own order, or in its reverse."""
        order = self._orders.get(self.sort)
        if order is None:
            order = self._orders.setdefault(Column.MARK, list(range(len(self._tracks))))
            if self.sort is not Column.MARK:
                order = self._orders[self.sort] = sorted(order, key=self._keys[self.sort].__getitem__)
        return order[::-1] if self.descending else order
