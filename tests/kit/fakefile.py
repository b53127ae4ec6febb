"""A streaming node inside a test: sends what it holds, or misbehaves as it is told."""

import asyncio
import contextlib
from collections.abc import Callable

from hocket.adapters.link import hello
from hocket.core.errors import ErrorCode, HocketError, ProtocolError, TicketRefused, TrackMissing
from hocket.core.ids import Role, SessionId, TrackId
from hocket.wire import codec, limits
from hocket.wire.codec import Flag
from hocket.wire.hello import Hello, Opening
from hocket.wire.kinds import Kind
from hocket.wire.message import Message
from hocket.wire.messages import common, tracks
from tests.kit.fakecluster import FakeCluster, FakeNode, Song


class FakeFile(FakeNode):
    """Knobs may be turned at any time.

    `gate`: pieces are sent only while it is set. `rate_bytes_s`: no faster than this on each
    connection. `spoil`: changes a piece (offset, bytes) before it is sent. `lacks`: songs that this
    node does not have. `stumbles`: answers every open with a bug. `die_after_bytes`: break every
    connection once so many bytes were sent.
    """

    role = Role.FILE

    def __init__(self, cluster: FakeCluster, number: int) -> None:
        super().__init__(cluster, number)
        self.gate = asyncio.Event()
        self.gate.set()
        self.rate_bytes_s = 0.0
        self.spoil: Callable[[int, bytes], bytes] = lambda offset, data: data
        self.lacks: set[str] = set()
        self.stumbles = False
        self.die_after_bytes: int | None = None
        self.sent_bytes = 0
        self._server: asyncio.Server | None = None
        self._visits: set[_Visit] = set()

    @property
    def connections(self) -> int:
        return len(self._visits)

    async def start(self) -> None:
        context = None if self.cluster.plain else self.context
        self._server = await asyncio.start_server(self._visited, self.address.host, self.address.port, ssl=context)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = type(self.address)(host, port)
        self.is_up = True

    def die(self) -> None:
        """As kill -9 does: every connection breaks at once."""
        self.is_up = False
        if self._server is not None:
            self._server.close()
        for visit in self._visits:
            visit.abort()

    async def stop(self) -> None:
        tasks = [visit.task for visit in self._visits]
        self.die()
        self.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def drain(self) -> None:
        """Ask everybody to go elsewhere."""
        self.draining = True
        self.tell_all(tracks.NodeDraining("maintenance"))

    def tell_all(self, message: Message) -> None:
        for visit in self._visits:
            visit.write(codec.encode(message))

    def song(self, track: str) -> Song:
        song = self.cluster.songs.get(TrackId(track))
        if song is None or track in self.lacks:
            raise TrackMissing(f"{self.node} does not hold {track}")
        return song

    def find(self, text: str) -> Song:
        """By id or a part of the name."""
        found = [song for song in self.cluster.songs.values() if text in (song.track.id, song.track.name)]
        found = found or [song for song in self.cluster.songs.values() if text in song.track.name]
        if not found:
            raise TrackMissing(f"nothing is called '{text}'")
        if len(found) > 1:
            raise HocketError(f"'{text}' may be several", code=ErrorCode.AMBIGUOUS)
        return found[0]

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visit = _Visit(self, reader, writer, task)
        self._visits.add(visit)
        try:
            with contextlib.suppress(OSError, HocketError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await visit.serve()
        finally:
            self._visits.discard(visit)
            visit.abort()


class _Visit:
    """One connection. Pieces are sent one after another; all else is answered at once."""

    def __init__(
        self, node: FakeFile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        self.task = task
        self._node = node
        self._reader = reader
        self._writer = writer
        self._hello = hello(Role.FILE, node.node)
        self._handles: dict[int, Song] = {}
        self._session: SessionId | None = None
        self._until_ns = 0
        self._reads: asyncio.Queue[tuple[tracks.Read, int]] = asyncio.Queue()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def serve(self) -> None:
        sending = asyncio.create_task(self._send_pieces())
        try:
            await self._listen()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _listen(self) -> None:
        decoder = codec.Decoder(limits.MAX_CONTROL_BODY_BYTES)
        opening = Opening(self._hello, None)
        self.write(codec.encode(self._hello))
        while data := await self._reader.read(65536):
            for frame in decoder.feed(data):
                message = codec.decode(frame)
                if isinstance(message, Hello):
                    opening.receive(message)
                    continue
                self._node.asked.append(message)
                if isinstance(message, tracks.Read):
                    self._reads.put_nowait((message, frame.correlation))
                else:
                    self._take(message, frame.correlation)

    async def _send_pieces(self) -> None:
        while True:
            read, correlation = await self._reads.get()
            try:
                await self._read(read, correlation)
                await self._writer.drain()
            except HocketError as error:
                self._refuse(error, correlation)
            except OSError:
                self.abort()
                return

    def _take(self, message: Message, correlation: int) -> None:
        try:
            answer = self._answer(message)
        except HocketError as error:
            self._refuse(error, correlation)
        else:
            self.write(codec.encode(answer, correlation, Flag.REPLY))

    def _refuse(self, error: HocketError, correlation: int) -> None:
        self.write(codec.encode(common.ErrorReply.of(error), correlation, Flag.REPLY | Flag.ERROR))

    def _answer(self, message: Message) -> Message:
        node = self._node
        if isinstance(message, common.Present):
            ticket = node.verify(message, self._hello.nonce)
            self._session, self._until_ns = ticket.session, ticket.expires_ns
            return common.Presented((ticket.expires_ns - node.cluster.now_ns()) / 1e9)
        self._check()
        match message:
            case tracks.OpenTrack():
                if node.stumbles:
                    raise HocketError("the node stumbled over a bug; its log tells more", code=ErrorCode.BUG)
                if node.draining:
                    raise HocketError("draining", code=ErrorCode.DRAINING)
                if len(self._handles) >= limits.MAX_OPEN_TRACKS:
                    raise HocketError("too many tracks are open", code=ErrorCode.TOO_MANY_REQUESTS)
                handle = max(self._handles, default=0) + 1
                self._handles[handle] = node.song(message.track)
                return tracks.TrackOpened(handle, self._handles[handle].track)
            case tracks.CloseTrack():
                self._handles.pop(message.handle, None)
                return common.Done()
            case tracks.FindTrack():
                return tracks.TrackFound(node.find(message.text).track)
            case tracks.ListTracks():
                return self._page(message)
        raise ProtocolError(f"{type(message).__name__} is not for a streaming node")

    def _page(self, asked: tracks.ListTracks) -> Message:
        found = [song.track for song in self._node.cluster.songs.values() if asked.search in song.track.name]
        found.sort(key=lambda track: track.name)
        return tracks.TrackPage(1, len(found), asked.offset, tuple(found[asked.offset : asked.offset + asked.limit]))

    def _check(self) -> None:
        cluster = self._node.cluster
        if self._session is None or self._session in cluster.ended or self._until_ns < cluster.now_ns():
            raise TicketRefused("no valid ticket was shown on this connection")

    async def _read(self, read: tracks.Read, correlation: int) -> None:
        node = self._node
        await node.gate.wait()
        if node.rate_bytes_s:
            await asyncio.sleep(read.length_bytes / node.rate_bytes_s)
        self._check()
        song = self._handles[read.handle]
        data = song.content[read.offset_bytes : read.offset_bytes + read.length_bytes]
        data = node.spoil(read.offset_bytes, data)
        if node.die_after_bytes is not None and node.sent_bytes + len(data) > node.die_after_bytes:
            node.die()
            raise ConnectionResetError
        node.sent_bytes += len(data)
        self.write(codec.header(Kind.CHUNK, Flag.REPLY | Flag.RAW, correlation, len(data)) + data)
