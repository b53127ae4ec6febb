"""Frames to bytes and back: a push machine that never waits, and never trusts a length.

Any split of the bytes gives the same frames. Memory grows with what arrived, not with what a header
promised: the buffer at most doubles past the bytes that are already there.
"""

import struct
from collections.abc import Iterator
from enum import IntFlag
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from hocket.core.errors import ErrorCode, ProtocolError
from hocket.wire import limits
from hocket.wire.kinds import Kind
from hocket.wire.message import Message, message_type

_HEADER = struct.Struct(">HBxII")
_SMALLEST_BUFFER_BYTES = 4 * 1024
_ROOM_BYTES = 4 * 1024

M = TypeVar("M", bound=Message)


class Flag(IntFlag):
    """The flags of a header; the other bits are zero until a version gives them a meaning."""

    NONE = 0
    REPLY = 1
    ERROR = 2
    RAW = 4


_KNOWN_FLAGS = int(Flag.REPLY | Flag.ERROR | Flag.RAW)


class Frame(NamedTuple):
    """One frame. `correlation` ties a reply to its request; 0 stands on notices."""

    kind: int
    flags: Flag
    correlation: int
    body: bytes

    @property
    def is_reply(self) -> bool:
        return bool(self.flags & Flag.REPLY)


def header(kind: Kind, flags: Flag, correlation: int, body_bytes: int) -> bytes:
    """The HEADER_BYTES in front of a body of body_bytes."""
    return _HEADER.pack(kind, flags, correlation, body_bytes)


def read_header(data: bytes | bytearray | memoryview) -> tuple[int, Flag, int, int]:
    """(kind, flags, correlation, body bytes) of HEADER_BYTES, for who takes bodies off a socket itself.

    The caller judges the length. Raises ProtocolError (MALFORMED).
    """
    kind, flags, correlation, body_bytes = _HEADER.unpack(data)
    if flags & ~_KNOWN_FLAGS:
        raise ProtocolError(f"flags {flags:#x} are unknown", code=ErrorCode.MALFORMED)
    return kind, Flag(flags), correlation, body_bytes


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[Message], msgspec.msgpack.Decoder[Any]] = {}


def encode(message: Message, correlation: int = 0, flags: Flag = Flag.NONE) -> bytes:
    """One message as a whole frame. Raises ProtocolError (TOO_LARGE) past MAX_CONTROL_BODY_BYTES."""
    body = _encoder.encode(message)
    if len(body) > limits.MAX_CONTROL_BODY_BYTES:
        raise ProtocolError(
            f"{type(message).__name__} takes {len(body)} bytes, {limits.MAX_CONTROL_BODY_BYTES} is the limit",
            code=ErrorCode.TOO_LARGE,
        )
    return _HEADER.pack(message.kind, flags, correlation, len(body)) + body


def decode(frame: Frame) -> Message:
    """The message in a control frame. Raises ProtocolError (UNKNOWN_KIND, MALFORMED)."""
    try:
        cls = message_type(Kind(frame.kind))
    except ValueError:
        cls = None
    if cls is None:
        raise ProtocolError(
            f"message number {frame.kind} is unknown here",
            code=ErrorCode.UNKNOWN_KIND,
            hint="one side is newer: update Hocket on both",
        )
    if frame.flags & Flag.RAW:
        raise ProtocolError(f"{cls.__name__} came with a raw body", code=ErrorCode.MALFORMED)
    return decode_as(cls, frame.body)


def decode_as(cls: type[M], body: bytes) -> M:
    """A body as one message type. Raises ProtocolError (MALFORMED)."""
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.msgpack.Decoder(cls)
    try:
        return cast(M, decoder.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"{cls.__name__} cannot be read: {error}", code=ErrorCode.MALFORMED) from None


class Decoder:
    """Bytes in, frames out.

    Two ways to push: `feed(data)`, or without a copy `buffer()` then `advance(count)` (for
    `recv_into`). `max_control_bytes` and `max_raw_bytes` bound bodies; a caller raises them once it
    knows its peer. Raises ProtocolError (TOO_LARGE, MALFORMED) as soon as a header shows the fault;
    after that the decoder is done for.
    """

    __slots__ = ("_buffer", "_end", "_start", "max_control_bytes", "max_raw_bytes")

    def __init__(self, max_control_bytes: int = limits.MAX_HELLO_BODY_BYTES, max_raw_bytes: int = 0) -> None:
        self._buffer = bytearray(_SMALLEST_BUFFER_BYTES)
        self._start = 0
        self._end = 0
        self.max_control_bytes = max_control_bytes
        self.max_raw_bytes = max_raw_bytes

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return self._end - self._start

    @property
    def capacity_bytes(self) -> int:
        """What the buffer holds in memory now."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Push bytes; the frames that became whole, in order."""
        frames: list[Frame] = []
        view = memoryview(data)
        while view:
            room = self.buffer()
            count = min(len(room), len(view))
            room[:count] = view[:count]
            room.release()
            view = view[count:]
            frames += self.advance(count)
        return frames

    def buffer(self) -> memoryview:
        """Room for the next bytes, never empty; release it before `advance`."""
        if len(self._buffer) - self._end < _ROOM_BYTES:
            self._make_room()
        return memoryview(self._buffer)[self._end :]

    def advance(self, count: int) -> list[Frame]:
        """Tell that count bytes were written into `buffer()`; the frames that became whole."""
        self._end += count
        return list(self._whole_frames())

    def _whole_frames(self) -> Iterator[Frame]:
        while self._end - self._start >= limits.HEADER_BYTES:
            kind, flags, correlation, body_bytes = _HEADER.unpack_from(self._buffer, self._start)
            self._check(kind, flags, body_bytes)
            body_start = self._start + limits.HEADER_BYTES
            if self._end - body_start < body_bytes:
                return
            self._start = body_start + body_bytes
            with memoryview(self._buffer) as view:
                body = bytes(view[body_start : self._start])
            yield Frame(kind, Flag(flags), correlation, body)
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) > 2 * limits.MAX_CHUNK_BYTES:
                self._buffer = bytearray(_SMALLEST_BUFFER_BYTES)

    def _check(self, kind: int, flags: int, body_bytes: int) -> None:
        if flags & ~_KNOWN_FLAGS:
            raise ProtocolError(f"flags {flags:#x} are unknown", code=ErrorCode.MALFORMED)
        limit = self.max_raw_bytes if flags & Flag.RAW else self.max_control_bytes
        if body_bytes > limit:
            raise ProtocolError(
                f"a frame (kind {kind}) announces {body_bytes} bytes, {limit} is the limit here",
                code=ErrorCode.TOO_LARGE,
            )

    def _make_room(self) -> None:
        pending = self._end - self._start
        if pending + _ROOM_BYTES > len(self._buffer) or pending > len(self._buffer) // 2:
            size = max(_SMALLEST_BUFFER_BYTES, 2 * (pending + _ROOM_BYTES))
            grown = bytearray(size)
            grown[:pending] = self._buffer[self._start : self._end]
            self._buffer = grown
        else:
            self._buffer[:pending] = self._buffer[self._start : self._end]
        self._start, self._end = 0, pending
