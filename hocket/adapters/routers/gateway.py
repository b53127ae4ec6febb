"""Which router this machine's way out leads through."""

import socket
import struct
from pathlib import Path

_ROUTES = Path("/proc/net/route")
_RTF_UP, _RTF_GATEWAY = 0x1, 0x2


def default_gateway(table: Path = _ROUTES) -> str | None:
    """Its IPv4 address as Linux knows it; None where there is none, or the system does not tell."""
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return None
    ways = [
        (int(row[6]), row[2])
        for row in rows
        if len(row) > 7 and row[1] == row[7] == "00000000" and int(row[3], 16) & (_RTF_UP | _RTF_GATEWAY) == 3
    ]
    if not ways:
        return None
    return socket.inet_ntoa(struct.pack("=I", int(min(ways)[1], 16)))
