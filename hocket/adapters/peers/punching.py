"""Both sides dial at once: the sockets of `hocket.relay.punch`."""

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable

from hocket.adapters.peers.ports import family_of, linger_no_longer, shared_socket
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.relay.punch import Command, Punch

log = logging.getLogger(__name__)

POLL_S = 0.1
"""How often to look whether the other came in."""

_OURS = frozenset({errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EISCONN})
"""The same two addresses are connected already: the other's dial came in at the listener."""


async def punch(local: HostPort, to: HostPort, wait_s: float, is_met: Callable[[], bool]) -> socket.socket | None:
    """Dial from a port of ours, at a moment that is `wait_s` ahead, until there is a connection.

    `is_met`: whether the other came in at the port's listener meanwhile. None: it did, or all was in vain.
    """
    attempt = Punch(time.monotonic_ns(), round(wait_s * NS_PER_S))
    dial: asyncio.Task[socket.socket | None] | None = None
    try:
        while not is_met():
            command = attempt.tick(time.monotonic_ns())
            if command in (Command.DIAL, Command.DIAL_ANEW):
                await _hang_up(dial)
                dial = asyncio.create_task(_dial(local, to))
            elif command is Command.GIVE_UP:
                return None
            await _until(attempt.next_ns, dial)
            if dial is not None and dial.done():
                sock, dial = dial.result(), None
                if sock is not None:
                    attempt.answered()
                    return sock
                attempt.refused(time.monotonic_ns())
        return None
    finally:
        await _hang_up(dial)


async def _until(at_ns: int, dial: "asyncio.Task[socket.socket | None] | None") -> None:
    left_s = min(POLL_S, max(0.0, (at_ns - time.monotonic_ns()) / NS_PER_S))
    if dial is None:
        await asyncio.sleep(left_s)
    else:
        await asyncio.wait({dial}, timeout=left_s)


async def _dial(local: HostPort, to: HostPort) -> socket.socket | None:
    try:
        sock = shared_socket(local, family_of(to))
    except OSError as error:
        log.info("port %d cannot be dialled from: %s", local.port, error)
        return None
    try:
        await asyncio.get_running_loop().sock_connect(sock, (to.host, to.port))
    except OSError as error:
        if error.errno not in _OURS:
            log.debug("%s: %s", to, error)
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    linger_no_longer(sock)
    return sock


async def _hang_up(dial: "asyncio.Task[socket.socket | None] | None") -> None:
    if dial is None:
        return
    dial.cancel()
    await asyncio.wait({dial})
    if not dial.cancelled() and dial.exception() is None:
        sock = dial.result()
        if sock is not None:
            sock.close()
