"""Signs for the bytes of tracks, so that listeners can pass them on to one another and check each piece.

The leaves are hashed where the file is. Python's BLAKE3 tells no inner nodes of its tree, so they cannot be checked
against the track's id alone: the prime believes a machine that it gave a certificate to, which has read the whole
file and compared it with the id.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from hocket.adapters.authority import Authority
from hocket.adapters.link import Link
from hocket.adapters.manifestfiles import ManifestFiles, Vouching
from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.nodes.leaves import Hashed, LeafHashes
from hocket.nodes.prime.librarian import Librarian
from hocket.relay.chunks import MAX_PAGES, PAGE_BYTES, ChunkMismatch, manifest_of
from hocket.relay.vouched import read_vouched
from hocket.wire.messages.library import Leaves, LeavesGet
from hocket.wire.messages.together import GetManifest, GetManifestPage, ManifestPage, TrackVouched

log = logging.getLogger(__name__)

MAX_KEPT = 64
"""Tracks whose hashes are in memory: 16 KiB for every 8 MiB of music."""

MAX_WAITING = 32
"""Groups of friends ask for what they play; much more at once is no group's wish."""

HASH_TIMEOUT_S = 60.0
"""A machine reads 12 GiB from a slow disk; who asked may come back for the answer."""


class Manifests:
    """The cluster's word for tracks: made when first asked for, kept in memory, and on disk for worse days."""

    def __init__(
        self,
        authority: Authority,
        librarian: Librarian,
        own: tuple[NodeId, LeafHashes],
        link: Callable[[NodeId], Link],
        files: ManifestFiles,
    ) -> None:
        """`own`: the prime's id and its hashes. `link` leads to another machine; it raises NotReachable."""
        self._authority = authority
        self._librarian = librarian
        self._own = own
        self._link = link
        self._files = files
        self._kept: OrderedDict[TrackId, asyncio.Task[Vouching]] = OrderedDict()

    async def manifest(self, asked: GetManifest) -> TrackVouched:
        """Raises TrackMissing."""
        return TrackVouched((await self._vouching(asked.track)).vouched)

    async def page(self, asked: GetManifestPage) -> ManifestPage:
        """Raises TrackMissing."""
        pages = (await self._vouching(asked.track)).pages
        if asked.number >= len(pages):
            raise TrackMissing(f"{asked.track} has {len(pages)} pages of hashes, no number {asked.number}")
        return ManifestPage(pages[asked.number])

    async def stop(self) -> None:
        """What is under way is told to nobody."""
        tasks = list(self._kept.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _vouching(self, track: TrackId) -> Vouching:
        if self._librarian.is_removed(track):
            raise TrackMissing(f"{track} was removed from the library")
        work = self._kept.get(track)
        if work is None:
            if sum(not kept.done() for kept in self._kept.values()) >= MAX_WAITING:
                raise HocketError("too many manifests at once", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=1.0)
            work = self._kept[track] = asyncio.create_task(self._vouch(track), name=f"manifest of {track[:12]}")
            work.add_done_callback(lambda done: self._forget_failed(track, done))
        self._kept.move_to_end(track)
        if len(self._kept) > MAX_KEPT:
            self._forget_oldest()
        return await asyncio.shield(work)

    def _forget_oldest(self) -> None:
        done = next((track for track, work in self._kept.items() if work.done()), None)
        if done is not None:
            del self._kept[done]

    def _forget_failed(self, track: TrackId, done: "asyncio.Task[Vouching]") -> None:
        if done.cancelled() or done.exception() is not None:
            self._kept.pop(track, None)

    async def _vouch(self, track: TrackId) -> Vouching:
        kept = await asyncio.to_thread(self._files.get, track)
        if kept is not None and self._is_ours(kept):
            return kept
        known = self._librarian.track(track)
        if known is None:
            raise TrackMissing(f"no machine of the cluster holds {track}", hint="list the tracks again")
        hashed = await self._hashed(known)
        made = Vouching(self._authority.vouch(known, hashed.manifest), hashed.pages)
        await asyncio.to_thread(self._files.put, track, made)
        return made

    def _is_ours(self, kept: Vouching) -> bool:
        try:
            read_vouched(kept.vouched, self._authority.public_key)
        except ChunkMismatch:
            return False
        return True

    async def _hashed(self, track: Track) -> Hashed:
        """By the prime itself if it holds the track, else by one machine after another."""
        own, hashes = self._own
        holders = self._librarian.holders(track.id)
        for holder in sorted(holders, key=lambda node: (node != own, node)):
            try:
                return await hashes.of(track.id) if holder == own else await self._hashed_at(holder, track)
            except HocketError as error:
                log.warning("no manifest of '%s' by %s: %s", track.name, holder, error)
        where = ", ".join(sorted(holders or self._librarian.out_of_reach(track.id))) or "no machine"
        raise TrackMissing(f"'{track.name}' cannot be vouched for: it is on {where}", hint="try again in a moment")

    async def _hashed_at(self, machine: NodeId, track: Track) -> Hashed:
        link = self._link(machine)
        first = await link.request(LeavesGet(track.id), Leaves, HASH_TIMEOUT_S)
        if first.size_bytes != track.size_bytes or first.page_count > MAX_PAGES:
            raise HocketError(f"{machine} hashed {first.size_bytes} bytes", code=ErrorCode.SOURCE_LIES)
        hashes = first.hashes
        for _ in range(first.page_count):
            have = -(-len(hashes) // PAGE_BYTES)
            if have >= first.page_count:
                break
            hashes += (await link.request(LeavesGet(track.id, have), Leaves, HASH_TIMEOUT_S)).hashes
        try:
            return Hashed(*manifest_of(track.id, track.size_bytes, hashes))
        except ValueError as error:
            raise HocketError(f"{machine} sent hashes that do not fit: {error}", code=ErrorCode.SOURCE_LIES) from None
