"""One listener on one raw socket: a small object, woken by the event loop only when there is work."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from hocket.adapters.bulktls import BulkTls
from hocket.adapters.link import hello
from hocket.adapters.streaming.files import OpenFile
from hocket.adapters.streaming.outbox import FileShrank, Outbox, Piece
from hocket.adapters.tls import certified
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, ProtocolError
from hocket.core.ids import NodeId, Role
from hocket.wire import codec, limits, permissions
from hocket.wire.codec import Decoder, Flag, Frame
from hocket.wire.hello import Hello, Opening
from hocket.wire.message import Message
from hocket.wire.messages.common import Done, ErrorReply
from hocket.wire.messages.library import GoPlain
from hocket.wire.messages.tracks import Read

if TYPE_CHECKING:
    from hocket.adapters.streaming.server import StreamServer

log = logging.getLogger(__name__)

MAX_UNREAD_REPLY_BYTES = 512 * 1024
"""Past this much unread control data the listener's further requests wait in its own kernel."""

READS_A_TURN = 4
"""Receives of one listener before the others get their turn."""

RECEIVE_BYTES = 16 * 1024


ENCRYPTED = ssl.SSLSocket | BulkTls


class Service(Protocol):
    """What a streaming node does with the requests. Synchronous: nothing here may wait."""

    def answer(self, connection: "Connection", message: Message) -> "Message | asyncio.Future[Message] | None":
        """The reply (None: Done), or a future of it where a thread is needed. A HocketError becomes the reply."""
        ...

    def file_for(self, connection: "Connection", read: Read) -> OpenFile:
        """The open file behind a Read's handle, if the listener may read it now. Raises HocketError."""
        ...

    def closed(self, connection: "Connection") -> None:
        """An open connection is gone; its handles are given back here."""
        ...


class Stage(Enum):
    HANDSHAKE = auto()
    HELLO = auto()
    OPEN = auto()
    TO_PLAIN = auto()
    CLOSED = auto()


class Connection:
    """One listener. `user_data` belongs to the service."""

    __slots__ = (
        "_decoder",
        "_opening",
        "_outbox",
        "_reading",
        "_server",
        "_sock",
        "_writing",
        "due_s",
        "peer_address",
        "stage",
        "user_data",
    )

    def __init__(
        self, server: "StreamServer", sock: socket.socket | BulkTls, peer_address: HostPort, due_s: float
    ) -> None:
        self._server = server
        self._sock = sock
        self._outbox = Outbox()
        self._opening: Opening | None = None
        self._decoder: Decoder | None = None  # only while half a frame is waiting for its rest
        self._reading = False
        self._writing = False
        self.peer_address = peer_address
        self.due_s = due_s  # monotonic; the stage must be over by then
        self.user_data: object = None
        self.stage = Stage.HANDSHAKE if isinstance(sock, ENCRYPTED) else Stage.HELLO
        if self.stage is Stage.HELLO:
            self._begin_hello()
        if self.stage is not Stage.CLOSED:
            self._want_read(True)

    # -- what the service uses

    @property
    def peer(self) -> Hello:
        assert self._opening is not None
        assert self._opening.peer is not None
        return self._opening.peer

    @property
    def my_nonce(self) -> bytes:
        assert self._opening is not None
        return self._opening.mine.nonce

    def notify(self, message: Message) -> None:
        """Queue a notice."""
        if self.stage is Stage.OPEN:
            self._outbox.add_frame(codec.encode(message))
            self._flush()

    def close(self, error: HocketError | None = None) -> None:
        """Close now; the reason is sent if the socket takes it at once."""
        if self.stage is Stage.CLOSED:
            return
        was_open, self.stage = self.stage in (Stage.OPEN, Stage.TO_PLAIN), Stage.CLOSED
        self._want_read(False)
        self._want_write(False)
        if error is not None and not self._outbox.pieces:
            self._outbox.add_frame(codec.encode(ErrorReply.of(error), 0, Flag.ERROR))
            with contextlib.suppress(OSError, FileShrank):
                self._outbox.send(self._sock, [])
        for file in self._outbox.clear():
            self._server.files.give_back(file)
        if was_open:
            self._server.service.closed(self)
        self._sock.close()
        self._server.forget(self)

    # -- the event loop's side

    def _readable(self) -> None:
        try:
            if self.stage is Stage.HANDSHAKE and not self._shake_hands():
                return
            if self.stage is Stage.TO_PLAIN and not self._unwrap():
                return
            for _ in range(READS_A_TURN):
                if not self._reading or not self._receive():
                    break
            else:
                self._come_back()
            if self._outbox:
                self._flush()
        except HocketError as error:
            log.info("%s: closing: %s", self.peer_address, error)
            self.close(error)
        except (OSError, FileShrank) as error:
            log.debug("%s: %s", self.peer_address, error)
            self.close()

    def _writable(self) -> None:
        if self.stage in (Stage.HANDSHAKE, Stage.TO_PLAIN):
            self._readable()
            return
        self._flush()

    def _shake_hands(self) -> bool:
        sock = self._sock
        assert isinstance(sock, ENCRYPTED)
        if not self._is_done(sock.do_handshake):
            return False
        self.stage = Stage.HELLO
        self._begin_hello()
        return True

    def _go_plain(self, message: GoPlain, correlation: int) -> None:
        """The answer is the last that goes out encrypted, and nothing else waits to be sent."""
        if message.seen_as not in (None, self.peer_address):
            raise HocketError(
                f"{message.seen_as} is seen as {self.peer_address} here: something lies between",
                code=ErrorCode.NOT_ALLOWED,
            )
        self._reply(Done(), correlation, Flag.REPLY)
        self._flush()
        if not isinstance(self._sock, BulkTls) or self.stage is Stage.CLOSED:
            return
        if self._outbox:
            raise ProtocolError("GoPlain while something is under way")
        self.stage = Stage.TO_PLAIN
        self._unwrap()

    def _unwrap(self) -> bool:
        """Whether both sides have ended TLS; the socket goes on without it."""
        sock = self._sock
        assert isinstance(sock, BulkTls)
        if not self._is_done(sock.unwrap):
            return False
        self._sock = sock.inner
        self.stage = Stage.OPEN
        return True

    def _is_done(self, step: Callable[[], object]) -> bool:
        """Whether a step of TLS that takes both sides is over; if not it goes on once the socket is ready again."""
        try:
            step()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self._want_write(True)
            return False
        self._want_write(False)
        return True

    def _begin_hello(self) -> None:
        who: tuple[Role, NodeId] | None = None
        if isinstance(self._sock, ENCRYPTED):
            who = certified(self._sock.getpeercert())
        mine = hello(self._server.role, self._server.node)
        self._opening = Opening(mine, who)
        self._outbox.add_frame(codec.encode(mine))
        self._flush()

    def _receive(self) -> bool:
        """Take what one receive brings; whether there may be more at once."""
        decoder = self._decoder or self._server.lend_decoder()
        is_open = self.stage is Stage.OPEN
        decoder.max_control_bytes = limits.MAX_CONTROL_BODY_BYTES if is_open else limits.MAX_HELLO_BODY_BYTES
        try:
            with decoder.buffer() as room:
                count = self._sock.recv_into(room, min(len(room), RECEIVE_BYTES))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._keep_or_return(decoder)
            return False
        if count == 0:
            self._decoder = None
            self.close()
            return False
        try:
            frames = decoder.advance(count)
        except HocketError:
            self._server.drop_decoder(decoder)
            raise
        self._keep_or_return(decoder)
        for frame in frames:
            if self.stage is Stage.CLOSED:
                return False
            self._take(frame)
        return self.stage not in (Stage.CLOSED, Stage.TO_PLAIN)

    def _keep_or_return(self, decoder: Decoder) -> None:
        if decoder.pending_bytes:
            self._decoder = decoder
            self._server.drop_decoder(decoder)
        else:
            self._decoder = None

    def _take(self, frame: Frame) -> None:
        if frame.is_reply:
            raise ProtocolError("a reply that nobody asked for")
        message = codec.decode(frame)
        if isinstance(message, ErrorReply):
            raise message.error()
        if isinstance(message, Hello):
            assert self._opening is not None
            self._opening.receive(message)
            self.stage = Stage.OPEN
            self.due_s = self._server.first_ticket_due_s()
            return
        if self.stage is not Stage.OPEN:
            raise ProtocolError(f"{type(message).__name__} before HELLO")
        self._answer(message, frame.correlation)

    def _answer(self, message: Message, correlation: int) -> None:
        try:
            permissions.check(message, self.peer.role, self._server.role)
            if isinstance(message, Read):
                self._read(message, correlation)
                return
            if isinstance(message, GoPlain):
                self._go_plain(message, correlation)
                return
            reply = self._server.service.answer(self, message)
        except Exception as error:
            self._refuse(message, correlation, error)
            return
        if isinstance(reply, asyncio.Future):
            reply.add_done_callback(lambda future: self._answer_late(message, correlation, future))
        elif type(message).reply is not None:
            self._reply(reply or Done(), correlation, Flag.REPLY)

    def _answer_late(self, message: Message, correlation: int, future: "asyncio.Future[Message]") -> None:
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Exception):
            self._refuse(message, correlation, error)
        else:
            self._reply(future.result(), correlation, Flag.REPLY)
        if self.stage is not Stage.CLOSED:
            self._flush()

    def _refuse(self, message: Message, correlation: int, error: Exception) -> None:
        if not isinstance(error, HocketError):
            log.error("a bug while answering %s", type(message).__name__, exc_info=error)
            error = HocketError("the node stumbled over a bug; its log tells more", code=ErrorCode.BUG)
        self._reply(ErrorReply.of(error), correlation, Flag.REPLY | Flag.ERROR)

    def _reply(self, message: Message, correlation: int, flags: Flag) -> None:
        if self.stage is Stage.CLOSED:
            return
        self._outbox.add_frame(codec.encode(message, correlation, flags))
        if self._outbox.control_bytes > MAX_UNREAD_REPLY_BYTES:
            self._want_read(False)

    def _read(self, read: Read, correlation: int) -> None:
        if self._outbox.pieces >= limits.MAX_READS_IN_FLIGHT:
            raise ProtocolError(
                f"more than {limits.MAX_READS_IN_FLIGHT} reads at once", code=ErrorCode.TOO_MANY_REQUESTS
            )
        file = self._server.service.file_for(self, read)
        length_bytes = min(read.length_bytes, max(0, file.track.size_bytes - read.offset_bytes))
        self._outbox.add_piece(Piece(file, correlation, read.offset_bytes, length_bytes))

    def _flush(self) -> None:
        done: list[OpenFile] = []
        try:
            self._server.sent_bytes += self._outbox.send(self._sock, done)
        except (OSError, FileShrank) as error:
            log.debug("%s: %s", self.peer_address, error)
            self.close()
        finally:
            for file in done:
                self._server.files.give_back(file)
        if self.stage is Stage.CLOSED:
            return
        self._want_write(bool(self._outbox))
        if not self._reading and self._outbox.control_bytes <= MAX_UNREAD_REPLY_BYTES // 2:
            self._want_read(True)
            self._come_back()

    def _come_back(self) -> None:
        """What TLS has taken from the socket already wakes nobody."""
        if self._reading and isinstance(self._sock, ENCRYPTED) and self._sock.pending():
            self._server.loop.call_soon(self._readable_if_open)

    def _readable_if_open(self) -> None:
        if self.stage is not Stage.CLOSED:
            self._readable()

    def _want_read(self, wanted: bool) -> None:
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._server.loop.add_reader(self._sock.fileno(), self._readable)
            else:
                self._server.loop.remove_reader(self._sock.fileno())

    def _want_write(self, wanted: bool) -> None:
        if wanted != self._writing:
            self._writing = wanted
            if wanted:
                self._server.loop.add_writer(self._sock.fileno(), self._writable)
            else:
                self._server.loop.remove_writer(self._sock.fileno())
