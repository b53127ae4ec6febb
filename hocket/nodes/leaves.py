"""A control node hashes the leaves of its own tracks, for listeners who pass music on to one another."""

import asyncio
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import msgspec
from blake3 import blake3

from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.ids import TrackId
from hocket.nodes.shelf import Shelf
from hocket.relay.chunks import PAGE_BYTES, Manifest, ManifestBuilder
from hocket.wire.messages.library import MAX_LEAVES_BYTES, Leaves, LeavesGet

READ_BYTES = 256 * 1024
MAX_KEPT = 8
"""Tracks whose hashes are remembered, while they are asked for page by page: 16 KiB for every 8 MiB of music."""


class Hashed(msgspec.Struct, frozen=True):
    """A track's manifest and its pages of leaf hashes."""

    manifest: Manifest
    pages: tuple[bytes, ...]


class LeafHashes:
    """Hashes a track when it is first asked for, one at a time, off the event loop."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._kept: OrderedDict[TrackId, asyncio.Future[Hashed]] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leaves")

    async def of(self, track: TrackId) -> Hashed:
        """Raises TrackMissing, HocketError (TRACK_DAMAGED: the file is not what its id says)."""
        work = self._kept.get(track)
        if work is None:
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._hash, track)
            self._kept[track] = work
            work.add_done_callback(lambda done: self._forget_failed(track, done))
        self._kept.move_to_end(track)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(work)

    async def answer(self, asked: LeavesGet) -> Leaves:
        """As many pages as fit. Raises as `of` does."""
        hashed = await self.of(asked.track)
        some = hashed.pages[asked.from_page : asked.from_page + MAX_LEAVES_BYTES // PAGE_BYTES]
        return Leaves(hashed.manifest.size_bytes, len(hashed.pages), b"".join(some))

    def close(self) -> None:
        """What is being hashed is finished, and told to nobody."""
        self._thread.shutdown(cancel_futures=True)

    def _forget_failed(self, track: TrackId, done: "asyncio.Future[Hashed]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(track, None)

    def _hash(self, track_id: TrackId) -> Hashed:
        track = self._shelf.find(track_id)
        if track is None:
            raise TrackMissing(f"this machine does not hold {track_id}", hint="ask another machine")
        builder, whole = ManifestBuilder(track_id), blake3()
        fd = self._shelf.open(track)
        try:
            while data := os.read(fd, READ_BYTES):
                builder.feed(data)
                whole.update(data)
        except OSError as error:
            raise TrackMissing(f"'{track.name}' cannot be read: {error.strerror}") from None
        finally:
            os.close(fd)
        if whole.hexdigest() != track_id:
            raise HocketError(
                f"the bytes of '{track.name}' are not those that it came with",
                code=ErrorCode.TRACK_DAMAGED,
                hint="its disk may fail: remove the file, and another machine's copy comes back",
            )
        return Hashed(*builder.finish())
