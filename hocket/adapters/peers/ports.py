"""One local port for several sockets: a listener, a connection to the prime, and dials to friends.

A router gives a port of this machine one public port for whomever it speaks with (RFC 5382 REQ-1); so where the
prime sees this port, friends find it.
"""

import asyncio
import contextlib
import socket
import struct

from hocket.core.address import HostPort
from hocket.core.errors import HocketError, NotReachable

_ABORT = struct.pack("ii", 1, 0)
"""Closing forgets the connection at once: the same two addresses can be connected again without a minute's wait."""

_KEEP = struct.pack("ii", 0, 0)
CONNECT_TIMEOUT_S = 5.0


def share(sock: socket.socket) -> None:
    """Let other sockets of this user use the same port from now on. A port that is taken must be noticed before."""
    with contextlib.suppress(OSError, AttributeError):  # without it there is a way through the prime
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def shared_socket(at: HostPort) -> socket.socket:
    """A socket bound to a port that is shared; port 0: a free one. `at` names an address of ours. Raises OSError."""
    family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        share(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        sock.bind((at.host, at.port))
    except BaseException:
        sock.close()
        raise
    return sock


def linger_no_longer(sock: socket.socket) -> None:
    """Of a shared socket that friends speak through: what was said last shall arrive."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _KEEP)


async def connect_from(local: HostPort, to: HostPort) -> socket.socket:
    """A connection from a shared port. Raises NotReachable."""
    loop = asyncio.get_running_loop()
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            sock = shared_socket(local)
            found = await loop.getaddrinfo(to.host, to.port, family=sock.family, type=socket.SOCK_STREAM)
            await loop.sock_connect(sock, found[0][4])
            return sock
    except TimeoutError:
        error: HocketError = NotReachable(f"{to} did not answer")
    except OSError as cause:
        error = NotReachable(f"{to} cannot be reached from port {local.port}: {cause.strerror or cause}")
    except BaseException:
        if sock is not None:
            sock.close()
        raise
    if sock is not None:
        sock.close()
    raise error
