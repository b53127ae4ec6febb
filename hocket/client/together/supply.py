"""Where the bytes of the group's tracks come from: friends first, streaming nodes where they fall short."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from hocket.adapters.peers import PeerLink
from hocket.client.cluster import Cluster
from hocket.client.together.books import Book, Library
from hocket.client.together.nodereader import NodeReader
from hocket.core.errors import ErrorCode, HocketError, NotReachable, TrackMissing
from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.relay.chunks import LEAF_BYTES, LEAVES_PER_PAGE, ChunkMismatch
from hocket.relay.fetchplan import LEAST_LEAD_NS, FetchPlan, Request
from hocket.relay.vouched import read_vouched
from hocket.wire.messages.together import (
    MAX_HELD,
    AskLeaf,
    AskManifest,
    AskPage,
    GetManifest,
    GetManifestPage,
    Held,
    LeafIs,
    ManifestIs,
    ManifestPage,
    PageIs,
    TrackVouched,
)
from hocket.wire.messages.tracks import FindTrack, TrackFound

log = logging.getLogger(__name__)

NODE = "node"
PLAN_S = 0.05
RETRY_S = 0.5
AHEAD_S = 6.0
FRIENDS_FIRST_S = 1.0
"""Streaming nodes are asked no sooner than this, unless there is no friend to ask."""

HELD_S = 0.2
"""What a friend pushes in vain is told no more often."""

PLAYER_LOOKS = 6
"""How often to look whether this machine's own player gets what friends need."""


class Supply:
    """Fetches one track ahead of where it is wanted; a `timed.Reader`."""

    def __init__(self, book: Book, form: AudioFormat, frame: int, store: "Store") -> None:
        self.book = book
        self._form = form
        self._store = store
        self._offset = book.track.data_offset_bytes
        start = self._leaf_of(frame)
        self.plan = FetchPlan(book.leaf_count, form.bytes_per_second, start)
        self._begun_s = time.monotonic()
        self.last_source = ""
        self.pusher = ""  # who sends unasked what comes next
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner = asyncio.create_task(self._run(), name=f"supply {book.track.name}")

    @property
    def track(self) -> Track:
        return self.book.track

    @property
    def format(self) -> AudioFormat:
        return self._form

    @property
    def source(self) -> str:
        return self.last_source

    def want(self, frame: int, *, is_calm: bool = False) -> None:
        """See `spans.Reader`."""
        leaf = self._leaf_of(frame)
        if is_calm is not self.plan.is_calm:
            self.plan.is_calm = is_calm
            self._wake.set()
        if leaf != self.plan.position:
            back = leaf < self.plan.position
            self.plan.seek(leaf)
            if back:
                self._note_held()
            self._wake.set()

    def ready_frames(self, frame: int) -> int:
        """See `timed.Reader`."""
        most = round(AHEAD_S * self._form.bytes_per_second)
        offset = self._offset + frame * self._form.bytes_per_frame
        end = self._offset + self.track.data_bytes
        return min(self.book.ready_bytes(offset, most), end - offset) // self._form.bytes_per_frame

    def read(self, frame: int, frames: int) -> bytes:
        """See `timed.Reader`."""
        size = self._form.bytes_per_frame
        data = self.book.read(self._offset + frame * size, frames * size)
        return data[: len(data) // size * size]

    def arrived(self, source: str, leaf: int) -> None:
        """A checked leaf is in the book."""
        self.last_source = source
        self.plan.arrived(source, leaf, time.monotonic_ns())
        self._wake.set()

    def add_source(self, name: str, is_spared: bool = False) -> None:
        self.plan.add(name, is_node=is_spared)
        self._wake.set()

    def ahead(self) -> list[int]:
        """Leaves that are here and will be played next."""
        at = self.plan.position
        return [leaf for leaf in range(at, min(self.plan.leaves, at + MAX_HELD)) if self.book.has(leaf)]

    async def close(self) -> None:
        tasks = [self._runner, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _leaf_of(self, frame: int) -> int:
        at = self._offset + frame * self._form.bytes_per_frame
        return min(at, max(0, self.track.size_bytes - 1)) // LEAF_BYTES

    def _note_held(self) -> None:
        now_ns = time.monotonic_ns()
        for leaf in range(self.plan.position, min(self.plan.leaves, self.plan.position + 512)):
            if self.book.has(leaf):
                self.plan.arrived("", leaf, now_ns)

    async def _run(self) -> None:
        self._note_held()
        while True:
            self._wake.clear()
            if not self._store.has_links or time.monotonic() - self._begun_s > FRIENDS_FIRST_S:
                self.plan.add(NODE, is_node=True)
            self.plan.least_lead_ns = self._store.least_lead_ns
            requests = self.plan.plan(time.monotonic_ns())
            self._store.tell_held(self.book, [leaf for source, leaf in requests if source != self.pusher], self.pusher)
            for request in requests:
                task = asyncio.create_task(self._get(request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            try:
                async with asyncio.timeout(PLAN_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _note_refusal(self, source: str, leaf: int, error: HocketError) -> None:
        if error.code is ErrorCode.TOO_MANY_REQUESTS:
            self.plan.refused(source, leaf, time.monotonic_ns())
            self.plan.add(NODE, is_node=True)
        else:
            self.plan.missing(source, leaf, time.monotonic_ns())

    async def _get(self, request: Request) -> None:
        source, leaf = request
        try:
            await self._store.fetch_leaf(self.book, source, leaf)
        except ChunkMismatch as error:
            self._store.distrust(source, error)
            self.plan.mismatched(source)
        except HocketError as error:
            log.debug("leaf %d from %s: %s", leaf, source, error)
            self._note_refusal(source, leaf, error)
        self._wake.set()


class Store:
    """All tracks of a group on this machine. `on_leaf(track, leaf, data)`: a checked leaf is new here."""

    def __init__(self, cluster: Cluster, cluster_key: bytes, on_leaf: Callable[[TrackId, int, bytes], None]) -> None:
        self.library = Library()
        self._cluster = cluster
        self._cluster_key = cluster_key
        self._on_leaf = on_leaf
        self.nodes = NodeReader(cluster)
        self._links: dict[str, PeerLink] = {}
        self._banned: set[str] = set()
        self._spared: str | None = None
        self.least_lead_ns = LEAST_LEAD_NS
        self._next_held_s = 0.0
        self._supplies: dict[TrackId, Supply] = {}
        self._opening: dict[TrackId, asyncio.Task[Book | None]] = {}
        self._pages: dict[tuple[TrackId, int], asyncio.Task[None]] = {}
        self._early: list[tuple[str, TrackId, int, bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_change: Callable[[], None] = lambda: None

    # -- sources

    def add_link(self, name: str, link: PeerLink) -> bool:
        """A friend that may be asked; False for one that has lied before."""
        if name in self._banned:
            return False
        self._links[name] = link
        for supply in self._supplies.values():
            supply.add_source(name, name == self._spared)
            self.tell_held(supply.book, supply.ahead(), name)
        return True

    def spare(self, name: str | None) -> None:
        """Ask this friend for music only where all others are late: its line is for those below it."""
        changed, self._spared = {self._spared, name}, name
        for one in self._links.keys() & changed:
            for supply in self._supplies.values():
                supply.add_source(one, one == name)

    @property
    def has_links(self) -> bool:
        """Whether there is a friend to ask."""
        return bool(self._links)

    def remove_link(self, name: str) -> None:
        self._links.pop(name, None)
        for supply in self._supplies.values():
            supply.plan.remove(name)

    def distrust(self, name: str, error: HocketError) -> None:
        """It sent what is not so: never again."""
        if name == NODE:
            log.warning("%s", error)
            return
        self._banned.add(name)
        link = self._links.get(name)
        self.remove_link(name)
        for supply in self._supplies.values():
            supply.plan.mismatched(name)
        if link is not None:
            link.close(error)

    # -- reading

    def reader(self, track: TrackId, frame: int = 0) -> Supply | None:
        """To play a track; None while it is being looked for."""
        supply = self._supplies.get(track)
        if supply is None:
            book = self.library.get(track)
            if book is None:
                self._start_opening(track)
                return None
            supply = self._begin(book, frame)
        return supply

    def pushed(self, name: str, track: TrackId, leaf: int, data: bytes) -> None:
        """A friend sent a leaf unasked."""
        book = self.library.get(track)
        if book is None or (book.check is not None and not book.can_check(leaf)):
            if len(self._early) < 512:
                self._early.append((name, track, leaf, data))
            if book is not None:
                self.need_page(book, leaf // LEAVES_PER_PAGE, name)
            return
        supply = self._supplies.get(track)
        if supply is not None:
            supply.plan.is_pushed = True
            supply.pusher = name
        self._put(book, name, leaf, data)

    def told(self, name: str, vouched: bytes, number: int, page: bytes) -> None:
        """A friend told unasked what plays, and a page of its hashes."""
        try:
            track, check = read_vouched(vouched, self._cluster_key)
            book = self.library.get(track.id)
            if book is None:
                book = Book(track, check, vouched)
                self.library.add(book)
            book.add_page(number, page)
        except ChunkMismatch as error:
            self.distrust(name, error)
            return
        self._take_early(book)
        self.on_change()

    async def open(self, track: TrackId) -> Book | None:
        """The track's book, from friends or the prime; None where nobody knows it."""
        book = self.library.get(track)
        return book if book is not None else await asyncio.shield(self._start_opening(track))

    async def leaf(self, book: Book, leaf: int) -> bytes:
        """A checked leaf to pass on; fetched from a node where it is not here. Raises HocketError."""
        await self._page_for(book, leaf, NODE)
        data = book.leaf(leaf)
        if data is None:
            data = await self.nodes.read(book.track.id, leaf * LEAF_BYTES, book.leaf_bytes(leaf))
            book.put(leaf, data)
        return data

    async def leaf_soon(self, book: Book, leaf: int) -> None:
        """A leaf that friends need: from the player if it gets it in time, else from a node. Raises HocketError."""
        await self._page_for(book, leaf, NODE)
        for _ in range(PLAYER_LOOKS):
            if book.leaf(leaf) is not None:
                return
            await asyncio.sleep(PLAN_S)
        await self.leaf(book, leaf)

    async def page(self, book: Book, number: int) -> bytes:
        """A page of hashes to pass on. Raises HocketError."""
        if book.check is None or not 0 <= number < book.check.manifest.pages:
            raise TrackMissing(f"{book.track.id} has no page {number} of hashes")
        await self._page_for(book, number * LEAVES_PER_PAGE, NODE)
        page = book.check.page(number)
        assert page is not None
        return page

    async def fetch_leaf(self, book: Book, source: str, leaf: int) -> None:
        """Get a leaf from a source into the book. Raises HocketError, ChunkMismatch."""
        await self._page_for(book, leaf, source)
        if source == NODE:
            data = await self.nodes.read(book.track.id, leaf * LEAF_BYTES, book.leaf_bytes(leaf))
        else:
            link = self._links.get(source)
            if link is None:
                raise NotReachable(f"{source} is gone")
            data = (await link.request(AskLeaf(book.track.id, leaf), LeafIs)).data
        if not book.has(leaf):
            book.put(leaf, data)
            self._on_leaf(book.track.id, leaf, data)
        supply = self._supplies.get(book.track.id)
        if supply is not None:
            supply.arrived(source, leaf)
        self.on_change()

    def need_page(self, book: Book, number: int, source: str) -> None:
        """Get a page of hashes in the background."""
        self._spawn(self._get_page_quietly(book, number, source))

    async def drop_others(self, keep: set[TrackId]) -> None:
        """Stop fetching all but these."""
        for track in [track for track in self._supplies if track not in keep]:
            await self._supplies.pop(track).close()

    async def close(self) -> None:
        """Safe to call twice."""
        tasks = [*self._opening.values(), *self._pages.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.drop_others(set())
        await self.nodes.close()

    # -- inside

    def _begin(self, book: Book, frame: int) -> Supply | None:
        form = book.track.format
        if form is None:
            return None
        supply = self._supplies[book.track.id] = Supply(book, form, frame, self)
        for name in self._links:
            supply.add_source(name, name == self._spared)
        while len(self._supplies) > Library.MAX_BOOKS:  # long played
            self._spawn(self._supplies.pop(next(iter(self._supplies))).close())
        self._take_early(book)
        return supply

    def _put(self, book: Book, name: str, leaf: int, data: bytes) -> None:
        try:
            if not book.has(leaf):
                book.put(leaf, data)
                self._on_leaf(book.track.id, leaf, data)
            else:
                self._is_late(book, name, leaf)
        except ChunkMismatch as error:
            self.distrust(name, error)
            return
        supply = self._supplies.get(book.track.id)
        if supply is not None:
            supply.arrived(name, leaf)
        self.on_change()

    def _is_late(self, book: Book, name: str, leaf: int) -> None:
        """A friend pushes what is here already, and would go on so."""
        now_s = time.monotonic()
        if now_s >= self._next_held_s:
            self._next_held_s = now_s + HELD_S
            self.tell_held(book, [one for one in range(leaf + 1, leaf + MAX_HELD) if book.has(one)], name)

    def tell_held(self, book: Book, leaves: list[int], name: str) -> None:
        """A friend who pushes need not push these."""
        link = self._links.get(name)
        if link is not None and leaves:
            link.send(Held(book.track.id, tuple(leaves[:MAX_HELD])))

    def _take_early(self, book: Book) -> None:
        early = [one for one in self._early if one[1] == book.track.id]
        self._early = [one for one in self._early if one[1] != book.track.id]
        for name, track, leaf, data in early:
            if name not in self._banned:
                self.pushed(name, track, leaf, data)

    def _start_opening(self, track: TrackId) -> "asyncio.Task[Book | None]":
        task = self._opening.get(track)
        if task is None:
            task = self._opening[track] = asyncio.create_task(self._look_for(track))
            task.add_done_callback(lambda done: self._opening.pop(track, None) and None)
        return task

    async def _look_for(self, track: TrackId) -> Book | None:
        for name, link in list(self._links.items()):
            try:
                vouched = (await link.request(AskManifest(track), ManifestIs)).vouched
                return self._opened(track, vouched)
            except ChunkMismatch as error:
                self.distrust(name, error)
            except HocketError as error:
                log.info("no manifest from %s: %s", name, error)
        try:
            vouched = (await self._cluster.prime.ask_as_user(GetManifest(track), TrackVouched)).vouched
            return self._opened(track, vouched)
        except HocketError as error:
            log.info("no manifest from the prime: %s", error)
        try:
            found = (await self._cluster.ask_node(FindTrack(track), TrackFound)).track
        except HocketError as error:
            log.info("nobody knows %s: %s", track, error)
            await asyncio.sleep(RETRY_S)
            return None
        return self._added(Book(found))

    def _opened(self, track: TrackId, vouched: bytes) -> Book:
        known, check = read_vouched(vouched, self._cluster_key)
        if known.id != track:
            raise ChunkMismatch(f"the manifest is not that of {track}")
        return self._added(Book(known, check, vouched))

    def _added(self, book: Book) -> Book:
        """The book that is kept: what plays reads one that a friend has told of meanwhile."""
        known = self.library.get(book.track.id)
        if known is None:
            self.library.add(book)
        elif known.check is None:
            known.check, known.vouched = book.check, book.vouched
        self.on_change()
        return known or book

    async def _page_for(self, book: Book, leaf: int, source: str) -> None:
        if book.check is None or book.check.has_page_for(leaf):
            return
        number = leaf // LEAVES_PER_PAGE
        if not 0 <= number < book.check.manifest.pages:
            raise TrackMissing(f"{book.track.id} has no leaf {leaf}")
        key = (book.track.id, number)
        task = self._pages.get(key)
        if task is None:
            task = self._pages[key] = asyncio.create_task(self._get_page(book, number, source))
            task.add_done_callback(lambda done: self._pages.pop(key, None) and None)
        await asyncio.shield(task)

    async def _get_page(self, book: Book, number: int, source: str) -> None:
        link = self._links.get(source)
        if link is not None:
            page = (await link.request(AskPage(book.track.id, number), PageIs)).page
        else:
            asked = GetManifestPage(book.track.id, number)
            page = (await self._cluster.prime.ask_as_user(asked, ManifestPage)).page
        book.add_page(number, page)
        self._take_early(book)

    async def _get_page_quietly(self, book: Book, number: int, source: str) -> None:
        try:
            await self._page_for(book, number * LEAVES_PER_PAGE, source)
        except ChunkMismatch as error:
            self.distrust(source, error)
        except HocketError as error:
            log.info("no hashes from %s: %s", source, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def missing(track: TrackId) -> HocketError:
    """The answer to a friend who asks for what is not here."""
    return TrackMissing(f"{track} is not held here", hint="ask another friend or a streaming node")
