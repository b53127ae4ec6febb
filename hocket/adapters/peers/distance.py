"""How far a friend is: the round trip of a handshake, without saying a word."""

import asyncio
import socket
import time

from hocket.adapters.peers.tcpinfo import tcp_info
from hocket.core.address import HostPort

TIMEOUT_S = 2.0


async def distance_us(at: HostPort) -> int | None:
    """One connection's round trip; None where nobody answers in time."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await loop.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, where = found[0]
            with socket.socket(family, kind, protocol) as sock:
                sock.setblocking(False)
                begun_ns = time.monotonic_ns()
                await loop.sock_connect(sock, where)
                took_us = (time.monotonic_ns() - begun_ns) // 1000
                info = tcp_info(sock)  # this program may have been late to look
                return took_us if info is None or info.round_trip_us is None else info.round_trip_us
    except (OSError, TimeoutError):
        return None
