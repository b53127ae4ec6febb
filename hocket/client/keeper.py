"""Puts the pieces of a track that pass by into the cache on disk, on a thread of its own."""

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import Executor, Future

from hocket.adapters.trackcache import BLOCK_BYTES, CacheEntry, TrackCache
from hocket.audio.readahead import Ranges
from hocket.core.ids import TrackId

log = logging.getLogger(__name__)

MAX_STARTED_BLOCKS = 16
"""Blocks of which a part has come; seeks leave some behind, and the oldest are given up."""

WORTH_FILLING = 0.5
"""Gaps that seeks left are fetched once this part of the file is here."""


class Keeper:
    """One track's way into and out of the cache. Offsets are of the file."""

    def __init__(self, entry: CacheEntry, disk: Executor) -> None:
        self._entry = entry
        self._disk = disk
        self._loop = asyncio.get_running_loop()
        self._started: OrderedDict[int, tuple[bytearray, Ranges]] = OrderedDict()
        self._missing = set(entry.missing())
        self._closed = False
        self._gave_up = False  # the disk does not take it

    @classmethod
    async def open(cls, cache: TrackCache, disk: Executor, track: TrackId, size_bytes: int) -> "Keeper | None":
        """None where the track cannot be kept."""
        opening = disk.submit(cache.open, track, size_bytes)
        try:
            entry = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            disk.submit(_close, opening)  # its turn comes after the opening
            raise
        return cls(entry, disk) if entry is not None else None

    @property
    def is_whole(self) -> bool:
        """Whether all of the track is here, and verified."""
        return self._entry.is_whole

    def covers(self, offset_bytes: int, length_bytes: int) -> bool:
        return not self._closed and self._entry.covers(offset_bytes, length_bytes)

    async def read(self, offset_bytes: int, length_bytes: int) -> bytes | None:
        """None if the bytes are not here after all."""
        return await self._loop.run_in_executor(self._disk, self._entry.read, offset_bytes, length_bytes)

    def add(self, offset_bytes: int, data: bytes) -> None:
        """Take a piece that came over the network."""
        if self._closed or not self._entry.may_write:
            return
        end_bytes = offset_bytes + len(data)
        for block in range(offset_bytes // BLOCK_BYTES, -(-end_bytes // BLOCK_BYTES)):
            if block in self._missing:
                self._add_to_block(block, offset_bytes, data)

    def gaps(self) -> list[tuple[int, int]]:
        """What is worth fetching so that the track becomes whole: [start, end) in the file."""
        if self._closed or not self._entry.may_write:
            return []
        if len(self._missing) - len(self._started) > self._entry.block_count * WORTH_FILLING:
            return []
        found: list[tuple[int, int]] = []
        for block in sorted(self._missing):
            start, end = self._entry.block_span(block)
            have = self._started[block][1] if block in self._started else Ranges()
            found += have.gaps(start, end)
        return found

    async def finish(self) -> bool | None:
        """See `CacheEntry.finish`; the missing blocks are known anew if some were lost."""
        result = await self._loop.run_in_executor(self._disk, self._entry.finish)
        self._missing = set(self._entry.missing()) if self._entry.may_write else set()
        self._gave_up = result is None and not self._missing
        return result

    @property
    def is_ready_to_finish(self) -> bool:
        return not (self._closed or self._missing or self._gave_up) and self._entry.may_write

    def close(self) -> None:
        """What is under way on the disk's thread is done before."""
        if not self._closed:
            self._closed = True
            self._started.clear()
            self._disk.submit(self._entry.close)

    def _add_to_block(self, block: int, offset_bytes: int, data: bytes) -> None:
        start, end = self._entry.block_span(block)
        fresh = bytearray(end - start), Ranges()
        buffer, have = self._started.pop(block, fresh)
        first, last = max(start, offset_bytes), min(end, offset_bytes + len(data))
        buffer[first - start : last - start] = memoryview(data)[first - offset_bytes : last - offset_bytes]
        have.add(first, last)
        if have.size_bytes == end - start:
            self._missing.discard(block)
            self._disk.submit(self._entry.write, block, buffer)
            return
        self._started[block] = buffer, have
        if len(self._started) > MAX_STARTED_BLOCKS:
            self._started.popitem(last=False)


def _close(opening: "Future[CacheEntry | None]") -> None:
    """What nobody waits for any more, if it came to be."""
    if not opening.cancelled() and opening.exception() is None and (entry := opening.result()) is not None:
        entry.close()
