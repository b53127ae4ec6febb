"""Fetches the song list page by page on the engine's thread, and hands it to the GUI thread."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from hocket.client.engine import Engine
from hocket.core.errors import HocketError
from hocket.core.track import Track
from hocket.gui.bridge import Bridge
from hocket.gui.listed import NOTHING, Batch, Listed, changed, pack, prepare, whole
from hocket.wire import limits
from hocket.wire.messages.tracks import TrackPage

FIRST_PAGE = 100
"""What a window shows at once comes at once."""

PIECE = 1_500
"""Tracks that are handed over together: each handing over costs the table some work."""

PAGE_PAUSE_S = 0.01
"""Between the pages of a list that is fetched again: nobody waits for it, and somebody may be typing."""

REST_MS = 1_000
"""Between two lists: while a thousand songs are imported there is a change every moment."""


class _Changed(Exception):
    """The library changed between two pages."""


class Loader(QObject):
    """One list at a time. The first comes as `piece` (Batch) by piece, then `finished` (Listed, True); a later one as
    `finished` (Listed, False) alone. Or `failed` (HocketError)."""

    piece = Signal(object)
    finished = Signal(object, bool)
    failed = Signal(object)

    _found = Signal(int, object)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._number = 0
        self._listed: Listed | None = None
        self._is_busy = False
        self._is_stale = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._load_stale)
        self._found.connect(self._take, Qt.ConnectionType.QueuedConnection)

    def load(self) -> None:
        """Get the list; once more afterwards if this comes while one is on its way, or has just come."""
        if self._is_busy or self._rest.isActive():
            self._is_stale = True
            return
        self._is_busy = True
        self._number += 1
        number, before = self._number, self._listed
        self._bridge.run(
            lambda engine: self._fetch(engine, number, before), lambda found: self._end(number, *found), self._fail
        )

    def forget(self) -> None:
        """What is on its way is of no use any more, nor what came."""
        self._number += 1
        self._listed = None
        self._rest.stop()
        self._is_busy = self._is_stale = False

    @Slot(int, object)
    def _take(self, number: int, batch: Batch) -> None:
        if number == self._number:
            self.piece.emit(batch)

    def _end(self, number: int, listed: Listed, was_shown: bool) -> None:
        if number != self._number:
            return
        self._is_busy = False
        self._listed = listed
        self._rest.start()
        self.finished.emit(listed, was_shown)

    def _load_stale(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self.load()

    def _fail(self, error: HocketError) -> None:
        self._is_busy = False
        self.failed.emit(error)

    # -- on the engine's thread

    async def _fetch(self, engine: Engine, number: int, before: Listed | None) -> tuple[Listed, bool]:
        """The list, and whether its pieces were handed over."""
        loop, executor = asyncio.get_running_loop(), self._bridge.executor
        if before is None:
            try:
                return await loop.run_in_executor(executor, whole, await self._hand_over_all(engine, number)), True
            except _Changed:
                before = NOTHING
        packed = await self._fetch_again(engine)
        return await loop.run_in_executor(executor, changed, before, packed), False

    async def _hand_over_all(self, engine: Engine, number: int) -> list[Batch]:
        batches: list[Batch] = []
        waiting: list[Track] = []

        def hand_over(tracks: Sequence[Track]) -> None:
            batch = prepare(tracks)
            batches.append(batch)
            self._found.emit(number, batch)

        async for page in _pages(engine, FIRST_PAGE):
            waiting += page.tracks
            if page.offset == 0 or len(waiting) >= PIECE:
                hand_over(waiting)
                waiting = []
        hand_over(waiting)
        return batches

    async def _fetch_again(self, engine: Engine) -> list[bytes]:
        while True:
            packed: list[bytes] = []
            try:
                async for page in _pages(engine, limits.MAX_PAGE):
                    packed += pack(page.tracks)
                    await asyncio.sleep(PAGE_PAUSE_S)
            except _Changed:
                continue
            return packed


async def _pages(engine: Engine, first_limit: int) -> AsyncIterator[TrackPage]:
    """All pages of one revision. Raises _Changed, and what the engine raises."""
    page = await engine.tracks(limit=first_limit)
    revision, found = page.revision, len(page.tracks)
    yield page
    while page.tracks and found < page.total:
        page = await engine.tracks(offset=found, limit=limits.MAX_PAGE)
        if page.revision != revision:
            raise _Changed
        found += len(page.tracks)
        yield page
