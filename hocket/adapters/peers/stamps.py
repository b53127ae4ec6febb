"""When bytes arrived: by the kernel where it tells, else by the first look at the clock after the read."""

import contextlib
import socket
import struct
import time

SO_TIMESTAMPNS = 35
"""Linux; the socket module has no name for it."""

_TIMESPEC = struct.Struct("=qq")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_MAX_AGE_NS = 1_000_000_000
"""Older than this, or from the future: the calendar was set between the stamp and the read."""


def enable(sock: socket.socket) -> None:
    """Ask the kernel for stamps; where it has none nothing happens."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def receive(sock: socket.socket, size_bytes: int) -> tuple[bytes, int]:
    """Bytes and the monotonic instant at which the last of them arrived. Raises OSError."""
    data, ancillary, _, _ = sock.recvmsg(size_bytes, _ANCILLARY_BYTES)
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(content) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(content)
            age_ns = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            if 0 <= age_ns < _MAX_AGE_NS:
                # After the calendar: whatever comes between the two looks makes the stamp late, as a queue does;
                # an early one would contradict all others.
                return data, time.monotonic_ns() - age_ns
    return data, time.monotonic_ns()
