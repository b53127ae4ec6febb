"""Connections to streaming nodes: one is kept warm, and another is found when it dies or drains."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from hocket.adapters.link import Link
from hocket.client.prime import PrimeLine
from hocket.client.tickets import Shown, Wallet
from hocket.control.backoff import BackoffRule
from hocket.core.clock import Clock
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError, Refused
from hocket.core.ids import NodeId, Role, TrackId
from hocket.wire import limits
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.login import FindStream, SessionEnded, StreamAt
from hocket.wire.messages.tracks import (
    CatalogueChanged,
    CloseTrack,
    CoverGet,
    CoverOpened,
    NodeDraining,
    OpenTrack,
    Read,
    TrackOpened,
)

log = logging.getLogger(__name__)

FIND_TIMEOUT_S = 30.0
"""The prime may have to start a streaming node first."""

READ_TIMEOUT_S = 30.0
"""A piece that takes longer than this never comes; a node that merely got slow is noticed much earlier."""

FAILED_S = 10.0
"""For this long after it failed us the prime is asked for another node than this one."""

MAX_MISPLACED = 3
"""So many nodes that the prime chose for a track and that lack it are believed: it is gone."""

ANY_TRACK = TrackId("")

M = TypeVar("M", bound=Message)
T = TypeVar("T")

KEEP_WARM = BackoffRule(base_s=0.5, cap_s=5.0)


class StreamLine:
    """One connection to one streaming node, with our ticket shown on it."""

    def __init__(self, at: StreamAt, owner: "Streams", found_for: TrackId = ANY_TRACK) -> None:
        self.at = at
        self.found_for = found_for  # the prime chose the node for this track
        self.handles = 0  # tracks that are open on it
        self.draining = ""  # why, once the node said so
        self.error: HocketError | None = None
        self._owner = owner
        self._link: Link | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def node(self) -> NodeId:
        return self.at.node

    @property
    def is_open(self) -> bool:
        return self._link is not None and self._link.is_open

    @property
    def is_usable(self) -> bool:
        """Whether new tracks may be opened on it."""
        return self.is_open and not self.draining

    async def open(self, prime: PrimeLine, wallet: Wallet, clock: Clock) -> None:
        """Connect and show the ticket. Raises NotReachable, ProtocolError, Refused."""
        link = await prime.connect_node(Role.FILE, self.at.node, self.at.address, self, plain=self.at.plain)
        link.expect_raw(limits.MAX_CHUNK_BYTES)
        shown = Shown(link, wallet, clock)
        try:
            await shown.show()
        except BaseException:
            await link.give_up()
            raise
        self._link = link
        if not link.is_open:
            raise NotReachable(f"{self.node} closed the connection at once", code=ErrorCode.CONNECTION_LOST)
        self._keeper = asyncio.create_task(shown.keep(), name=f"ticket at {self.node}")

    async def request(self, message: Message, reply: type[M]) -> M:
        """Any request. Raises Refused, NotReachable."""
        return await self._open_link().request(message, reply)

    async def open_track(self, track: TrackId) -> TrackOpened:
        """Raises Refused (TRACK_MISSING, NODE_FULL, DRAINING ...), NotReachable."""
        # Not cancelled together with who asks: the node would keep a handle that nobody closes.
        task = self._start(self._open_track(track))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._give_back)
            raise

    async def read(self, handle: int, offset_bytes: int, length_bytes: int) -> bytes:
        """Bytes of the file. Raises Refused, NotReachable, ProtocolError (fewer or more than were asked for)."""
        data = await self._open_link().request_bytes(Read(handle, offset_bytes, length_bytes), READ_TIMEOUT_S)
        if not isinstance(data, bytes):
            raise ProtocolError(f"{self.node} answered a read with a message")
        if len(data) != length_bytes:
            raise ProtocolError(f"{self.node} sent {len(data)} bytes of {length_bytes}: the file has changed")
        return data

    async def cover(self, track: TrackId) -> bytes:
        """A track's picture; empty where there is none. Raises Refused, NotReachable, ProtocolError."""
        opened = await self._open_link().request(CoverGet(track), CoverOpened)
        if not opened.size_bytes:
            return b""
        self.handles += 1
        try:
            return await self.read(opened.handle, opened.offset_bytes, opened.size_bytes)
        finally:
            await self.close_track(opened.handle)

    async def close_track(self, handle: int) -> None:
        """Never raises: with the connection the handle is gone, too."""
        self.handles -= 1
        if self._link is not None and self._link.is_open:
            with contextlib.suppress(HocketError):
                await self._link.request(CloseTrack(handle), Done, timeout_s=2.0)
        self._owner.tidy()

    def close(self) -> None:
        """Requests under way fail."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._link is not None:
            self._link.close()

    async def wait_closed(self) -> None:
        if self._keeper is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._link is not None:
            await self._link.wait_closed()

    # -- the link's owner

    async def on_message(self, link: Link, message: Message) -> Message | None:
        match message:
            case NodeDraining():
                self.draining = message.why or "it is going away"
                self._owner.line_changed(self)
            case SessionEnded():
                self._owner.on_session_ended(message.code, message.text)
            case CatalogueChanged():
                self._owner.on_library_changed(message.revision)
        return None

    def on_closed(self, link: Link, error: HocketError) -> None:
        self.error = error
        if self._keeper is not None:
            self._keeper.cancel()
        self._owner.line_changed(self)

    async def _open_track(self, track: TrackId) -> TrackOpened:
        opened = await self._open_link().request(OpenTrack(track), TrackOpened)
        self.handles += 1
        return opened

    def _give_back(self, task: asyncio.Task[TrackOpened]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._start(self.close_track(task.result().handle))

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _open_link(self) -> Link:
        if self._link is None:
            raise NotReachable(f"not connected to {self.node}")
        return self._link


class Streams:
    """Gives out lines to streaming nodes. `on_change` is called when a line was lost, drains, or a new one is there."""

    def __init__(
        self,
        prime: PrimeLine,
        wallet: Wallet,
        clock: Clock,
        *,
        on_change: Callable[[], None],
        on_session_ended: Callable[[str, str], None],
        on_library_changed: Callable[[int], None],
    ) -> None:
        self._prime = prime
        self._wallet = wallet
        self._clock = clock
        self._on_change = on_change
        self.on_session_ended = on_session_ended
        self.on_library_changed = on_library_changed
        self._lines: list[StreamLine] = []  # the latest first
        self._known: dict[NodeId, StreamAt] = {}
        self._failed_s: dict[NodeId, float] = {}
        self._finding = asyncio.Lock()
        self._warmer: asyncio.Task[None] | None = None
        self._need_warm = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def line(self) -> StreamLine | None:
        """The line that new tracks are opened on, if there is one."""
        return self._usable(())

    def keep_warm(self) -> None:
        """From now on have a line ready, before it is asked for."""
        if self._warmer is None:
            self._need_warm.set()
            self._warmer = asyncio.create_task(self._keep_warm(), name="warm line")

    async def get(self, track: TrackId = ANY_TRACK, avoid: Collection[NodeId] = ()) -> StreamLine:
        """A usable line to a node that is not in `avoid`, an open one if possible.

        Raises Refused (CLUSTER_FULL, TRACK_MISSING ...), NotReachable, ProtocolError.
        """
        if (line := self._usable(avoid)) is not None:
            return line  # also while a node is being started for somebody else
        async with self._finding:
            if (line := self._usable(avoid)) is not None:
                return line
            self._check_open()
            line = await self._find(track, avoid)
        self._on_change()
        return line

    async def at_holder(
        self, track: TrackId, use: Callable[[StreamLine], Awaitable[T]], lacking: set[NodeId] | None = None
    ) -> T:
        """What `use` makes of a line to a node whose machine holds a track. Where not all machines hold everything,
        nodes that lack it are passed over at once; they are added to `lacking`, and its nodes are not asked.

        Raises what `get` and `use` raise; TRACK_MISSING only once that is believed.
        """
        avoid = set[NodeId]() if lacking is None else lacking
        misplaced = 0
        while True:
            line = await self.get(track, avoid)
            try:
                return await use(line)
            except Refused as error:
                if error.code is not ErrorCode.TRACK_MISSING:
                    raise
                misplaced += line.found_for == track
                if misplaced >= MAX_MISPLACED:
                    raise
                log.debug("%s lacks %s", line.node, track)
                avoid.add(line.node)

    def failed(self, line: StreamLine, error: HocketError) -> None:
        """This line is of no use any more, though it may look open: nobody gets it again."""
        log.info("%s failed: %s", line.node, error)
        self._failed_s[line.node] = self._clock.monotonic_s()
        line.error = line.error or error
        line.close()

    def line_changed(self, line: StreamLine) -> None:
        """For lines: this one was lost, or drains."""
        if line.error is not None and line in self._lines:  # not one that was closed as nobody needed it
            self._failed_s[line.node] = self._clock.monotonic_s()
            self._drop(line)
        self._need_warm.set()
        self._on_change()

    def tidy(self) -> None:
        """Close what is neither used nor the warm line."""
        for line in self._lines[1:]:
            if line.handles <= 0:
                self._drop(line)
        if self._lines and self._lines[0].draining and self._lines[0].handles <= 0:
            self._drop(self._lines[0])

    async def close(self) -> None:
        """Whoever looks for a line meanwhile finds none. Safe to call twice."""
        self._is_closed = True
        if self._warmer is not None:
            self._warmer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._warmer
        while self._lines:
            self._drop(self._lines[0])
        while self._closing:
            await asyncio.gather(*self._closing)

    # -- inside

    def _check_open(self) -> None:
        if self._is_closed:
            raise NotReachable("the session is over", code=ErrorCode.CONNECTION_LOST)

    def _usable(self, avoid: Collection[NodeId]) -> StreamLine | None:
        return next((line for line in self._lines if line.is_usable and line.node not in avoid), None)

    async def _find(self, track: TrackId, avoid: Collection[NodeId]) -> StreamLine:
        shunned = {*avoid, *self._recently_failed(), *(line.node for line in self._lines if line.draining)}
        try:
            at = await self._prime.ask_as_user(FindStream(track, tuple(shunned)), StreamAt, FIND_TIMEOUT_S)
        except (NotReachable, ProtocolError) as error:
            return await self._find_known(avoid, error)
        except Refused as error:
            if error.code is not ErrorCode.CLUSTER_FULL or not self._recently_failed():
                raise
            # A node that just failed us may have been cut off for a moment only: better than none.
            at = await self._prime.ask_as_user(FindStream(track, tuple(avoid)), StreamAt, FIND_TIMEOUT_S)
        return await self._open(at, track)

    async def _find_known(self, avoid: Collection[NodeId], error: HocketError) -> StreamLine:
        """Without the prime: the nodes that served us before, those that did not just fail us first."""
        failed = self._recently_failed()
        for node in sorted(self._known, key=lambda node: node in failed):
            if node not in avoid:
                with contextlib.suppress(HocketError):
                    return await self._open(self._known[node])
        raise error

    async def _open(self, at: StreamAt, found_for: TrackId = ANY_TRACK) -> StreamLine:
        line = StreamLine(at, self, found_for)
        try:
            await line.open(self._prime, self._wallet, self._clock)
        except (NotReachable, ProtocolError):
            self._failed_s[at.node] = self._clock.monotonic_s()
            raise
        if self._is_closed:
            line.close()
            await line.wait_closed()
            self._check_open()
        self._known.pop(at.node, None)
        self._known[at.node] = at
        self._failed_s.pop(at.node, None)
        self._lines.insert(0, line)
        self.tidy()
        return line

    def _recently_failed(self) -> set[NodeId]:
        since_s = self._clock.monotonic_s() - FAILED_S
        self._failed_s = {node: at_s for node, at_s in self._failed_s.items() if at_s > since_s}
        return set(self._failed_s)

    def _drop(self, line: StreamLine) -> None:
        if line in self._lines:
            self._lines.remove(line)
            line.close()
            task = asyncio.create_task(line.wait_closed())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _keep_warm(self) -> None:
        failures = 1
        while True:
            await self._need_warm.wait()
            self._need_warm.clear()
            if self.line is not None:
                failures = 1
                continue
            await asyncio.sleep(KEEP_WARM.delay_s(failures, random.random()))
            try:
                await self.get()
            except HocketError as error:
                log.info("no streaming node yet: %s", error)
                failures += 1
                self._need_warm.set()
