"""All tracks that a node knows: an immutable value that answers pages, searches and names.

Every order is kept sorted, so a page without a search is a slice; a search walks the order that was
asked for once and compares folded text. A change copies the orders (pointers only) and moves what
changed by bisection, so readers keep the catalogue that they hold.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable
from typing import Final

from hocket.core.errors import TrackMissing
from hocket.core.ids import TrackId
from hocket.core.track import Sort
from hocket.media.finding import Findable, matching, resolve
from hocket.media.text import fold
from hocket.media.track import Track

__all__ = ["Catalogue", "Sort"]

_REBUILD_SHARE: Final = 0.02
"""Past this share of changed tracks sorting everything is cheaper than moving them one by one."""

_DIGITS = re.compile(r"\d+")


class Catalogue:
    """Tracks with distinct names; those that can play have distinct ids.

    `revision` counts changes: pages of different revisions may not fit one another.
    """

    __slots__ = ("_by_id", "_by_name", "_orders", "revision")

    def __init__(self, tracks: Iterable[Track] = (), revision: int = 0) -> None:
        by_name = {track.name: Findable(track) for track in tracks}
        self._fill(by_name, _sorted_by_all(by_name.values()), revision)

    def _fill(self, by_name: dict[str, Findable], orders: dict[Sort, list[Findable]], revision: int) -> None:
        self._by_name = by_name
        self._by_id = {entry.track.id: entry.track for entry in by_name.values() if entry.track.id}
        self._orders = orders
        self.revision = revision

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def tracks(self) -> list[Track]:
        """All tracks by name."""
        return [entry.track for entry in self._orders[Sort.NAME]]

    def get(self, track: TrackId) -> Track | None:
        """The track with this id."""
        return self._by_id.get(track)

    def page(
        self, search: str = "", offset: int = 0, limit: int = 100, sort: Sort = Sort.NAME, descending: bool = False
    ) -> tuple[int, list[Track]]:
        """(how many tracks match, at most `limit` of them from `offset` on).

        Every word of the search must occur in title, artist, album or name, in any case and with or
        without accents. Raises ValueError for a negative offset or limit.
        """
        if offset < 0 or limit < 0:
            raise ValueError(f"offset {offset}, limit {limit}")
        matches = matching(self._orders[sort], search)
        total = len(matches)
        if descending:
            chosen = matches[max(total - offset - limit, 0) : max(total - offset, 0)][::-1]
        else:
            chosen = matches[offset : offset + limit]
        return total, [entry.track for entry in chosen]

    def resolve(self, text: str) -> Track:
        """The one track that a person means by text: an id, a name, a title, or a unique part of these.

        Raises AmbiguousTrack with the candidates, TrackMissing with near misses.
        """
        entry = self._by_name.get(text)
        track = entry.track if entry else self._by_id.get(TrackId(text.strip().lower()))
        return track or resolve(text, self._orders[Sort.NAME])

    def with_changes(self, added: Iterable[Track] = (), removed: Iterable[Track] = ()) -> "Catalogue":
        """The catalogue after a change, one revision on. A track that changed is both removed and added.

        Raises TrackMissing when a removed track is not here: the change belongs to another catalogue.
        """
        by_name = self._by_name.copy()
        gone: list[Findable] = []
        for track in removed:
            if track.name not in by_name:
                raise TrackMissing(f"'{track.name}' is not in the catalogue, so it cannot be removed")
            gone.append(by_name.pop(track.name))
        new = {track.name: Findable(track) for track in added}
        gone += [by_name[name] for name in new if name in by_name]
        by_name |= new
        if len(new) + len(gone) > _REBUILD_SHARE * len(by_name):
            orders = _sorted_by_all(by_name.values())
        else:
            orders = {sort: _moved(order, _KEYS[sort], gone, new.values()) for sort, order in self._orders.items()}
        catalogue = Catalogue()
        catalogue._fill(by_name, orders, self.revision + 1)
        return catalogue


_Key = tuple[str | float, str]
_KeyOf = Callable[[Findable], _Key]


def _sorted_by_all(entries: Collection[Findable]) -> dict[Sort, list[Findable]]:
    return {sort: sorted(entries, key=key) for sort, key in _KEYS.items()}


def _moved(
    order: list[Findable], key_of: _KeyOf, gone: Iterable[Findable], new: Iterable[Findable]
) -> list[Findable]:
    order = order.copy()
    for entry in gone:
        del order[bisect_left(order, key_of(entry), key=key_of)]
    for entry in new:
        insort(order, entry, key=key_of)
    return order


def _natural(text: str) -> str:
    """Text that sorts as people count: 'No. 9' before 'No. 10'. Empty text comes last."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(6), fold(text)) or "\U0010ffff"


def _by_album(track: Track) -> str:
    return "\0".join((_natural(track.album), f"{track.track_number:06}", _natural(track.title)))


_KEYS: dict[Sort, _KeyOf] = {
    Sort.NAME: lambda entry: (_natural(entry.track.name), entry.track.name),
    Sort.TITLE: lambda entry: (_natural(entry.track.title), entry.track.name),
    Sort.ARTIST: lambda entry: (_natural(entry.track.artist) + "\0" + _by_album(entry.track), entry.track.name),
    Sort.ALBUM: lambda entry: (_by_album(entry.track), entry.track.name),
    Sort.DURATION: lambda entry: (entry.track.duration_s, entry.track.name),
}
