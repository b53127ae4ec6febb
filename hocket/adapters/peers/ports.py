"""One local port for several sockets: a listener, a connection to the prime, and dials to friends.

A router gives a port of this machine one public port for whomever it speaks with (RFC 5382 REQ-1); so where the
prime sees this port, friends find it.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Any

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, NotReachable

_ABORT = struct.pack("ii", 1, 0)
"""Closing forgets the connection at once: the same two addresses can be connected again without a minute's wait."""

_KEEP = struct.pack("ii", 0, 0)
CONNECT_TIMEOUT_S = 5.0


def share(sock: socket.socket) -> None:
    """Let other sockets of this user use the same port from now on. A port that is taken must be noticed before."""
    with contextlib.suppress(OSError, AttributeError):  # without it there is a way through the prime
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def shared_socket(local: HostPort, family: int) -> socket.socket:
    """A socket bound to a port that is shared; port 0: a free one. `local` names an address of ours. Raises OSError."""
    host = ("::" if family == socket.AF_INET6 else "0.0.0.0") if local.is_wildcard else local.host
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio leaves that to who brings a socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        share(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        sock.bind((host, local.port))
    except BaseException:
        sock.close()
        raise
    return sock


def family_of(at: HostPort) -> int:
    """Of an address in digits."""
    return socket.AF_INET6 if ":" in at.host else socket.AF_INET


def linger_no_longer(sock: socket.socket) -> None:
    """Of a shared socket that friends speak through: what was said last shall arrive."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _KEEP)


async def connect_from(local: HostPort, to: HostPort) -> socket.socket:
    """A connection from a shared port. Raises NotReachable."""
    loop = asyncio.get_running_loop()
    family = 0 if local.is_wildcard else family_of(local)
    failure = f"no address of {to.host} fits {local.host}"
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            for found in await loop.getaddrinfo(to.host, to.port, family=family, type=socket.SOCK_STREAM):
                try:
                    return await _connected(shared_socket(local, found[0]), found[4])
                except OSError as error:
                    failure = str(error.strerror or error)
    except TimeoutError:
        raise NotReachable(f"{to} did not answer", code=ErrorCode.TIMED_OUT) from None
    except OSError as error:  # of the resolver
        failure = str(error.strerror or error)
    raise NotReachable(f"{to} cannot be reached from port {local.port}: {failure}")


async def _connected(sock: socket.socket, to: Any) -> socket.socket:
    try:
        await asyncio.get_running_loop().sock_connect(sock, to)
    except BaseException:
        sock.close()
        raise
    return sock
