"""Signs for the bytes of tracks, so that listeners can pass them on to one another and check each piece."""

import asyncio
import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from hocket.adapters.authority import Authority
from hocket.adapters.library import LibraryIndex, open_track
from hocket.core.errors import TrackMissing
from hocket.core.ids import TrackId
from hocket.relay.chunks import ManifestBuilder
from hocket.wire.messages.together import GetManifest, GetManifestPage, ManifestPage, TrackVouched

READ_BYTES = 256 * 1024
MAX_KEPT = 64
"""Tracks whose hashes are remembered: 16 KiB for every 8 MiB of music."""


class _Hashed(msgspec.Struct, frozen=True):
    vouched: bytes
    pages: tuple[bytes, ...]


class Manifests:
    """Hashes a track when it is first asked for, one at a time, off the event loop."""

    def __init__(self, authority: Authority, music: Path, index: Path) -> None:
        self._authority = authority
        self._music = music
        self._index = LibraryIndex(index)
        self._kept: OrderedDict[TrackId, asyncio.Future[_Hashed]] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="manifests")

    async def manifest(self, asked: GetManifest) -> TrackVouched:
        """Raises TrackMissing."""
        return TrackVouched((await self._hashed(asked.track)).vouched)

    async def page(self, asked: GetManifestPage) -> ManifestPage:
        """Raises TrackMissing."""
        pages = (await self._hashed(asked.track)).pages
        if asked.number >= len(pages):
            raise TrackMissing(f"{asked.track} has {len(pages)} pages of hashes, no number {asked.number}")
        return ManifestPage(pages[asked.number])

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def _hashed(self, track: TrackId) -> _Hashed:
        work = self._kept.get(track)
        if work is None:
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._hash, track)
            self._kept[track] = work
            work.add_done_callback(lambda done: self._forget_failed(track, done))
        self._kept.move_to_end(track)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(work)

    def _forget_failed(self, track: TrackId, done: "asyncio.Future[_Hashed]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(track, None)

    def _hash(self, track_id: TrackId) -> _Hashed:
        self._index.refresh()
        track = self._index.catalogue.get(track_id)
        if track is None:
            raise TrackMissing(f"the prime does not hold {track_id}", hint="stream it from a node")
        fd = open_track(self._music, track, self._index.entries(track_id))
        try:
            builder = ManifestBuilder(track_id)
            while data := os.read(fd, READ_BYTES):
                builder.feed(data)
        finally:
            os.close(fd)
        manifest, pages = builder.finish()
        return _Hashed(self._authority.vouch(track, manifest), pages)
