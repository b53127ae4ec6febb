"""Connecting to a friend."""

import asyncio
import os
import socket

from hocket.adapters.peers.link import Owner, PeerLink
from hocket.adapters.peers.tls import PeerIdentity
from hocket.core.address import HostPort
from hocket.core.errors import NotReachable

CONNECT_TIMEOUT_S = 5.0


async def connect(at: HostPort, owner: Owner, identity: PeerIdentity, timeout_s: float = CONNECT_TIMEOUT_S) -> PeerLink:
    """Connect to a friend; `owner.secured` and `owner.opened` follow. Raises NotReachable."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, where = found[0]
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                await loop.sock_connect(sock, where)
                return PeerLink(sock, owner, identity, server=False)
            except BaseException:
                sock.close()
                raise
    except TimeoutError:
        raise NotReachable(f"nobody answers at {at}", hint="is the friend playing, and the port open?") from None
    except OSError as error:
        raise NotReachable(
            f"cannot reach {at}: {_reason(error)}", hint="is the friend playing, and the address right?"
        ) from None


def _reason(error: OSError) -> str:
    """The system's words; asyncio's own are "Connect call failed (...)"."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error.strerror or str(error)
