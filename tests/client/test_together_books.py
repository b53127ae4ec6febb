"""What friends hold and pass on: checked against what the cluster signed, from whomever it came."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.adapters.peers import PeerLink
from hocket.client.cluster import Cluster
from hocket.client.together.books import MAX_BOX_BYTES, Book, PieceBox
from hocket.client.together.supply import Store
from hocket.core.errors import HocketError
from hocket.core.ids import TrackId
from hocket.relay.chunks import LEAF_BYTES, ChunkMismatch
from hocket.relay.vouched import read_vouched
from tests.kit.fakecluster import Song, make_song
from tests.kit.identities import authority

SONG = make_song("books.wav", 3)


def vouched(song: Song = SONG, cluster: str = "ours") -> bytes:
    return authority(cluster).vouch(song.track, song.hashes[0])


def book(song: Song = SONG) -> Book:
    track, check = read_vouched(vouched(song), authority().public_key)
    made = Book(track, check, vouched(song))
    for number, page in enumerate(song.hashes[1]):
        made.add_page(number, page)
    return made


def leaf(number: int, song: Song = SONG) -> bytes:
    return song.content[number * LEAF_BYTES : (number + 1) * LEAF_BYTES]


def test_another_cluster_cannot_vouch() -> None:
    with pytest.raises(ChunkMismatch):
        read_vouched(vouched(cluster="theirs"), authority().public_key)


@pytest.mark.parametrize("at", [5, 80, 200, -20])
def test_no_bit_of_what_is_vouched_for_may_change(at: int) -> None:
    blob = bytearray(vouched())
    blob[at] ^= 1
    with pytest.raises(ChunkMismatch):
        read_vouched(bytes(blob), authority().public_key)


def test_a_leaf_that_was_changed_is_not_kept() -> None:
    made = book()
    with pytest.raises(ChunkMismatch):
        made.put(0, leaf(1))
    assert not made.has(0)
    made.put(0, leaf(0))
    assert made.leaf(0) == leaf(0)


def test_what_the_player_got_is_checked_before_it_is_passed_on() -> None:
    made = book()
    made.box.add(0, SONG.content[:LEAF_BYTES])
    made.box.add(LEAF_BYTES, bytes(LEAF_BYTES))
    assert made.leaf(0) == leaf(0)
    assert made.leaf(1) is None


def test_reading_goes_as_far_as_there_is_no_gap() -> None:
    made = book()
    for number in (0, 1, 3):
        made.put(number, leaf(number))
    assert made.ready_bytes(100, 1 << 20) == 2 * LEAF_BYTES - 100
    assert made.read(100, 1 << 20) == SONG.content[100 : 2 * LEAF_BYTES]


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 500)), max_size=30), st.integers(0, 3000))
def test_a_box_gives_back_what_was_put_in_and_nothing_else(pieces: list[tuple[int, int]], at: int) -> None:
    box, here = PieceBox(), set()
    for start, length in pieces:
        box.add(start, SONG.content[start : start + length])
        here |= set(range(start, start + length))
    data = box.read(at, 100)
    if data is not None:
        assert data == SONG.content[at : at + 100]
        assert set(range(at, at + 100)) <= here


def test_a_box_is_bounded() -> None:
    box = PieceBox()
    piece = bytes(1 << 20)
    for number in range(40):
        box.add(number << 20, piece)
    assert box.read(0, 10) is None
    assert box.read((40 << 20) - MAX_BOX_BYTES, MAX_BOX_BYTES) is not None


class _Link:
    """Stands in for a friend; remembers why it was dropped."""

    def __init__(self) -> None:
        self.why: HocketError | None = None

    def close(self, error: HocketError | None = None) -> None:
        self.why = error


def test_a_friend_who_pushes_other_bytes_is_dropped_for_good() -> None:
    async def run() -> None:
        passed_on: list[tuple[TrackId, int]] = []
        store = Store(
            cast(Cluster, None), authority().public_key, lambda track, number, _: passed_on.append((track, number))
        )
        honest, liar = _Link(), _Link()
        for name, link in (("honest", honest), ("liar", liar)):
            assert store.add_link(name, cast(PeerLink, cast(Any, link)))
        store.library.add(book())
        store.pushed("honest", SONG.track.id, 0, leaf(0))
        store.pushed("liar", SONG.track.id, 1, leaf(2))
        assert liar.why is not None
        assert "leaf 1" in liar.why.text
        assert honest.why is None
        assert passed_on == [(SONG.track.id, 0)]
        assert not store.add_link("liar", cast(PeerLink, cast(Any, _Link())))
        await store.close()

    asyncio.run(run())


def test_what_is_told_while_it_is_asked_for_is_one_book() -> None:
    """A player reads the one, leaves are pushed into it too: two would leave the player with half of them."""

    async def run() -> None:
        store = Store(cast(Cluster, None), authority().public_key, lambda track, number, _: None)
        _, pages = SONG.hashes
        store.told("friend", vouched(), 0, pages[0])
        told = store.library.get(SONG.track.id)
        assert store._opened(SONG.track.id, vouched()) is told
        assert store.library.get(SONG.track.id) is told
        await store.close()

    asyncio.run(run())
