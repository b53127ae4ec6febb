"""One connection between friends: a raw socket, TLS by hand, frames with the instant of their arrival."""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections import deque
from enum import Enum, auto
from typing import Protocol, TypeVar, cast

from hocket.adapters.link import hello
from hocket.adapters.peers import stamps, tuning
from hocket.adapters.peers.tcpinfo import tcp_info
from hocket.adapters.peers.tls import PeerIdentity, fingerprint
from hocket.adapters.tls import stranger_context
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.core.ids import Role
from hocket.relay.addresses import without_mapping
from hocket.relay.limits import MAX_FRAME_BYTES, Patience, Verdict
from hocket.relay.ring import Cursor, Ring
from hocket.wire import codec, limits, permissions
from hocket.wire.codec import Flag, Frame
from hocket.wire.hello import Hello, Opening
from hocket.wire.message import Message
from hocket.wire.messages.common import ErrorReply, Ping, Pong

log = logging.getLogger(__name__)

RECEIVE_BYTES = 64 * 1024
MAX_BULK = 32
"""Answers with music that wait for one friend: half a megabyte."""

CARRIED = "the prime"
"""Instead of the host of a friend whose bytes the prime carries."""

REPLY_TIMEOUT_S = 5.0
_SEGMENT_BYTES = 1448
_HEADERS_BYTES = 52
_IPV6_MORE_BYTES = 20

M = TypeVar("M", bound=Message)


class Owner(Protocol):
    """Who a link works for; all calls on the event loop, none may wait."""

    def secured(self, link: "PeerLink") -> None:
        """TLS is there, and our HELLO on its way: what is sent now goes with it. Only where we connected."""
        ...

    def opened(self, link: "PeerLink") -> None:
        """Both HELLOs are exchanged."""
        ...

    def took(self, link: "PeerLink", message: Message, correlation: int, at_ns: int) -> Message | None:
        """A request or notice that arrived at at_ns: its reply, or None if there is none or it comes later.

        A HocketError becomes the reply; a ProtocolError closes the link.
        """
        ...

    def closed(self, link: "PeerLink", error: HocketError) -> None:
        """The link is gone; called once."""
        ...


class _Stage(Enum):
    HANDSHAKE = auto()
    HELLO = auto()
    OPEN = auto()
    CLOSED = auto()


class PeerLink:
    """Made by `connect` and `PeerServer`. `user_data` belongs to the owner."""

    def __init__(self, sock: socket.socket, owner: Owner, identity: PeerIdentity, *, server: bool) -> None:
        self.sock = sock
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = identity.context if server else stranger_context()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server)
        self._decoder = codec.Decoder(limits.MAX_HELLO_BODY_BYTES)
        self._mine = hello(Role.LISTENER, identity.node)
        self._opening = Opening(self._mine, None)
        self._own_fingerprint = identity.fingerprint
        self._control = Cursor(Ring(2))
        self._audio: Cursor | None = None
        self._bulk: deque[bytes] = deque()
        self._cipher = b""
        self._stage = _Stage.HANDSHAKE
        self._waiting: dict[int, tuple[Message, asyncio.Future[Message]]] = {}
        self._correlation = 0
        self._writing = False
        self.is_server = server
        self.is_dealt = False  # music goes out by `send_music` alone, so that many share a thin line
        self._sent_bytes = 0
        self._packets = 0  # as far as one can tell from here
        self._past_wire_bytes = 0  # once it is closed
        self.patience = Patience()
        self.error: HocketError | None = None
        self.user_data: object = None
        self.heard_ns = time.monotonic_ns()
        self.peer_address = _address(sock.getpeername())
        self.own_address = _address(sock.getsockname())
        tuning.tune(sock)
        self._loop.add_reader(sock.fileno(), self._readable)
        self._advance()

    # -- what owners use

    @property
    def is_open(self) -> bool:
        return self._stage is _Stage.OPEN

    @property
    def is_closed(self) -> bool:
        return self._stage is _Stage.CLOSED

    @property
    def peer(self) -> Hello:
        """Only once it is open."""
        assert self._opening.peer is not None
        return self._opening.peer

    @property
    def is_carried(self) -> bool:
        """Whether the prime carries it: narrow and slow, for talk and time, never for music."""
        return self.sock.family == socket.AF_UNIX

    @property
    def wire_bytes(self) -> int:
        """Sent so far with all that TCP and IP add and send again; what the kernel still holds counts as sent."""
        if self.is_closed:
            return self._past_wire_bytes
        info = tcp_info(self.sock)
        headers_bytes = _HEADERS_BYTES + (_IPV6_MORE_BYTES if ":" in self.own_address.host else 0)
        packets, again_bytes = (self._packets, 0) if info is None else (info.packets, info.again_bytes)
        return self._sent_bytes + again_bytes + packets * headers_bytes

    @property
    def round_trip_us(self) -> int | None:
        """The shortest, as the kernel saw it; None where it does not tell."""
        info = None if self.is_closed else tcp_info(self.sock)
        return None if info is None else info.round_trip_us

    @property
    def certificate(self) -> bytes:
        """Fingerprint of the certificate that this connection rests on: whoever sits between has another."""
        return self._own_fingerprint if self.is_server else fingerprint(self._tls.getpeercert(binary_form=True))

    @property
    def leads_home(self) -> bool:
        """Whether both ends are this very program."""
        return not self.is_server and self.certificate == self._own_fingerprint

    @property
    def binding(self) -> bytes:
        """The same on both sides of this connection and of no other: the certificate, and the client's Finished.

        That is a MAC over the whole handshake, the server's random bytes included, so nothing that was signed
        over it can be shown again. (Python calls it tls-unique; with TLS 1.3 it has none of its old weakness.)
        """
        return self.certificate + (self._tls.get_channel_binding("tls-unique") or b"")

    @property
    def backlog_bytes(self) -> int:
        """All that waits for the other side here."""
        audio = self._audio.backlog_bytes if self._audio is not None else 0
        return len(self._cipher) + sum(map(len, self._bulk)) + self._control.backlog_bytes + audio

    @property
    def behind_bytes(self) -> int:
        """Music that is to be pushed and waits."""
        return self._audio.behind_bytes if self._audio is not None else 0

    @property
    def jumps(self) -> int:
        """How often it was so far behind that it was moved on to live."""
        return self._audio.jumps if self._audio is not None else 0

    def send(self, message: Message) -> None:
        """Queue a notice ahead of music."""
        self._push(codec.encode(message))

    def send_frame(self, frame: bytes) -> None:
        """`send` for a message that was encoded once for many."""
        self._push(frame)

    def deal(self, upload_bps: int) -> None:
        """Many share this machine's thin line: see `send_music`; no friend is sent to faster than it carries."""
        self.is_dealt = True
        tuning.pace(self.sock, upload_bps)

    def send_music(self) -> int:
        """One piece of music, where it `is_dealt`: how many bytes; 0 if none waits, or the socket is still full."""
        if self._stage is not _Stage.OPEN or self._cipher:
            return 0
        frame = self._next_music()
        if frame is None:
            return 0
        try:
            self._tls.write(frame)
            self._send_cipher()
        except OSError as error:
            self._lost(error)
        return len(frame)

    def send_time(self, message: Message) -> None:
        """Queue a time stamp ahead of everything but HELLO and what goes with it."""
        if self._stage is _Stage.OPEN:
            self._control.push_time(codec.encode(message))
            self.flush()
        elif self._stage is _Stage.HELLO:
            self._push(codec.encode(message))

    def reply(self, correlation: int, message: Message) -> None:
        """Answer a request later than at once."""
        self._push(codec.encode(message, correlation, Flag.REPLY))

    def reply_bulk(self, correlation: int, message: Message) -> None:
        """Answer with music: behind all control. Raises HocketError (TOO_MANY_REQUESTS)."""
        if len(self._bulk) >= MAX_BULK:
            raise HocketError("too much was asked for at once", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=0.2)
        self._bulk.append(codec.encode(message, correlation, Flag.REPLY))
        self.flush()

    def refuse(self, correlation: int, error: HocketError) -> None:
        """Answer a request with an error."""
        self._push(codec.encode(ErrorReply.of(error), correlation, Flag.REPLY | Flag.ERROR))

    async def request(self, message: Message, reply: type[M], timeout_s: float = REPLY_TIMEOUT_S) -> M:
        """Ask and wait, from `secured` on. Raises Refused, NotReachable; before HELLO also what is wrong with it."""
        if self._stage not in (_Stage.HELLO, _Stage.OPEN):
            raise self.error or NotReachable(f"not connected to {self.peer_address}")
        self._correlation = self._correlation % 0xFFFFFFFF + 1
        correlation = self._correlation
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._waiting[correlation] = (message, answer)
        self._push(codec.encode(message, correlation))
        try:
            async with asyncio.timeout(timeout_s):
                return cast(M, await answer)
        except TimeoutError:
            raise NotReachable(f"{self.peer_address} did not answer", code=ErrorCode.TIMED_OUT) from None
        finally:
            self._waiting.pop(correlation, None)

    def attach(self, ring: Ring, behind_bytes: int = 0) -> None:
        """From now on push what the ring holds."""
        self._audio = Cursor(ring, behind_bytes)

    def will_push(self, number: int) -> bool:
        """Whether a frame of the ring is still to come."""
        return self._audio is not None and self._audio.will_send(number)

    def leave_out(self, number: int) -> None:
        """That frame of the ring is not needed."""
        if self._audio is not None:
            self._audio.leave_out(number)

    def detach(self) -> None:
        """Push no more music."""
        self._audio = None

    def flush(self) -> None:
        """Send what the socket takes."""
        if self._stage in (_Stage.HELLO, _Stage.OPEN):
            try:
                self._write()
            except OSError as error:
                self._lost(error)

    def close(self, error: HocketError | None = None) -> None:
        """Close; the reason is sent if the socket takes it at once."""
        if self._stage is _Stage.CLOSED:
            return
        if error is not None and self._stage in (_Stage.HELLO, _Stage.OPEN):
            with contextlib.suppress(OSError, ssl.SSLError):
                self._tls.write(codec.encode(ErrorReply.of(error), 0, Flag.ERROR))
                self.sock.send(self._cipher + self._outgoing.read())
                self.sock.shutdown(socket.SHUT_WR)
                while self.sock.recv(RECEIVE_BYTES):  # what is left unread would reset the connection, reason and all
                    pass
        self._end(error or NotReachable("closed on this side", code=ErrorCode.CONNECTION_LOST))

    # -- reading

    def _readable(self) -> None:
        try:
            data, at_ns = stamps.receive(self.sock, RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lost(error)
            return
        if not data:
            self._lost(None)
            return
        self.heard_ns = at_ns
        self._packets += 1  # acknowledged in a packet of its own, at worst
        self._incoming.write(data)
        try:
            self._advance()
            if self._stage in (_Stage.HELLO, _Stage.OPEN):
                self._read(at_ns)
        except HocketError as error:
            log.info("%s: closing: %s", self.peer_address, error)
            self.close(error)
        except ssl.SSLError as error:
            self._lost(error)

    def _advance(self) -> None:
        """Go on with the handshake; then say HELLO."""
        if self._stage is not _Stage.HANDSHAKE:
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send_cipher()
            return
        except ssl.SSLError as error:
            self._lost(error)
            return
        self._stage = _Stage.HELLO
        if self.is_server:
            self._push(codec.encode(self._mine))
            return
        self._control.push_control(codec.encode(self._mine))
        self._owner.secured(self)
        self._loop.call_soon(self.flush)  # whoever waits for TLS adds a request: all in one packet

    def _read(self, at_ns: int) -> None:
        while not self.is_closed:
            try:
                data = self._tls.read(RECEIVE_BYTES)
            except ssl.SSLWantReadError:
                return
            if not data:
                self._lost(None)
                return
            for frame in self._decoder.feed(data):
                self._take(frame, at_ns)

    def _take(self, frame: Frame, at_ns: int) -> None:
        if self.is_closed:
            return
        message = codec.decode(frame)
        if isinstance(message, ErrorReply) and not frame.is_reply:
            raise message.error()
        if isinstance(message, Hello):
            self._opening.receive(message)
            self._stage = _Stage.OPEN
            self._decoder.max_control_bytes = MAX_FRAME_BYTES
            self._owner.opened(self)
        elif self._stage is not _Stage.OPEN:
            raise ProtocolError(f"{type(message).__name__} before HELLO")
        elif frame.is_reply:
            self._take_reply(frame.correlation, message)
        else:
            self._answer(frame.correlation, message, at_ns)

    def _answer(self, correlation: int, message: Message, at_ns: int) -> None:
        reply: Message | None
        try:
            permissions.check(message, self.peer.role, Role.LISTENER)
            reply = Pong() if isinstance(message, Ping) else self._owner.took(self, message, correlation, at_ns)
        except ProtocolError:
            raise
        except HocketError as error:
            if self.patience.offence(at_ns) is Verdict.CUT:
                raise ProtocolError("too many refused requests", code=ErrorCode.TOO_MANY_REQUESTS) from None
            if type(message).reply is not None:
                self.refuse(correlation, error)
            return
        if reply is not None:
            self.reply(correlation, reply)

    def _take_reply(self, correlation: int, message: Message) -> None:
        request, answer = self._waiting.get(correlation, (None, None))
        if request is None or answer is None or answer.done():
            return  # it was given up
        if isinstance(message, ErrorReply):
            answer.set_exception(message.error())
            return
        permissions.check_reply(request, message)
        answer.set_result(message)

    # -- writing

    def _push(self, frame: bytes) -> None:
        if self._stage is _Stage.CLOSED:
            return
        if not self._control.push_control(frame):
            self.close(ProtocolError("too much is left unread"))
            return
        self.flush()

    def _write(self) -> None:
        while self._send_cipher():
            frame = self._next_frame()
            if frame is None:
                return
            size_bytes = self._tls.write(frame)
            while size_bytes < _SEGMENT_BYTES and (frame := self._control.next_frame()) is not None:
                size_bytes += self._tls.write(frame)
            self._cipher += self._outgoing.read()

    def _next_frame(self) -> bytes | memoryview | None:
        frame = self._control.next_frame()
        return frame if frame is not None or self.is_dealt else self._next_music()

    def _next_music(self) -> bytes | memoryview | None:
        if self._bulk:
            return self._bulk.popleft()
        return self._audio.next_frame() if self._audio is not None else None

    def _send_cipher(self) -> bool:
        """Whether all that was encrypted is out."""
        self._cipher += self._outgoing.read()
        if self._cipher:
            try:
                sent = self.sock.send(self._cipher)
            except (BlockingIOError, InterruptedError):
                sent = 0
            self._cipher = self._cipher[sent:]
            self._sent_bytes += sent
            self._packets += 1 + sent // _SEGMENT_BYTES
        self._want_write(bool(self._cipher))
        return not self._cipher

    def _writable(self) -> None:
        if self._stage is _Stage.HANDSHAKE:
            try:
                self._send_cipher()
            except OSError as error:
                self._lost(error)
        else:
            self.flush()

    def _want_write(self, wanted: bool) -> None:
        if wanted != self._writing and self._stage is not _Stage.CLOSED:
            self._writing = wanted
            if wanted:
                self._loop.add_writer(self.sock.fileno(), self._writable)
            else:
                self._loop.remove_writer(self.sock.fileno())

    # -- ending

    def _lost(self, cause: OSError | None) -> None:
        why = f": {cause}" if cause else ""
        self._end(NotReachable(f"the connection to {self.peer_address} is lost{why}", code=ErrorCode.CONNECTION_LOST))

    def _end(self, error: HocketError) -> None:
        if self._stage is _Stage.CLOSED:
            return
        self._loop.remove_reader(self.sock.fileno())
        self._want_write(False)
        self._past_wire_bytes = self.wire_bytes
        was_open = self._stage is _Stage.OPEN
        self._stage = _Stage.CLOSED
        self.error = error
        self.sock.close()
        for _, answer in self._waiting.values():
            if not answer.done():
                lost = NotReachable(error.text, code=ErrorCode.CONNECTION_LOST)
                answer.set_exception(lost if was_open else error)
                answer.exception()  # whoever waits for it gets it; nobody else must be told
        self._loop.call_soon(self._owner.closed, self, error)


def _address(name: tuple[str, int] | str) -> HostPort:
    if isinstance(name, str):
        return HostPort(CARRIED, 0)
    return HostPort(without_mapping(name[0]), name[1])
