"""Machines that hand out files, for tests of copies: honest ones and liars."""

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from blake3 import blake3

from hocket.adapters.clocks import SystemClock
from hocket.adapters.library.scan import scan
from hocket.adapters.streaming import Connection, OpenFiles, StreamServer
from hocket.adapters.tls import node_client_context, server_context
from hocket.adapters.transfer import Fetched, FileService, Pace
from hocket.adapters.transfer.fetch import Fetch
from hocket.adapters.transfer.lines import Lines
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role, TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.media.wav_header import wav_header
from hocket.wire.messages.library import FetchOrder
from tests.kit.identities import credentials

HOLDER = NodeId("plane-00000000000a")
TAKER = NodeId("plane-00000000000b")
TIMEOUT_S = 60.0
STRANGER = NodeId("plane-00000000000c")
ELSEWHERE = "127.0.0.2"
"""Who connects to it comes from 127.0.0.1: copies are encrypted as between two machines."""


def wav(size_bytes: int, seed: int = 1) -> bytes:
    """A WAV file of about so many bytes, unlike that of any other seed."""
    data = blake3(seed.to_bytes(8, "big")).digest(max(4, size_bytes - 44) // 4 * 4)
    return wav_header(AudioFormat(44100, 2, 16), len(data)) + data


def id_of(data: bytes) -> TrackId:
    return TrackId(blake3(data).hexdigest())


def files_below(folder: Path) -> list[str]:
    """Names relative to a folder, in order. Folders that vanish meanwhile are passed over, as `rglob` does not."""
    found = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return sorted(str(path.relative_to(folder)) for path in found)


class Watched(Fetch):
    """A fetch in a thread that tells how far it is."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._moved = threading.Condition()

    def _count(self, size_bytes: int) -> None:
        with self._moved:
            super()._count(size_bytes)
            self._moved.notify_all()

    async def received(self, at_least_bytes: int) -> None:
        """Wait until so many bytes came."""
        await asyncio.to_thread(self._wait, at_least_bytes)

    def _wait(self, at_least_bytes: int) -> None:
        with self._moved:
            assert self._moved.wait_for(lambda: self.done_bytes >= at_least_bytes, TIMEOUT_S)


class Holder:
    """A machine with files. What it tells of them, and what it sends, can be set apart."""

    def __init__(self, server: StreamServer, node: NodeId) -> None:
        self.server = server
        self.node = node
        self.members = {TAKER, HOLDER}
        self.opened: list[TrackId] = []
        self.asked = asyncio.Event()  # for the first file
        self.left = asyncio.Event()  # somebody has

    def order(self, track: TrackId, name: str, size_bytes: int, plain: bool = False) -> FetchOrder:
        return FetchOrder(track, name, size_bytes, self.node, Role.PLANE, self.server.address, plain)


@contextlib.asynccontextmanager
async def holder(
    files: dict[TrackId, Path], told_bytes: int = -1, node: NodeId = HOLDER, host: str = ELSEWHERE
) -> AsyncIterator[Holder]:
    """Serve files under ids, true or not. `told_bytes`: the size that it tells of each."""

    def find(track: TrackId) -> Track | None:
        found.opened.append(track)
        found.asked.set()
        path = files.get(track)
        if path is None:
            return None
        size_bytes = path.stat().st_size if told_bytes < 0 else told_bytes
        return Track(track, path.name, path.stem, size_bytes=size_bytes)

    class Service(FileService):
        def closed(self, connection: Connection) -> None:
            super().closed(connection)
            found.left.set()

    clock = SystemClock()
    open_files = OpenFiles(lambda track: os.open(files[track.id], os.O_RDONLY))
    service = Service(open_files, find, lambda who: who in found.members, clock.monotonic_s)
    context = server_context(credentials(Role.PLANE, node))
    server = StreamServer(
        node, service, open_files, clock, context, 100, role=Role.PLANE, send_buffer_bytes=0, is_bulk=True
    )
    found = Holder(server, node)
    await server.start(HostPort(host, 0))
    try:
        yield found
    finally:
        server.stop()


def taker_context(node: NodeId = TAKER, cluster: str = "ours") -> Callable[[], ssl.SSLContext]:
    return lambda: node_client_context(credentials(Role.PLANE, node, cluster))


def fetch(order: FetchOrder, music: Path, pace: Pace | None = None, lines: Lines | None = None) -> Watched:
    return Watched(order, music, taker_context(), (Role.PLANE, TAKER), pace or Pace(), lines)


SONG = wav(3_000_000)
TRACK = id_of(SONG)


class Place:
    """Two folders: the holder's, with the song, and the taker's, empty."""

    def __init__(self, folder: Path) -> None:
        self.theirs, self.ours = folder / "theirs", folder / "ours"
        self.theirs.mkdir()
        self.ours.mkdir()
        self.song = self.theirs / "Song.wav"
        self.song.write_bytes(SONG)
        self.index = folder / "index"

    @property
    def listed(self) -> list[str]:
        """What a scan of our folder shows."""
        return [track.name for track in scan(self.ours, self.index).library.catalogue.tracks]

    @property
    def partial(self) -> Path:
        return self.ours / f".hocket-{TRACK}.partial"


def with_holder(
    place: Place, work: Callable[[Holder], Coroutine[Any, Any, None]], data: bytes | None = None, **options: Any
) -> None:
    """Run a test's body beside a holder of the song."""

    async def run() -> None:
        async with holder({TRACK: place.song}, **options) as found:
            await work(found)

    if data is not None:
        place.song.write_bytes(data)
    asyncio.run(run())


async def copy(order: FetchOrder, place: Place) -> Fetched:
    return await asyncio.to_thread(fetch(order, place.ours).run)
