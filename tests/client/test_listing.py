"""A list comes whole and in order, however its pages are cut."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.client.listing import PAGES_AT_ONCE, whole_list
from hocket.core.errors import HocketError, NotReachable
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.wire.messages.tracks import TrackPage


def _tracks(count: int) -> list[Track]:
    return [Track(TrackId(f"{number:064x}"), f"{number}.wav", "") for number in range(count)]


class _Library:
    """Cuts pages as it likes: never more than asked for, always at least one track."""

    def __init__(self, count: int, cuts: list[int]) -> None:
        self.tracks = _tracks(count)
        self.revision = 1
        self.asked = 0
        self.at_once = self.most_at_once = 0
        self._cuts = cuts

    async def page(self, offset: int, limit: int) -> TrackPage:
        cut = self._cuts[self.asked % len(self._cuts)] if self._cuts else limit
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        tracks = tuple(self.tracks[offset : offset + max(1, min(cut, limit))])
        return TrackPage(self.revision, len(self.tracks), offset, tracks)


@given(st.integers(0, 3000), st.lists(st.integers(1, 600), max_size=5))
def test_every_track_comes_once_and_in_order(count: int, cuts: list[int]) -> None:
    library = _Library(count, cuts)
    assert asyncio.run(whole_list(library.page)) == library.tracks
    assert library.most_at_once <= PAGES_AT_ONCE


def test_pages_are_asked_for_together() -> None:
    library = _Library(50_000, [])
    assert len(asyncio.run(whole_list(library.page))) == 50_000
    assert (library.asked, library.most_at_once) == (100, PAGES_AT_ONCE)


@pytest.mark.parametrize("count_after", [0, 300, 1700])
def test_a_change_meanwhile_begins_anew(count_after: int) -> None:
    library = _Library(2000, [])

    async def page(offset: int, limit: int) -> TrackPage:
        if library.asked == 2:
            library.revision = 2
            library.tracks = _tracks(count_after)
        return await library.page(offset, limit)

    assert asyncio.run(whole_list(page)) == _tracks(count_after)


def test_a_node_that_fails_is_told() -> None:
    library = _Library(2000, [])

    async def page(offset: int, limit: int) -> TrackPage:
        if library.asked == 2:
            raise NotReachable("gone")
        return await library.page(offset, limit)

    with pytest.raises(HocketError, match="gone"):
        asyncio.run(whole_list(page))
