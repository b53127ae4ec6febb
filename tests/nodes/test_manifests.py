"""The cluster's word for tracks that only other machines hold."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from hocket.adapters.authority import Authority
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.link import Link
from hocket.adapters.manifestfiles import ManifestFiles, Vouching
from hocket.core.errors import ErrorCode, HocketError, NotReachable, TrackMissing
from hocket.core.ids import NodeId, TrackId
from hocket.nodes.leaves import LeafHashes
from hocket.nodes.prime.manifests import Manifests
from hocket.relay.chunks import LEAF_BYTES, LEAVES_PER_PAGE, PAGE_BYTES, ChunkMismatch, TrackCheck
from hocket.relay.vouched import read_vouched
from hocket.wire.message import Message
from hocket.wire.messages.library import Leaves, LeavesGet
from hocket.wire.messages.together import GetManifest, GetManifestPage
from tests.adapters.transfer_kit import id_of, wav
from tests.nodes.replica_kit import Site, Sites, sites

M = TypeVar("M", bound=Message)
SONG = wav(300_000, 1)
LONG = wav(2 * LEAVES_PER_PAGE * LEAF_BYTES + 50_000, 2)


class Way:
    """The prime's connection to one machine."""

    def __init__(self, hashes: LeafHashes) -> None:
        self.hashes = hashes
        self.asked = 0
        self.spoil: Callable[[Leaves], Leaves] = lambda leaves: leaves

    async def request(self, message: LeavesGet, reply: type[M], timeout_s: float) -> M:
        self.asked += 1
        return cast(M, self.spoil(await self.hashes.answer(message)))


class Office:
    """The prime's manifests over several machines; the first one is the prime's own."""

    def __init__(self, made: Sites, folder: Path, data: DataFolder, machines: list[Site]) -> None:
        self.authority = Authority.load_or_create(data)
        self.ways = {site.node: Way(LeafHashes(site.shelf)) for site in machines}
        self._made = made
        self._own = machines[0].node
        self.files = ManifestFiles(folder)
        self.manifests = self.again()

    def again(self) -> Manifests:
        """As after a restart of the prime."""
        own = (self._own, self.ways[self._own].hashes)
        return Manifests(self.authority, self._made.librarian, own, self._link, self.files)

    def _link(self, node: NodeId) -> Link:
        if node not in self._made.librarian._replication.machines:
            raise NotReachable(f"{node} is not connected")
        return cast(Link, self.ways[node])

    async def check(self, track: TrackId) -> TrackCheck:
        """What a friend makes of the cluster's word, with all pages."""
        vouched = (await self.manifests.manifest(GetManifest(track))).vouched
        known, check = read_vouched(vouched, self.authority.public_key)
        assert known.id == track
        for number in range(check.manifest.pages):
            check.add_page(number, (await self.manifests.page(GetManifestPage(track, number))).page)
        return check

    async def close(self) -> None:
        await self.manifests.stop()
        for way in self.ways.values():
            way.hashes.close()


def run(folder: Path, work: Callable[[Sites, Callable[..., Office]], Coroutine[Any, Any, None]]) -> None:
    async def body() -> None:
        with DataFolder.open(folder / "ca") as data:
            async with sites(folder, replicas=1) as made:
                offices: list[Office] = []

                def open_office(*machines: Site) -> Office:
                    offices.append(Office(made, folder, data, list(machines)))
                    return offices[-1]

                try:
                    await work(made, open_office)
                finally:
                    for office in offices:
                        await office.close()

    asyncio.run(body())


async def held(made: Sites, *contents: bytes, by: int = 1) -> None:
    await made.until(lambda: all(len(made.librarian.holders(id_of(content))) == by for content in contents))


def check_all(check: TrackCheck, content: bytes) -> None:
    for leaf in range(check.manifest.leaves):
        check.check(leaf, content[leaf * LEAF_BYTES : (leaf + 1) * LEAF_BYTES])
    with pytest.raises(ChunkMismatch):
        check.check(0, bytes(LEAF_BYTES))


def test_a_track_is_hashed_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.nodes.leaves.MAX_LEAVES_BYTES", PAGE_BYTES)

    async def work(made: Sites, open_office: Callable[..., Office]) -> None:
        prime, plane = await made.add(1, own=SONG), await made.add(2, long=LONG)
        await held(made, SONG, LONG)
        office = open_office(prime, plane)
        check_all(await office.check(id_of(SONG)), SONG)
        assert office.ways[plane.node].asked == 0
        check_all(await office.check(id_of(LONG)), LONG)
        assert office.ways[plane.node].asked == 3  # a page an answer
        with pytest.raises(TrackMissing):
            await office.manifests.page(GetManifestPage(id_of(LONG), 3))
        with pytest.raises(TrackMissing, match="no machine"):
            await office.manifests.manifest(GetManifest(TrackId("0" * 64)))

    run(tmp_path, work)


def test_a_word_once_given_holds_while_the_machine_is_away(tmp_path: Path) -> None:
    async def work(made: Sites, open_office: Callable[..., Office]) -> None:
        prime, plane = await made.add(1), await made.add(2, song=SONG, other=LONG)
        await held(made, SONG, LONG)
        office = open_office(prime, plane)
        await office.check(id_of(SONG))
        plane.cut()
        made.librarian.away(plane.node, lost=True)
        office.manifests = office.again()
        check_all(await office.check(id_of(SONG)), SONG)
        with pytest.raises(TrackMissing, match="vouched for"):
            await office.check(id_of(LONG))
        await made.librarian.remove(id_of(SONG))
        with pytest.raises(TrackMissing, match="removed"):
            await office.check(id_of(SONG))

    run(tmp_path, work)


def test_a_machine_whose_disk_rots_or_that_lies_is_passed_over(tmp_path: Path) -> None:
    async def work(made: Sites, open_office: Callable[..., Office]) -> None:
        prime = await made.add(1)
        rotten, liar, honest = [await made.add(number, song=SONG) for number in (2, 3, 4)]
        await held(made, SONG, by=3)
        path = rotten.music / "song.wav"
        state = path.stat()
        with path.open("r+b") as file:
            file.seek(1000)
            file.write(b"rotten")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        office = open_office(prime, rotten, liar, honest)
        with pytest.raises(HocketError) as caught:
            await office.ways[rotten.node].hashes.answer(LeavesGet(id_of(SONG)))
        assert caught.value.code is ErrorCode.TRACK_DAMAGED
        office.ways[liar.node].spoil = lambda leaves: Leaves(leaves.size_bytes, leaves.page_count, leaves.hashes[:-32])
        check_all(await office.check(id_of(SONG)), SONG)
        assert all(office.ways[site.node].asked for site in (rotten, liar, honest))

    run(tmp_path, work)


def test_many_who_ask_at_once_are_one_reading(tmp_path: Path) -> None:
    async def work(made: Sites, open_office: Callable[..., Office]) -> None:
        prime, plane = await made.add(1), await made.add(2, song=SONG)
        await held(made, SONG)
        office = open_office(prime, plane)
        await asyncio.gather(*(office.manifests.manifest(GetManifest(id_of(SONG))) for _ in range(9)))
        assert office.ways[plane.node].asked == 1

    run(tmp_path, work)


def test_a_flood_of_wishes_is_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.nodes.prime.manifests.MAX_WAITING", 1)

    async def work(made: Sites, open_office: Callable[..., Office]) -> None:
        prime = await made.add(1, one=SONG, two=LONG)
        await held(made, SONG, LONG)
        office = open_office(prime)
        first = asyncio.create_task(office.manifests.manifest(GetManifest(id_of(LONG))))
        await asyncio.sleep(0)
        with pytest.raises(HocketError) as caught:
            await office.manifests.manifest(GetManifest(id_of(SONG)))
        assert caught.value.code is ErrorCode.TOO_MANY_REQUESTS
        await first
        check_all(await office.check(id_of(SONG)), SONG)

    run(tmp_path, work)


def test_files_of_manifests_are_bounded_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    files = ManifestFiles(tmp_path, max_bytes=3000)
    ids = [TrackId(digit * 64) for digit in "1234"]
    for number, key in enumerate(ids):
        files.put(key, Vouching(b"word", (bytes(1000),)))
        os.utime(tmp_path / "manifests" / key, (number, number))
    assert [key for key in ids if files.get(key)] == ids[2:]
    (tmp_path / "manifests" / ids[3]).write_bytes(b"\xff")
    assert files.get(ids[3]) is None
    assert files.get(TrackId("../secret")) is None
    files.put(TrackId("../secret"), Vouching(b"", ()))
    assert not (tmp_path / "secret").exists()
