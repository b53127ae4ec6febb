"""Sockets set for a clock beside music: little is queued in the kernel, nothing waits for more."""

import contextlib
import socket

from hocket.adapters.peers import stamps

SEND_BUFFER_BYTES = 128 * 1024
UNSENT_BYTES = 16 * 1024
"""What the kernel may hold unsent: a time stamp that is answered now overtakes all the rest."""

PACING_PERCENT = 85
"""A piece of music that goes out at the speed of the line leaves gaps for the packets of other friends."""

_TCP_NOTSENT_LOWAT = 25
_SO_MAX_PACING_RATE = 47
_TCP_USER_TIMEOUT_MS = 10_000


def tune(sock: socket.socket) -> None:
    """For any connection between friends."""
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return
    stamps.enable(sock)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    with contextlib.suppress(OSError):  # Linux only
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)


def pace(sock: socket.socket, upload_bps: int) -> None:
    """Send no faster than a thin line carries."""
    with contextlib.suppress(OSError):  # Linux only
        sock.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, upload_bps * PACING_PERCENT // 800)
