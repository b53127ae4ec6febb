"""Bytes of tracks from streaming nodes, where friends fall short."""

import asyncio
from functools import partial

from hocket.client.cluster import Cluster
from hocket.client.streams import StreamLine
from hocket.core.errors import HocketError
from hocket.core.ids import TrackId


class NodeReader:
    """Bytes of tracks from streaming nodes, with this listener's own ticket."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._open: dict[TrackId, tuple[StreamLine, int]] = {}
        self._opening = asyncio.Lock()

    @property
    def node(self) -> str:
        """The streaming node that was opened last; empty while none is."""
        return next((str(line.node) for line, _ in reversed(self._open.values())), "")

    async def read(self, track: TrackId, offset_bytes: int, length_bytes: int) -> bytes:
        """Raises HocketError."""
        line, handle = await self._opened(track)
        try:
            return await line.read(handle, offset_bytes, length_bytes)
        except HocketError:
            self._open.pop(track, None)
            raise

    async def close(self) -> None:
        """Give every handle back."""
        opened, self._open = list(self._open.values()), {}
        await asyncio.gather(*(line.close_track(handle) for line, handle in opened))

    async def _opened(self, track: TrackId) -> tuple[StreamLine, int]:
        async with self._opening:
            found = self._open.get(track)
            if found is None or not found[0].is_usable:
                found = self._open[track] = await self._cluster.streams.at_holder(track, partial(_open, track))
            return found


async def _open(track: TrackId, line: StreamLine) -> tuple[StreamLine, int]:
    return line, (await line.open_track(track)).handle
