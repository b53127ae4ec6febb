"""The copies that are under way to this machine: a few at once, each in a thread that comes last."""

import asyncio
import contextlib
import logging
import os
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hocket.adapters.transfer.fetch import Fetch, Fetched
from hocket.adapters.transfer.lines import KEPT_S, Lines
from hocket.adapters.transfer.pace import Pace, Stopped
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, TrackId
from hocket.wire.messages.library import FetchOrder, TransferState

log = logging.getLogger(__name__)

AT_ONCE = 2
"""One waits for the disk while the other one receives; more only take turns from who listens."""

NICE = 10

OnEnd = Callable[[FetchOrder, Fetched | HocketError], None]


class Transfers:
    """Takes orders and tells on the event loop how each ended. All methods are for the event loop."""

    def __init__(
        self,
        music: Path,
        context: Callable[[], ssl.SSLContext],
        own: tuple[Role, NodeId],
        pace: Pace,
        on_end: OnEnd,
    ) -> None:
        self._music = music
        self._context = context
        self._own = own
        self._pace = pace
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(AT_ONCE, "transfer", _come_last)
        self._lines = Lines()
        self._sweep: asyncio.TimerHandle | None = None
        self._tasks: dict[TrackId, tuple[Fetch, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def order(self, order: FetchOrder) -> None:
        """Begin, or queue. A track that is under way already goes on from where it comes now."""
        if order.track in self._tasks:
            return
        fetch = Fetch(order, self._music, self._context, self._own, self._pace, self._lines)
        task = self._loop.create_task(self._run(fetch))
        self._tasks[order.track] = (fetch, task)

    def cancel(self, track: TrackId) -> None:
        """Nobody wants it any more: stop, and throw away what came."""
        found = self._tasks.get(track)
        if found is not None:
            found[0].stop(throw_away=True)

    async def cancelled(self, track: TrackId) -> None:
        """Cancel, and wait until it is over."""
        found = self._tasks.get(track)
        if found is not None:
            found[0].stop(throw_away=True)
            await asyncio.wait({found[1]})

    def states(self) -> tuple[TransferState, ...]:
        """How far each is."""
        return tuple(
            TransferState(
                fetch.order.track, fetch.order.name, fetch.order.source, fetch.done_bytes, fetch.order.size_bytes
            )
            for fetch, _ in self._tasks.values()
        )

    async def stop(self) -> None:
        """End all; what came is kept."""
        running = list(self._tasks.values())
        for fetch, _ in running:
            fetch.stop()
        await asyncio.gather(*(task for _, task in running))
        await asyncio.to_thread(self._pool.shutdown)
        self._lines.close()
        if self._sweep is not None:
            self._sweep.cancel()

    async def _run(self, fetch: Fetch) -> None:
        order = fetch.order
        result: Fetched | HocketError
        try:
            result = await self._loop.run_in_executor(self._pool, fetch.run)
        except Stopped:
            result = HocketError("called off", code=ErrorCode.TIMED_OUT)
        except HocketError as error:
            result = error
        except Exception as error:
            log.exception("a bug while fetching %s", order.name)
            result = HocketError(f"'{order.name}': {error}", code=ErrorCode.BUG)
        del self._tasks[order.track]
        self._sweep_soon()
        self._on_end(order, result)

    def _sweep_soon(self) -> None:
        if self._sweep is None and len(self._lines):
            self._sweep = self._loop.call_later(KEPT_S, self._close_old)

    def _close_old(self) -> None:
        self._sweep = None
        self._lines.close_old()
        self._sweep_soon()


def _come_last() -> None:
    """On Linux each thread has its own priority, and the disk's follows it."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
