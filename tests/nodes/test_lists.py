"""What the prime tells streaming nodes of other machines' music, and what their lists make of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pytest

from hocket.adapters.library import Library, LibraryIndex
from hocket.adapters.library.index import Entry, save_index
from hocket.adapters.link import Link
from hocket.core.errors import ErrorCode, HocketError, NotReachable, Refused
from hocket.core.ids import NodeId, TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.nodes.prime import lists
from hocket.nodes.prime.librarian import Librarian
from hocket.nodes.prime.lists import Lists
from hocket.nodes.wholelist import WholeList
from hocket.wire.message import Message
from hocket.wire.messages.library import TracksElsewhere
from hocket.wire.messages.tracks import FindTrack, ListTracks

WAIT_S = 60.0
MACHINE = NodeId("plane-000000000001")
M = TypeVar("M", bound=Message)


def track(number: int, name: str = "") -> Track:
    form = AudioFormat(8000, 1, 16)
    return Track(TrackId(f"{number:064x}"), name or f"{number:05}.wav", f"Song {number}", format=form, size_bytes=48)


class Elsewhere:
    """A librarian as `Lists` sees it."""

    def __init__(self, *tracks: Track) -> None:
        self.tracks = {one.id: one for one in tracks}

    def elsewhere(self, machine: NodeId) -> list[TrackId]:
        assert machine == MACHINE
        return list(self.tracks)

    def beside(self, machine: NodeId, key: TrackId) -> Track | None:
        return self.tracks.get(key)


class FakeLink:
    """Carries what is told straight into a node's list."""

    def __init__(self, listed: WholeList) -> None:
        self.listed = listed
        self.peer = type("Peer", (), {"node": "file-000000000001"})
        self.is_open = True
        self.fails: list[HocketError] = []
        self.parts: list[TracksElsewhere] = []

    async def request(self, message: TracksElsewhere, reply: type[M]) -> M:
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop()
        self.parts.append(message)
        self.listed.take(message)
        return reply()


class Scene:
    def __init__(self, folder: Path, librarian: Elsewhere) -> None:
        self.librarian = librarian
        self.index = folder / "index"
        self.revisions: list[int] = []
        self.changed = asyncio.Event()
        self.listed = WholeList(LibraryIndex(self.index), self._on_change)
        self.link = FakeLink(self.listed)
        self.lists = Lists(cast(Librarian, librarian))

    def _on_change(self, revision: int) -> None:
        self.revisions.append(revision)
        self.changed.set()

    def tell(self) -> None:
        self.lists.tell(cast(Link, self.link), MACHINE)

    def change(self, *added: Track, gone: tuple[Track, ...] = ()) -> None:
        self.librarian.tracks |= {one.id: one for one in added}
        for one in gone:
            del self.librarian.tracks[one.id]
        self.lists.news([one.id for one in (*added, *gone)])

    @property
    def names(self) -> list[str]:
        page = self.listed.page(ListTracks(limit=500))
        assert page.total == len(page.tracks)
        return [one.name for one in page.tracks]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def scene(folder: Path, *tracks: Track) -> AsyncIterator[Scene]:
    made = Scene(folder, Elsewhere(*tracks))
    running = asyncio.create_task(made.listed.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.lists.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_long_list_comes_in_parts_and_counts_once_it_is_ready(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path, *(track(number) for number in range(1200))) as made:
            assert not made.listed.is_ready
            made.tell()
            async with asyncio.timeout(WAIT_S):
                await made.listed.wait_ready()
            assert [(part.first, part.last, len(part.tracks)) for part in made.link.parts] == [
                (True, False, 500),
                (False, False, 500),
                (False, True, 200),
            ]
            assert made.listed.page(ListTracks()).total == 1200
            assert len(made.revisions) == 1
            assert made.listed.find(FindTrack("Song 77")).track == track(77)

    run(body())


def test_an_empty_list_is_ready_at_once(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as made:
            made.tell()
            await made.listed.wait_ready()
            assert made.listed.is_ready
            assert made.revisions == []

    run(body())


def test_a_node_that_hears_nothing_answers_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.nodes.wholelist.WAIT_S", 0.05)

    async def body() -> None:
        async with scene(tmp_path) as made:
            assert not made.listed.is_ready
            await made.listed.wait_ready()
            assert made.listed.is_ready  # nobody waits a second time

    run(body())


def test_changes_are_told_together(tmp_path: Path) -> None:
    one, two, three = (track(number) for number in (1, 2, 3))

    async def body() -> None:
        async with scene(tmp_path, one, two) as made:
            made.tell()
            await made.until(lambda: made.names == ["00001.wav", "00002.wav"])
            made.change(three)
            made.change(track(1, "named anew.wav"), gone=(two,))
            await made.until(lambda: made.names == ["00003.wav", "named anew.wav"])
            assert len(made.link.parts) == 2
            assert made.link.parts[1].removed == (two.id,)
            assert len(set(made.revisions)) == len(made.revisions) == 2

    run(body())


def test_a_copy_that_came_changes_nothing_that_people_see(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path, track(1), track(2)) as made:
            made.tell()
            await made.until(lambda: len(made.names) == 2)
            save_index(made.index, Library([Entry(track(1), 1, 1)]))
            await made.listed.update()
            made.change(gone=(track(1),))
            made.change(track(3))
            await made.until(lambda: len(made.names) == 3)
            assert len(made.revisions) == 2  # the first list, and the third song

    run(body())


def test_a_connection_that_breaks_or_a_slow_node_is_told_all_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "RETRY_S", 0.01)

    async def body() -> None:
        async with scene(tmp_path, track(1)) as made:
            made.link.fails = [NotReachable("no answer", code=ErrorCode.TIMED_OUT)]
            made.tell()
            await made.until(lambda: made.names == ["00001.wav"])
            made.link.fails = [NotReachable("no answer", code=ErrorCode.TIMED_OUT)]
            made.change(track(2))
            await made.until(lambda: len(made.names) == 2)
            assert made.link.parts[-1].first  # from the start, as it cannot know what was heard
            made.lists.forget(cast(Link, made.link))
            made.change(track(3))
            again = made.link.parts[-1]
            made.tell()  # as after a new connection: a list that is as it was is no news
            await made.until(lambda: len(made.names) == 3)
            assert made.link.parts[-1] != again

    run(body())


def test_a_node_of_another_version_is_left_alone(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path, track(1)) as made:
            made.link.fails = [Refused("what is that?", code=ErrorCode.UNKNOWN_KIND)] * 2
            made.tell()
            [reader] = made.lists._readers.values()
            assert reader.task is not None
            async with asyncio.timeout(WAIT_S):
                await asyncio.wait({reader.task})
            assert reader.task.exception() is None
            assert len(made.link.fails) == 1

    run(body())


def test_a_restarted_prime_tells_what_is_known_already(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path, *(track(number) for number in range(600))) as made:
            made.tell()
            await made.until(lambda: made.listed.page(ListTracks()).total == 600)
            made.lists.forget(cast(Link, made.link))
            for number in range(600):  # from the wire every time: other objects with the same content
                key = track(number).id
                made.librarian.tracks[key] = msgspec.structs.replace(made.librarian.tracks[key])
            before = made.listed.page(ListTracks(limit=1)).tracks[0]
            made.tell()
            made.change(track(700))
            await made.until(lambda: made.listed.page(ListTracks()).total == 601)
            assert len(made.revisions) == 2
            assert made.listed.page(ListTracks(limit=1)).tracks[0] is before

    run(body())
