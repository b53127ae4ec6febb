"""Fetches the song list page by page on the engine's thread, and hands it to the GUI thread in pieces."""

import asyncio
from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, Signal, Slot

from hocket.client.engine import Engine
from hocket.core.errors import HocketError
from hocket.core.track import Track
from hocket.gui.bridge import Bridge
from hocket.gui.songlist import Batch, Orders, orders_of, prepare
from hocket.wire import limits

FIRST_PAGE = 100
"""What a window shows at once comes at once."""

PIECE = 1_500
"""Tracks that are handed over together: each handing over costs the table some work."""


class Loader(QObject):
    """One list at a time. `piece` (Batch, is the first one), then `finished` (Orders); or `failed` (HocketError)."""

    piece = Signal(object, bool)
    finished = Signal(object)
    failed = Signal(object)

    _found = Signal(int, object, bool)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._number = 0
        self._is_busy = False
        self._is_stale = False
        self._found.connect(self._take, Qt.ConnectionType.QueuedConnection)

    def load(self) -> None:
        """Get the list; once more afterwards if this comes while one is on its way."""
        if self._is_busy:
            self._is_stale = True
            return
        self._is_busy = True
        self._number += 1
        number = self._number
        self._bridge.run(
            lambda engine: self._fetch(engine, number), lambda orders: self._end(number, orders), self._fail
        )

    def forget(self) -> None:
        """What is on its way is of no use any more."""
        self._number += 1
        self._is_busy = self._is_stale = False

    @Slot(int, object, bool)
    def _take(self, number: int, batch: Batch, is_first: bool) -> None:
        if number == self._number:
            self.piece.emit(batch, is_first)

    def _end(self, number: int, orders: Orders) -> None:
        if number != self._number:
            return
        self._is_busy = False
        self.finished.emit(orders)
        if self._is_stale:
            self._is_stale = False
            self.load()

    def _fail(self, error: HocketError) -> None:
        self._is_busy = False
        self.failed.emit(error)

    async def _fetch(self, engine: Engine, number: int) -> Orders:
        """All pages of one revision; from the start again if the library changes meanwhile."""
        while True:
            page = await engine.tracks(limit=FIRST_PAGE)
            revision, found = page.revision, len(page.tracks)
            batches = [self._hand_over(number, page.tracks, is_first=True)]
            waiting: list[Track] = []
            while page.tracks and found < page.total and page.revision == revision:
                page = await engine.tracks(offset=found, limit=limits.MAX_PAGE)
                found += len(page.tracks)
                waiting += page.tracks
                if len(waiting) >= PIECE:
                    batches.append(self._hand_over(number, waiting))
                    waiting = []
            if page.revision == revision:
                batches.append(self._hand_over(number, waiting))
                return await asyncio.get_running_loop().run_in_executor(self._bridge.executor, orders_of, batches)

    def _hand_over(self, number: int, tracks: Sequence[Track], *, is_first: bool = False) -> Batch:
        batch = prepare(tracks)
        if tracks or is_first:
            self._found.emit(number, batch, is_first)
        return batch
