"""What the kernel tells of a TCP connection: what really went out, and how far the other side is. Linux only."""

import contextlib
import socket
import struct
import sys
from typing import NamedTuple

_FIELDS = struct.Struct("=136xI8xI48xQQ")
"""linux/tcp.h: tcpi_segs_out, tcpi_min_rtt, tcpi_bytes_sent, tcpi_bytes_retrans."""

_UNKNOWN_US = 0xFFFFFFFF


class TcpInfo(NamedTuple):
    """Since the connection began; `round_trip_us`: the shortest, None before the first."""

    packets: int  # with and without data
    sent_bytes: int  # data, each time that it went out
    again_bytes: int  # of these: what had gone out before
    round_trip_us: int | None


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """None where the kernel does not tell."""
    if not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return None
    with contextlib.suppress(OSError):
        data = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _FIELDS.size)
        if len(data) >= _FIELDS.size:
            packets, round_trip_us, sent_bytes, again_bytes = _FIELDS.unpack_from(data)
            known_us = None if round_trip_us in (0, _UNKNOWN_US) else round_trip_us
            return TcpInfo(packets, sent_bytes, again_bytes, known_us)
    return None
