"""The file of another machine, read over a raw TLS socket with several reads in flight.

Blocking, for a thread of its own: receiving, decrypting, hashing and writing all happen outside of Python's
lock, so the event loop beside it goes on.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from hocket.adapters.bulktls import BulkTls
from hocket.adapters.link import hello
from hocket.adapters.tls import certified
from hocket.adapters.transfer.pace import Pace, Stopped
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.core.ids import NodeId, Role, TrackId
from hocket.wire import codec, limits
from hocket.wire.codec import Flag, Frame
from hocket.wire.hello import Hello, Opening
from hocket.wire.kinds import Kind
from hocket.wire.message import Message
from hocket.wire.messages.common import ErrorReply
from hocket.wire.messages.library import GoPlain, OpenFile
from hocket.wire.messages.tracks import CloseTrack, Read, TrackOpened

PIECE_BYTES = limits.MAX_CHUNK_BYTES
IN_FLIGHT = 8
"""8 MiB on the way: a gigabit at 60 ms, 200 Mbit/s at 300 ms."""

SMALL_PIECE_BYTES = 64 * 1024
"""With a rate limit: so that what was asked for does not overshoot it for long."""

RECEIVE_BYTES = 256 * 1024
"""Of encrypted records at once."""

SILENCE_S = 15.0
"""A source that sends nothing for so long is gone."""

SLOWEST_BYTES = 256 * 1024
SLOWEST_S = 60.0
"""Less than this much in so many seconds of waiting: another source is worth trying."""

M = TypeVar("M", bound=Message)


class SourceLink:
    """A connection to a control node that hands out files. Close it; `abort` ends it from another thread."""

    def __init__(self, address: HostPort, context: ssl.SSLContext, own: tuple[Role, NodeId]) -> None:
        """Connect. Raises NotReachable, HocketError (CERTIFICATE_REFUSED)."""
        self._address = address
        try:
            sock = self._sock = socket.create_connection((address.host, address.port), limits.HELLO_TIMEOUT_S)
        except OSError as error:
            raise NotReachable(f"{address} cannot be reached: {error}", hint="is it running there?") from None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._tls: BulkTls | None = BulkTls(sock, context, memoryview(bytearray(RECEIVE_BYTES)))
            self._tls.do_handshake()
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise HocketError(
                f"{address} shows a certificate of another cluster ({error.verify_message})",
                code=ErrorCode.CERTIFICATE_REFUSED,
            ) from None
        except OSError as error:
            sock.close()
            raise NotReachable(f"{address} broke the connection: {error}") from None
        self._own = own
        self._head = bytearray(limits.HEADER_BYTES)
        self._last_correlation = 0
        self._handle = 0  # of the file that is open there
        self._waited_s = 0.0
        self._waited_bytes = 0

    def close(self) -> None:
        self._sock.close()

    def abort(self) -> None:
        """End whatever waits on this connection, from any thread."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def greet(self, expect: tuple[Role, NodeId]) -> None:
        """Exchange HELLOs. Raises ProtocolError unless the certified peer is the one that was meant."""
        assert self._tls is not None
        opening = Opening(hello(*self._own), certified(self._tls.getpeercert()))
        self._send(codec.encode(opening.mine))
        message = self._message(0, limits.MAX_HELLO_BODY_BYTES)
        if not isinstance(message, Hello):
            raise ProtocolError(f"{self._address} sent {type(message).__name__} before HELLO")
        opening.receive(message)
        if (message.role, message.node) != expect:
            raise ProtocolError(
                f"{self._address} is {message.node}, not {expect[1]}", code=ErrorCode.CERTIFICATE_REFUSED
            )
        self._wait_in_the_kernel()

    def go_plain(self, *, between_machines: bool) -> None:
        """End TLS, and go on without it on the same socket. Raises Refused, NotReachable, ProtocolError.

        Unless `between_machines`, only where both sockets are of one machine and nothing forwards between them:
        bytes that leave no machine need no cipher. Otherwise everything stays as it is.
        """
        assert self._tls is not None
        seen_as = None
        if not between_machines:
            own, other = self._sock.getsockname(), self._sock.getpeername()
            if own[0] != other[0]:
                return
            seen_as = HostPort(own[0], own[1])
        self._last_correlation += 1
        self._send(codec.encode(GoPlain(seen_as), self._last_correlation))
        try:
            self._message(self._last_correlation, limits.MAX_CONTROL_BODY_BYTES)
        except HocketError as error:
            if error.code is ErrorCode.NOT_ALLOWED and not between_machines:
                return  # something forwards between the two, and may do so over any line
            raise
        try:
            self._tls.unwrap()
        except OSError as error:
            raise self._lost(error) from None
        self._tls = None

    def open(self, track: TrackId) -> TrackOpened:
        """Open a track, and close the one before. Raises Refused (TRACK_MISSING, ...), NotReachable, ProtocolError."""
        requests: list[Message] = [OpenFile(track)]
        if self._handle:
            requests.insert(0, CloseTrack(self._handle))
        first = self._last_correlation + 1
        self._last_correlation += len(requests)
        self._send(b"".join(codec.encode(message, first + at) for at, message in enumerate(requests)))
        if self._handle:
            self._handle = 0
            self._message(first, limits.MAX_CONTROL_BODY_BYTES)
        message = self._message(self._last_correlation, limits.MAX_CONTROL_BODY_BYTES)
        if not isinstance(message, TrackOpened):
            raise ProtocolError(f"{type(message).__name__} is no answer to OpenFile")
        self._handle = message.handle
        return message

    def pull(
        self,
        opened: TrackOpened,
        start_bytes: int,
        pace: Pace,
        stop: threading.Event,
        buffer: memoryview,
        take: Callable[[memoryview], None],
    ) -> None:
        """Read from an offset to the file's end; `take` gets the bytes in order, in parts of the kept buffer.

        Raises Stopped, NotReachable, ProtocolError, Refused, and what `take` raises.
        """
        size_bytes = opened.track.size_bytes
        asked = got = start_bytes
        pending: deque[tuple[int, int]] = deque()
        while got < size_bytes:
            if stop.is_set():
                raise Stopped
            while asked < size_bytes and len(pending) < IN_FLIGHT:
                length = min(PIECE_BYTES if pace.is_free else SMALL_PIECE_BYTES, size_bytes - asked)
                if not pace.try_take(length):
                    if pending:
                        break
                    pace.take(length, stop)
                self._last_correlation += 1
                pending.append((self._last_correlation, length))
                self._send(codec.encode(Read(opened.handle, asked, length), self._last_correlation))
                asked += length
            correlation, length = pending.popleft()
            self._chunk(correlation, length, asked - got, buffer, take, stop)
            got += length

    def _chunk(
        self,
        correlation: int,
        length: int,
        coming_bytes: int,
        buffer: memoryview,
        take: Callable[[memoryview], None],
        stop: threading.Event,
    ) -> None:
        kind, flags, answered, body_bytes = self._header()
        if not flags & Flag.RAW:
            raise _refusal(self._frame(kind, flags, answered, body_bytes, limits.MAX_CONTROL_BODY_BYTES))
        if (kind, answered, body_bytes) != (Kind.CHUNK, correlation, length):
            raise ProtocolError(f"{self._address} answered a read of {length} bytes with {body_bytes}")
        while length:
            if stop.is_set():
                raise Stopped
            part = buffer[:length]
            self._fill(part, coming_bytes)
            take(part)
            length -= len(part)
            coming_bytes -= len(part)

    def _wait_in_the_kernel(self) -> None:
        """Python's own timeouts cost a poll for each receive, and would wake this thread for every few packets."""
        limit = struct.pack("@ll", int(SILENCE_S), 0)
        self._sock.settimeout(None)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def _message(self, correlation: int, max_bytes: int) -> Message:
        kind, flags, answered, body_bytes = self._header()
        if flags & Flag.RAW:
            raise ProtocolError(f"{self._address} sent raw bytes that nobody asked for")
        frame = self._frame(kind, flags, answered, body_bytes, max_bytes)
        message = codec.decode(frame)
        if isinstance(message, ErrorReply):
            raise message.error()
        if answered != correlation:
            raise ProtocolError(f"{self._address} answered a request that nobody made")
        return message

    def _header(self) -> tuple[int, Flag, int, int]:
        with memoryview(self._head) as view:
            self._fill(view)
        return codec.read_header(self._head)

    def _frame(self, kind: int, flags: Flag, correlation: int, body_bytes: int, max_bytes: int) -> Frame:
        if body_bytes > max_bytes:
            raise ProtocolError(f"{self._address} announces {body_bytes} bytes", code=ErrorCode.TOO_LARGE)
        body = bytearray(body_bytes)
        with memoryview(body) as view:
            self._fill(view)
        return Frame(kind, flags, correlation, bytes(body))

    def _send(self, data: bytes) -> None:
        try:
            (self._tls or self._sock).sendall(data)
        except OSError as error:
            raise self._lost(error) from None

    def _fill(self, view: memoryview, coming_bytes: int = 0) -> None:
        """`coming_bytes`: at least so many, these included, are on their way."""
        got, size = 0, len(view)
        try:
            while got < size:
                began_s = time.monotonic()
                if self._tls is None:
                    count = self._sock.recv_into(view[got:], flags=socket.MSG_WAITALL)
                else:
                    count = self._tls.recv_into(view[got:], coming_bytes=max(coming_bytes, size) - got)
                if count == 0:
                    raise NotReachable(f"{self._address} closed the connection", code=ErrorCode.CONNECTION_LOST)
                got += count
                self._judge(count, time.monotonic() - began_s)
        except OSError as error:
            raise self._lost(error) from None

    def _judge(self, size_bytes: int, waited_s: float) -> None:
        """Raises NotReachable for a source that only drips."""
        self._waited_bytes += size_bytes
        self._waited_s += waited_s
        if self._waited_s > SLOWEST_S:
            if self._waited_bytes < SLOWEST_BYTES:
                raise NotReachable(f"{self._address} is too slow", code=ErrorCode.TIMED_OUT)
            self._waited_s, self._waited_bytes = 0.0, 0

    def _lost(self, error: OSError) -> NotReachable:
        if isinstance(error, TimeoutError | BlockingIOError | ssl.SSLWantReadError | ssl.SSLWantWriteError):
            return NotReachable(f"{self._address} sent nothing for {SILENCE_S:g} s", code=ErrorCode.TIMED_OUT)
        return NotReachable(f"the connection to {self._address} is lost: {error}", code=ErrorCode.CONNECTION_LOST)


def _refusal(frame: Frame) -> HocketError:
    message = codec.decode(frame)
    if isinstance(message, ErrorReply):
        return message.error()
    return ProtocolError(f"{type(message).__name__} is no answer to Read")
