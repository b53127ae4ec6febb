"""One end of a channel through the prime: to a `PeerLink` it looks like a socket, to the prime like messages."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable

from hocket.core.clock import NS_PER_S
from hocket.relay.budget import BURST_BYTES, BYTES_PER_S, Budget, cost

log = logging.getLogger(__name__)

PIECE_BYTES = 8 * 1024
QUEUE_BYTES = 16 * 1024
"""What the kernel may hold of either direction: stamps of time must not wait behind more."""

MAX_BACKLOG_BYTES = 512 * 1024
SHARE = 0.8
"""Of the prime's budget: what is sent here in bursts arrives there in larger ones."""


class Channel:
    """`send(data)` hands bytes to the prime, `ended()` says once that this end is closed by the link or by `close`."""

    def __init__(self, send: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._send = send
        self._ended = ended
        self.near, self._far = socket.socketpair()
        for sock in (self.near, self._far):
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()  # for the link, which does not read
        self._writing = False
        self._runner = asyncio.create_task(self._run(), name="channel")
        self._runner.add_done_callback(self._finish)  # also of one that was cancelled before it began

    def feed(self, data: bytes) -> None:
        """Bytes came from the other end."""
        if self._runner.done():
            return
        self._waiting += data
        if len(self._waiting) > MAX_BACKLOG_BYTES:
            log.info("a channel was not read: closed")
            self.close()
        elif not self._writing:
            self._write()

    def close(self) -> None:
        """End it: the link sees its connection lost. Safe to call twice."""
        self._runner.cancel()

    async def wait_closed(self) -> None:
        """After `close`, or until the link has closed its side."""
        await asyncio.wait({self._runner})

    def _write(self) -> None:
        try:
            sent = self._far.send(self._waiting)
            del self._waiting[:sent]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:  # the link has closed its side: `_run` sees it, too
            self._waiting.clear()
        if bool(self._waiting) != self._writing:
            self._writing = bool(self._waiting)
            if self._writing:
                self._loop.add_writer(self._far.fileno(), self._write)
            else:
                self._loop.remove_writer(self._far.fileno())

    async def _run(self) -> None:
        budget = Budget(time.monotonic_ns(), round(SHARE * BYTES_PER_S), round(SHARE * BURST_BYTES))
        try:
            while data := await self._loop.sock_recv(self._far, PIECE_BYTES):
                price = cost(len(data))
                await asyncio.sleep(budget.wait_ns(price, time.monotonic_ns()) / NS_PER_S)
                budget.take(price, time.monotonic_ns())
                self._send(data)
        except OSError as error:
            log.debug("a channel ends: %s", error)

    def _finish(self, runner: "asyncio.Task[None]") -> None:
        if self._writing:
            self._loop.remove_writer(self._far.fileno())
            self._writing = False
        self._far.close()
        self._ended()
