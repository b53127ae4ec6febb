"""The streaming node's own sockets: bytes exact on TLS and plain, one bad listener harms nobody."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hocket.adapters import link as links
from hocket.adapters.clocks import SystemClock
from hocket.adapters.link import Link
from hocket.adapters.streaming import Connection, OpenFile, OpenFiles, StreamServer, server
from hocket.adapters.tls import listener_context, server_context, stranger_context
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, Refused, TrackMissing
from hocket.core.ids import NodeId, Role, TrackId
from hocket.core.track import Track
from hocket.wire import codec, limits
from hocket.wire.codec import Decoder
from hocket.wire.message import Message
from hocket.wire.messages.common import Done, ErrorReply, Ping, Pong
from hocket.wire.messages.nodes import Drain
from hocket.wire.messages.tracks import CloseTrack, FindTrack, NodeDraining, OpenTrack, Read, TrackFound, TrackOpened
from tests.kit.identities import credentials

FILE = NodeId("file-000000000001")
SONG = TrackId("5" * 64)
SIZE_BYTES = 3_000_017
NOBODY = NodeId("")


class Service:
    """Opens one song for whoever asks; the tests look inside."""

    def __init__(self, path: Path) -> None:
        self.track = Track(SONG, "song.wav", "song", size_bytes=SIZE_BYTES)
        self.files = OpenFiles(lambda track: os.open(path, os.O_RDONLY))
        self.taken: dict[Connection, OpenFile] = {}
        self.gone = asyncio.Event()

    def answer(self, connection: Connection, message: Message) -> Message | None:
        match message:
            case Ping():
                return Pong()
            case OpenTrack(track=track) if track != SONG:
                raise TrackMissing("no such track", hint="list them")
            case OpenTrack():
                self.taken[connection] = self.files.take(self.track)
                connection.due_s = float("inf")
                return TrackOpened(1, self.track)
            case CloseTrack():
                self.files.give_back(self.taken.pop(connection))
            case FindTrack(text="bug"):
                raise ZeroDivisionError
            case FindTrack(text=text):
                return TrackFound(Track(SONG, text, text))
        return None

    def file_for(self, connection: Connection, read: Read) -> OpenFile:
        if connection not in self.taken:
            raise TrackMissing("open it first")
        return self.taken[connection]

    def closed(self, connection: Connection) -> None:
        if connection in self.taken:
            self.files.give_back(self.taken.pop(connection))
        self.gone.set()


class Listener:
    """The client's side of a link."""

    def __init__(self) -> None:
        self.notices: asyncio.Queue[Message] = asyncio.Queue()
        self.lost = asyncio.Event()

    async def on_message(self, link: Link, message: Message) -> Message | None:
        self.notices.put_nowait(message)
        return None

    def on_closed(self, link: Link, error: HocketError) -> None:
        self.lost.set()


class Scene:
    """A stream server with one song, and ways to reach it."""

    def __init__(self, found: StreamServer, service: Service, song: bytes, path: Path, plain: bool) -> None:
        self.server = found
        self.service = service
        self.song = song
        self.path = path
        self.plain = plain

    async def listener(self, owner: Listener | None = None) -> Link:
        context = None if self.plain else listener_context(credentials(Role.FILE, FILE).authority)
        link = await links.connect(
            self.server.address,
            context,
            links.hello(Role.LISTENER, NOBODY),
            owner or Listener(),
            expect=(Role.FILE, FILE),
            believe=self.plain,
        )
        link.expect_raw(limits.MAX_CHUNK_BYTES)
        return link

    async def playing(self) -> Link:
        link = await self.listener()
        await link.request(OpenTrack(SONG), TrackOpened)
        return link

    async def stalled(self) -> socket.socket:
        """A listener that asks for all it may and never reads."""
        link = await self.playing()
        sock: socket.socket = link._transport.get_extra_info("socket")  # type: ignore[union-attr]
        link._transport.pause_reading()  # type: ignore[union-attr]
        for number in range(limits.MAX_READS_IN_FLIGHT):
            link._send(codec.encode(Read(1, 0, limits.MAX_CHUNK_BYTES), 1000 + number))
        self.stalled_link = link
        return sock


@contextlib.asynccontextmanager
async def scene(path: Path, song: bytes, plain: bool) -> AsyncIterator[Scene]:
    service = Service(path)
    context = None if plain else server_context(credentials(Role.FILE, FILE))
    found = StreamServer(FILE, service, service.files, SystemClock(), context, 300)
    await found.start(HostPort("127.0.0.1", 0))
    try:
        yield Scene(found, service, song, path, plain)
    finally:
        found.stop()
        assert not found.connections
        assert len(service.files) == 0, "every descriptor was given back"


Test = Callable[[Scene], Awaitable[None]]


@pytest.fixture(params=["tls", "plain"])
def with_scene(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Test], None]:
    song = os.urandom(SIZE_BYTES)
    path = tmp_path / "song.wav"
    path.write_bytes(song)

    def run_test(test: Test) -> None:
        async def run() -> None:
            async with asyncio.timeout(30), scene(path, song, request.param == "plain") as found:
                await test(found)

        asyncio.run(run())

    return run_test


async def close(link: Link) -> None:
    link.close()
    await link.wait_closed()


async def whole_song(link: Link, piece_bytes: int) -> bytes:
    reads = [Read(1, at, piece_bytes) for at in range(0, SIZE_BYTES, piece_bytes)]
    got: list[bytes] = []
    for start in range(0, len(reads), 8):
        got += await asyncio.gather(*(link.request_bytes(read) for read in reads[start : start + 8]))
    return b"".join(got)


@pytest.mark.parametrize("piece_bytes", [16_384, 262_144, 1_048_576, 100_003])
def test_every_byte_arrives_in_order(with_scene: Callable[[Test], None], piece_bytes: int) -> None:
    async def test(scene: Scene) -> None:
        link = await scene.playing()
        assert await whole_song(link, piece_bytes) == scene.song
        assert scene.server.sent_bytes >= SIZE_BYTES
        await close(link)

    with_scene(test)


def test_many_at_once_get_their_own_bytes(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        listeners = [await scene.playing() for _ in range(12)]
        assert len(scene.service.files) == 1, "one descriptor for all"
        songs = await asyncio.gather(*(whole_song(link, 262_144) for link in listeners))
        assert all(song == scene.song for song in songs)
        for link in listeners:
            await close(link)

    with_scene(test)


def test_reads_at_and_past_the_end(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        link = await scene.playing()
        assert await link.request_bytes(Read(1, SIZE_BYTES - 5, 100)) == scene.song[-5:]
        assert await link.request_bytes(Read(1, SIZE_BYTES, 100)) == b""
        assert await link.request_bytes(Read(1, 10**15, 100)) == b""
        await close(link)

    with_scene(test)


def test_a_deleted_file_plays_on_and_a_shrunk_one_ends_its_own_streams(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        link = await scene.playing()
        other = await scene.listener()
        os.truncate(scene.path, 1000)
        with pytest.raises(NotReachable):
            await link.request_bytes(Read(1, 0, 100_000))
        assert await other.request(Ping(), Pong) == Pong()
        scene.path.unlink()
        await close(link)
        await close(other)

    with_scene(test)


def test_errors_are_answers_and_the_connection_goes_on(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        link = await scene.listener()
        for request, code in (
            (link.request(OpenTrack(TrackId("6" * 64)), TrackOpened), ErrorCode.TRACK_MISSING),
            (link.request_bytes(Read(1, 0, 10)), ErrorCode.TRACK_MISSING),
            (link.request(FindTrack("bug"), TrackFound), ErrorCode.BUG),
            (link.request(Drain("I may not"), Done), ErrorCode.NOT_ALLOWED),
        ):
            with pytest.raises(Refused) as caught:
                await request
            assert caught.value.code is code
        assert (await link.request(FindTrack("früh"), TrackFound)).track.name == "früh"
        await close(link)

    with_scene(test)


def test_more_reads_than_allowed_are_refused_one_by_one(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        link = await scene.playing()
        link._transport.pause_reading()  # type: ignore[union-attr]
        asked = [asyncio.create_task(link.request_bytes(Read(1, 0, limits.MAX_CHUNK_BYTES))) for _ in range(64)]
        other = await scene.playing()
        await whole_song(other, 262_144)  # by then all 64 were received
        link._transport.resume_reading()  # type: ignore[union-attr]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        served = [answer for answer in answers if isinstance(answer, bytes)]
        assert {error.code for error in refused} == {ErrorCode.TOO_MANY_REQUESTS}
        assert len(served) >= limits.MAX_READS_IN_FLIGHT
        assert set(served) == {scene.song[: limits.MAX_CHUNK_BYTES]}
        assert await link.request_bytes(Read(1, 0, 10)) == scene.song[:10], "it may go on"
        await close(link)
        await close(other)

    with_scene(test)


def test_a_stalled_listener_holds_up_nobody(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        await scene.stalled()
        link = await scene.playing()
        assert await whole_song(link, 262_144) == scene.song
        await close(link)
        scene.stalled_link._transport.abort()  # type: ignore[union-attr]
        await scene.stalled_link.wait_closed()

    with_scene(test)


def test_a_stalled_listener_costs_bounded_memory_in_the_kernel(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        await scene.stalled()
        other = await scene.playing()
        await whole_song(other, 262_144)  # by now the stalled one's socket is as full as it gets
        [held] = [c for c in scene.server.connections if c._outbox.pieces]
        assert isinstance(held._sock, socket.socket)
        assert held._sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 512 * 1024
        assert held._outbox.control_bytes == 0
        await close(other)
        scene.stalled_link._transport.abort()  # type: ignore[union-attr]
        await scene.stalled_link.wait_closed()

    with_scene(test)


def test_notices_reach_the_listener(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        owner = Listener()
        link = await scene.listener(owner)
        await link.request(Ping(), Pong)
        for connection in scene.server.connections:
            connection.notify(NodeDraining("soon"))
        assert await owner.notices.get() == NodeDraining("soon")
        await close(link)

    with_scene(test)


def test_a_reply_that_nobody_reads_stops_the_requests(with_scene: Callable[[Test], None]) -> None:
    """A flood of requests without reading the answers costs a bounded queue, not memory without end."""

    async def test(scene: Scene) -> None:
        link = await scene.listener()
        link._transport.pause_reading()  # type: ignore[union-attr]
        question = codec.encode(FindTrack("x" * 4000), 7)
        link._transport.set_write_buffer_limits(high=64 * 1024 * 1024)  # type: ignore[union-attr]
        for _ in range(4000):
            link._send(question)
        other = await scene.listener()
        for _ in range(50):
            await other.request(Ping(), Pong)
        assert all(c._outbox.control_bytes < 2 * 1024 * 1024 for c in scene.server.connections)
        await close(other)
        link._transport.abort()  # type: ignore[union-attr]
        await link.wait_closed()

    with_scene(test)


def test_silence_and_missing_tickets_are_ended(
    with_scene: Callable[[Test], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.05)
    monkeypatch.setattr(server, "TICKET_TIMEOUT_S", 0.05)
    monkeypatch.setattr(server, "SWEEP_S", 0.05)

    async def test(scene: Scene) -> None:
        where = scene.server.address
        silent = await asyncio.open_connection(where.host, where.port)
        said = await silent[0].read()
        if scene.plain:
            answers = [codec.decode(f) for f in Decoder(limits.MAX_CONTROL_BODY_BYTES).feed(said)]
            assert isinstance(answers[-1], ErrorReply)
            assert answers[-1].code == ErrorCode.TIMED_OUT
        silent[1].close()

    with_scene(test)


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 4, codec.encode(OpenTrack(SONG), 1)],
    ids=["http", "noise", "no hello"],
)
def test_garbage_ends_its_own_connection(with_scene: Callable[[Test], None], garbage: bytes) -> None:
    async def test(scene: Scene) -> None:
        honest = await scene.playing()
        where = scene.server.address
        tls = {} if scene.plain else {"ssl": stranger_context(), "server_hostname": ""}
        reader, writer = await asyncio.open_connection(where.host, where.port, **tls)  # type: ignore[arg-type]
        writer.write(garbage)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        assert await honest.request_bytes(Read(1, 0, 10)) == scene.song[:10]
        await close(honest)

    with_scene(test)


def test_too_many_connections_are_turned_away(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        scene.server._max_connections = 1
        first = await scene.listener()
        with pytest.raises(HocketError):
            await scene.listener()
        assert await first.request(Ping(), Pong) == Pong()
        await close(first)

    with_scene(test)


def test_who_hangs_up_before_being_greeted_leaves_nothing(with_scene: Callable[[Test], None]) -> None:
    async def test(scene: Scene) -> None:
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        for _ in range(20):
            sock = socket.create_connection((scene.server.address.host, scene.server.address.port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()  # a reset, which is there before the server has looked
        link = await scene.playing()
        link.close()
        await link.wait_closed()
        assert faults == []

    with_scene(test)
