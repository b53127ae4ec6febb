"""What one listener still has to be sent: whole control frames, and pieces of files.

Pieces go out by `sendfile` on plain sockets; on TLS they pass through a few buffers that all
listeners share (read by `preadv` rather than mapped: a file that somebody truncates must not kill the node).
"""

import os
import socket
import ssl
from collections import deque

from hocket.adapters.bulktls import BulkTls
from hocket.adapters.streaming.files import OpenFile
from hocket.wire import codec, limits
from hocket.wire.codec import Flag
from hocket.wire.kinds import Kind

SLICE_BYTES = 64 * 1024
"""One pass of TLS: large enough to amortise the call, small enough for the cache."""

TURN_BYTES = 1024 * 1024
"""What one listener may send before the others get their turn."""

BULK_TURN_BYTES = 256 * 1024
"""The same where everybody takes all that they can get, and encryption makes it milliseconds."""

KEPT_SLICES = 4
"""Where few are served fast, what a full socket did not take is not read again; with many it makes no difference."""


class FileShrank(Exception):
    """The file ended before the bytes that were promised: the stream cannot go on in step."""


class Piece:
    """The reply to one Read: a header, then `left_bytes` of a file from `offset_bytes`."""

    __slots__ = ("file", "header", "left_bytes", "offset_bytes")

    def __init__(self, file: OpenFile, correlation: int, offset_bytes: int, length_bytes: int) -> None:
        self.file = file
        self.header = codec.header(Kind.CHUNK, Flag.REPLY | Flag.RAW, correlation, length_bytes)
        self.offset_bytes = offset_bytes
        self.left_bytes = length_bytes


class _Slice:
    """Bytes of a file from `start_bytes` to `end_bytes` behind room for a header, kept for `piece` until sent."""

    __slots__ = ("buffer", "end_bytes", "piece", "start_bytes")

    def __init__(self) -> None:
        self.buffer = bytearray(limits.HEADER_BYTES + SLICE_BYTES)
        self.piece: Piece | None = None
        self.start_bytes = self.end_bytes = 0


_slices = deque(_Slice() for _ in range(KEPT_SLICES))
"""For the one thread of the event loop."""


class Outbox:
    """A queue of frames for one socket. `send` raises OSError, FileShrank."""

    __slots__ = ("_queue", "control_bytes", "pieces")

    def __init__(self) -> None:
        self._queue: deque[memoryview | Piece] = deque()
        self.control_bytes = 0
        self.pieces = 0

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add_frame(self, frame: bytes) -> None:
        self._queue.append(memoryview(frame))
        self.control_bytes += len(frame)

    def add_piece(self, piece: Piece) -> None:
        piece.file.shared_by += 1
        self._queue.append(piece)
        self.pieces += 1

    def clear(self) -> list[OpenFile]:
        """Drop everything; the files that its pieces held, for giving back."""
        files = [item.file for item in self._queue if isinstance(item, Piece)]
        self._queue.clear()
        self.control_bytes = self.pieces = 0
        return files

    def send(self, sock: socket.socket | BulkTls, done: list[OpenFile]) -> int:
        """Send until the socket is full or a turn is over. Returns the bytes sent; puts the files of
        finished pieces into `done`. BlockingIOError and its TLS kin never come out of here."""
        sent_bytes = 0
        turn_bytes = BULK_TURN_BYTES if isinstance(sock, BulkTls) else TURN_BYTES
        try:
            while self._queue and sent_bytes < turn_bytes:
                item = self._queue[0]
                if isinstance(item, Piece):
                    before_bytes = item.left_bytes
                    try:
                        _send_piece(sock, item)
                    finally:
                        sent_bytes += before_bytes - item.left_bytes
                    if item.left_bytes == 0 and not item.header:
                        self._queue.popleft()
                        self.pieces -= 1
                        done.append(item.file)
                    continue
                count = sock.send(item)
                sent_bytes += count
                self.control_bytes -= count
                if count == len(item):
                    self._queue.popleft()
                else:
                    self._queue[0] = item[count:]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        return sent_bytes


def _send_piece(sock: socket.socket | BulkTls, piece: Piece) -> None:
    if isinstance(sock, ssl.SSLSocket | BulkTls):
        _send_tls(sock, piece)
    else:
        _send_plain(sock, piece)


def _send_plain(sock: socket.socket, piece: Piece) -> None:
    if piece.header:
        more = socket.MSG_MORE if piece.left_bytes else 0
        piece.header = piece.header[sock.send(piece.header, more) :]
        return
    count = os.sendfile(sock.fileno(), piece.file.fd, piece.offset_bytes, piece.left_bytes)
    if count == 0:
        raise FileShrank
    piece.offset_bytes += count
    piece.left_bytes -= count


def _send_tls(sock: ssl.SSLSocket | BulkTls, piece: Piece) -> None:
    """One slice. After a full socket OpenSSL wants the same bytes again: they are still there, or read again."""
    part = _slice_of(piece)
    at = limits.HEADER_BYTES + piece.offset_bytes - part.start_bytes - len(piece.header)
    end = limits.HEADER_BYTES + part.end_bytes - part.start_bytes
    with memoryview(part.buffer) as view:
        first = at
        view[at : at + len(piece.header)] = piece.header
        try:
            while at < end:
                at += sock.send(view[at:end])
        finally:
            sent_bytes = at - first
            body_bytes = max(0, sent_bytes - len(piece.header))
            piece.header = piece.header[sent_bytes:]
            piece.offset_bytes += body_bytes
            piece.left_bytes -= body_bytes
    part.piece = None


def _slice_of(piece: Piece) -> _Slice:
    """A slice that begins where the piece goes on, read unless one of the kept ones holds it."""
    free: _Slice | None = None
    for part in _slices:
        if part.piece is piece:
            return part
        if free is None and part.piece is None:
            free = part
    if free is None:
        _slices.rotate(-1)
    # The first free one: it is still in the core's cache.
    part = free or _slices[-1]
    wanted = min(SLICE_BYTES, piece.left_bytes)
    with memoryview(part.buffer) as view:
        body = view[limits.HEADER_BYTES : limits.HEADER_BYTES + wanted]
        if os.preadv(piece.file.fd, [body], piece.offset_bytes) < wanted:
            part.piece = None
            raise FileShrank
    part.piece, part.start_bytes, part.end_bytes = piece, piece.offset_bytes, piece.offset_bytes + wanted
    return part
