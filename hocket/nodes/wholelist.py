"""A streaming node's list: what its machine's folder holds, and what the prime says that others hold beside it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from hocket.adapters.clocks import random_bytes
from hocket.adapters.library import LibraryIndex
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.media.catalogue import Catalogue
from hocket.media.merging import changed_ids, merged, same_list
from hocket.wire.messages.library import TracksElsewhere
from hocket.wire.messages.tracks import FindTrack, ListTracks, TrackFound, TrackPage
from hocket.wire.pages import that_fit

log = logging.getLogger(__name__)

INDEX_LOOK_S = 1.0
"""Between looks at the index file; a prime's own children are told sooner."""

WAIT_S = 8.0
"""A node that has just started answers this late with what it knows, if the prime has not told it the rest: a little
sooner than listeners give up."""

FIRST_REVISION_BYTES = 5
"""A random beginning: pages of two nodes are never taken for pages of one list."""


class WholeList:
    """`run` keeps it up to date and calls `on_change(revision)`. All methods are for the event loop."""

    def __init__(self, index: LibraryIndex, on_change: Callable[[int], None]) -> None:
        self._index = index
        self._on_change = on_change
        self._catalogue = Catalogue()
        self._revision = int.from_bytes(random_bytes(FIRST_REVISION_BYTES), "big")
        self._elsewhere: dict[TrackId, Track] = {}
        self._coming: dict[TrackId, Track] | None = None  # a list that begins anew, as far as it came
        self._local = Catalogue()  # as it was worked in
        self._changed: set[TrackId] = set()  # to be worked in
        self._told = False  # the prime has nothing more to tell at the moment
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._whole = asyncio.Event()
        self._waited = False

    @property
    def is_ready(self) -> bool:
        """Whether the prime has told everything once, or has been waited for long enough."""
        return self._waited or self._whole.is_set()

    @property
    def revision(self) -> int:
        """Pages of one revision fit together."""
        return self._revision

    def look_soon(self) -> None:
        """The folder's index may be another one."""
        self._wake.set()

    def take(self, part: TracksElsewhere) -> None:
        """What the prime tells."""
        if part.first:
            self._coming = {}
        held = self._elsewhere if self._coming is None else self._coming
        for gone in part.removed:
            held.pop(gone, None)
        for track in part.tracks:
            known = self._elsewhere.get(track.id)
            held[track.id] = known if known == track else track  # what is listed already is not held twice
        if self._coming is None:
            self._changed.update(part.removed, (track.id for track in part.tracks))
        elif part.last:
            self._changed |= self._elsewhere.keys() | self._coming.keys()
            self._elsewhere, self._coming = self._coming, None
        if part.last:
            self._told = True
            self._wake.set()

    async def wait_ready(self) -> None:
        """Until the prime has told everything once, but not for ever: it may be away, or of an older version."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._whole.wait()
        except TimeoutError:
            self._waited = True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.update()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INDEX_LOOK_S):
                    await self._wake.wait()
            self._wake.clear()

    async def update(self) -> None:
        """Take in what is new by now."""
        async with self._turn:
            told, self._told = self._told, False
            looked = await asyncio.to_thread(self._index.refresh)
            if looked or told:
                await self._work_in()
            if told:
                self._whole.set()

    async def _work_in(self) -> None:
        local, before = self._index.catalogue, self._catalogue
        # Large lists take a moment to sort: in a thread, of values that do not change meanwhile.
        elsewhere, (changed, self._changed) = self._elsewhere.copy(), (self._changed, set())

        def work() -> tuple[Catalogue, bool]:
            if local is not self._local:
                changed.update(changed_ids(self._local, local))
            after = merged(before, local, elsewhere, changed)
            return after, same_list(before, after)

        self._catalogue, is_same = await asyncio.to_thread(work)
        self._local = local
        if not is_same:
            self._revision += 1
            log.info("%d tracks, %d of them here", len(self._catalogue), len(local))
            self._on_change(self._revision)

    def page(self, asked: ListTracks) -> TrackPage:
        """Part of the list."""
        total, tracks = self._catalogue.page(asked.search, asked.offset, asked.limit, asked.sort, asked.descending)
        return TrackPage(self._revision, total, asked.offset, that_fit(tracks))

    def find(self, asked: FindTrack) -> TrackFound:
        """The one track that is meant. Raises TrackMissing, AmbiguousTrack."""
        return TrackFound(self._catalogue.resolve(asked.text))
