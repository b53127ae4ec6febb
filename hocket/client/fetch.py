"""The bytes of one track, in order and ahead of time: from the cache, or from one streaming node after another."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any

from hocket.audio.readahead import Piece, limits_for, plan
from hocket.client.keeper import Keeper
from hocket.client.pieces import Pieces
from hocket.client.streams import StreamLine, Streams
from hocket.control.backoff import BackoffRule
from hocket.core.clock import Clock
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError, Refused
from hocket.core.ids import NodeId
from hocket.core.settings import READ_AHEAD_S
from hocket.core.sound import AudioFormat
from hocket.core.track import Track

log = logging.getLogger(__name__)

QUIET_S = 2.5
"""A node that has sent nothing of what we asked for during this time may be dead, with nobody to say so."""

AROUND_BYTES = 64 * 1024
"""Headers and tags around the audio data that are fetched along with it."""

RETRY = BackoffRule(base_s=0.1, cap_s=2.0)

CACHE = "cache"

_GONE = frozenset({ErrorCode.TRACK_MISSING, ErrorCode.TRACK_UNPLAYABLE})
_FINAL = frozenset({ErrorCode.SESSION_ENDED, ErrorCode.NOT_ALLOWED, ErrorCode.FINGERPRINT_CHANGED})
_OF_THE_NODE = frozenset({ErrorCode.NODE_FULL, ErrorCode.DRAINING})


class Fetch:
    """Reads one track ahead of what is taken from it. Offsets count the track's audio data.

    `on_change` is called (on the loop) when there is more to take, or `error` was set; `on_moved`
    when another node took over: (from, to, why).
    """

    def __init__(
        self,
        track: Track,
        form: AudioFormat,
        streams: Streams,
        keeper: Keeper | None,
        clock: Clock,
        *,
        start_bytes: int = 0,
        on_change: Callable[[], None],
        on_moved: Callable[[str, str, str], None],
        on_damaged: Callable[[HocketError], None],
        ahead_s: float = READ_AHEAD_S,
    ) -> None:
        self.track = track
        self.format = form
        self.error: HocketError | None = None  # final: no more bytes will come
        self.trouble: HocketError | None = None  # passing, perhaps
        self.trouble_since_s = 0.0
        self.end_bytes = track.data_bytes
        self.tap: Callable[[int, bytes], None] | None = None  # is given all that comes: (offset in the file, bytes)
        self._streams = streams
        self._keeper = keeper
        self._clock = clock
        self._on_change = on_change
        self._on_moved = on_moved
        self._on_damaged = on_damaged
        self._limits = limits_for(form, ahead_s)
        self._pieces = Pieces(form.bytes_per_frame, start_bytes)
        self._in_flight: dict[Piece, asyncio.Task[None]] = {}
        self._filling: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._line: StreamLine | None = None
        self._handle = -1
        self._opening: asyncio.Task[tuple[StreamLine, int]] | None = None
        self._unfit: set[NodeId] = set()  # nodes that lack the track, or stumble over it
        self._refusal: Refused | None = None  # what the last that stumbled said
        self._is_gone = False  # nobody has the track
        self._source = CACHE if keeper is not None and keeper.is_whole else ""
        self._held = False
        self._why_moved = ""
        self._failures = 0
        self._not_before_s = 0.0
        self._heard_s = 0.0
        self._quiet_s = QUIET_S
        self._wake = asyncio.Event()
        self._cleanups: set[asyncio.Task[None]] = set()
        self._runner = asyncio.create_task(self._run(), name=f"fetch {track.name}")

    # -- what the player uses

    @property
    def source(self) -> str:
        """Where the latest bytes came from: a node's id, or `cache`; empty at first."""
        return self._source

    @property
    def position_bytes(self) -> int:
        return self._pieces.position_bytes

    @property
    def ready_bytes(self) -> int:
        """What can be taken now without a gap."""
        return min(self._pieces.ready_bytes, self.end_bytes - self.position_bytes)

    @property
    def is_at_end(self) -> bool:
        """Everything was taken."""
        return self.position_bytes >= self.end_bytes

    @property
    def is_all_here(self) -> bool:
        """Nothing is left to be fetched from here to the end."""
        return self.position_bytes + self.ready_bytes >= self.end_bytes

    def take(self, max_bytes: int) -> memoryview:
        """The next bytes, whole frames; empty if they have not come yet."""
        data = self._pieces.take(min(max_bytes, self.end_bytes - self.position_bytes))
        if data:
            self._wake.set()
        return data

    def seek(self, position_bytes: int) -> None:
        """Go on from there."""
        self._pieces.seek(position_bytes, self._limits.ahead_bytes)
        self._wake.set()

    def hold(self, held: bool) -> None:
        """Ask for nothing more while held; what is under way still comes."""
        self._held = held
        self._wake.set()

    def lines_changed(self) -> None:
        """A line was lost, drains, or is new: what waited for one tries again at once."""
        self._not_before_s = 0.0
        self._wake.set()

    async def close(self) -> None:
        """Give everything back; a track that came whole is kept in the cache first. Safe to call twice."""
        tasks: list[asyncio.Task[Any]] = [self._runner, *self._in_flight.values()]
        tasks += [task for task in (self._filling, self._opening) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._leave_line()
        if self._keeper is not None:
            self._finish_if_ready(self._keeper)
            if self._finishing is not None:
                await self._finishing
            self._keeper.close()
        await asyncio.gather(*self._cleanups, return_exceptions=True)
        # The cancelled loop's traceback and this object hold one another: the music need not wait for the collector.
        self._pieces = Pieces(self.format.bytes_per_frame, self.position_bytes)

    # -- the loop

    async def _run(self) -> None:
        while self.error is None:
            self._wake.clear()
            self._ask()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    await self._wake.wait()
            if self._in_flight and self._clock.monotonic_s() - self._heard_s >= self._quiet_s:
                await self._leave_quiet_node()
        self._on_change()

    def _patience_s(self) -> float | None:
        now_s = self._clock.monotonic_s()
        if self._not_before_s > now_s:
            return self._not_before_s - now_s
        return max(0.01, self._heard_s + self._quiet_s - now_s) if self._in_flight else None

    def _ask(self) -> None:
        if self._held or self._clock.monotonic_s() < self._not_before_s:
            return
        if self._line is not None and not self._line.is_usable:
            self._why_moved = self._line.draining or (self._line.error.text if self._line.error else "lost")
            if not self._line.is_open:
                self._leave_line()
        for piece in plan(
            self.position_bytes,
            self._pieces,
            self._in_flight,
            self.end_bytes,
            self.format.bytes_per_frame,
            self._limits,
        ):
            if not self._in_flight:
                self._heard_s = self._clock.monotonic_s()
            self._in_flight[piece] = asyncio.create_task(self._get(piece))
        if not self._in_flight and self._keeper is not None:
            self._complete(self._keeper)

    async def _get(self, piece: Piece) -> None:
        try:
            self._pieces.add(piece.offset_bytes, await self._bytes_of(piece))
            self._heard_s = self._clock.monotonic_s()
            self._quiet_s = QUIET_S
            self._failures = 0
            self.trouble = None
            self._on_change()
        except HocketError as error:
            self._take_trouble(error)
        except Exception as error:
            log.exception("a bug while fetching '%s'", self.track.name)
            self.error = HocketError(f"{type(error).__name__}: {error}")
        finally:
            self._in_flight.pop(piece, None)
            self._wake.set()

    async def _bytes_of(self, piece: Piece) -> bytes:
        start = self.track.data_offset_bytes + piece.offset_bytes
        data = await self._from_cache(start, piece.length_bytes)
        if data is not None:
            if self.tap is not None:
                self.tap(start, data)
            return data
        before = after = 0
        if self._keeper is not None:  # the cache wants the whole file: what lies around the audio comes along
            if piece.offset_bytes == 0 and start <= AROUND_BYTES:
                before = start
            tail_bytes = self.track.size_bytes - start - piece.length_bytes
            if piece.end_bytes == self.track.data_bytes and tail_bytes <= AROUND_BYTES:
                after = tail_bytes
        data = await self._from_node(start - before, before + piece.length_bytes + after)
        if self.tap is not None:
            self.tap(start - before, data)
        return data[before : before + piece.length_bytes]

    async def _from_cache(self, offset_bytes: int, length_bytes: int) -> bytes | None:
        if self._keeper is None or not self._keeper.covers(offset_bytes, length_bytes):
            return None
        data = await self._keeper.read(offset_bytes, length_bytes)
        if data is not None and not self._source:
            self._source = CACHE
        return data

    async def _from_node(self, offset_bytes: int, length_bytes: int) -> bytes:
        line, handle = await self._opened()
        try:
            data = await line.read(handle, offset_bytes, length_bytes)
        except ProtocolError as error:
            self._streams.failed(line, error)
            raise
        if self._keeper is not None:
            self._keeper.add(offset_bytes, data)
        return data

    # -- lines

    async def _opened(self) -> tuple[StreamLine, int]:
        """A line on which the track is open. Raises HocketError."""
        if self._line is not None and self._line.is_usable:
            return self._line, self._handle
        if self._opening is None:  # one attempt for all pieces that wait for it
            self._opening = asyncio.create_task(self._open_line())
            self._opening.add_done_callback(self._opening_done)
        return await asyncio.shield(self._opening)

    def _opening_done(self, task: asyncio.Task[tuple[StreamLine, int]]) -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # told to the pieces; perhaps none is left that waits

    async def _open_line(self) -> tuple[StreamLine, int]:
        line, handle = await self._open_somewhere()
        self._use_line(line, handle)
        return line, handle

    def _use_line(self, line: StreamLine, handle: int) -> None:
        self._leave_line()
        self._line, self._handle = line, handle
        if self._source not in ("", line.node):
            why = self._why_moved or ("not all of it is in the cache" if self._source == CACHE else "it was lost")
            self._on_moved(self._source, line.node, why)
        self._source = line.node

    async def _open_somewhere(self) -> tuple[StreamLine, int]:
        """A node that holds the track, wherever that is. Raises HocketError."""
        try:
            return await self._streams.at_holder(self.track.id, self._open_on, self._unfit)
        except Refused as error:
            self._is_gone = error.code in _GONE
            if error.code is ErrorCode.CLUSTER_FULL:  # no other node could be asked: those that were may do by now
                self._unfit.clear()
                if self._refusal is not None:
                    raise self._refusal from None
            raise

    async def _open_on(self, line: StreamLine) -> tuple[StreamLine, int]:
        try:
            opened = await line.open_track(self.track.id)
        except Refused as error:
            if error.code is ErrorCode.BUG:
                self._unfit.add(line.node)
                self._refusal = error
            elif error.code in _OF_THE_NODE:
                line.draining = line.draining or error.text
            raise
        if opened.track.id != self.track.id or opened.track.size_bytes != self.track.size_bytes:
            wrong = ProtocolError(f"{line.node} opened another track than the one that was asked for")
            self._streams.failed(line, wrong)
            raise wrong
        return line, opened.handle

    def _leave_line(self) -> None:
        if self._line is not None:
            task = asyncio.create_task(self._line.close_track(self._handle))
            self._cleanups.add(task)
            task.add_done_callback(self._cleanups.discard)
            self._line = None

    async def _leave_quiet_node(self) -> None:
        """Go to another node if there is one; else be more patient with this one."""
        line = self._line
        self._heard_s = self._clock.monotonic_s()
        if line is None:
            return  # a node is being looked for, and may have to be started first
        self._quiet_s *= 2
        try:
            other, handle = await self._streams.at_holder(self.track.id, self._open_on, {*self._unfit, line.node})
        except HocketError as error:
            log.info("%s is quiet, and there is no other: %s", line.node, error)
            return
        quiet = NotReachable(f"{line.node} sent nothing for {QUIET_S:g} s")
        self._why_moved = quiet.text
        self._use_line(other, handle)
        self._streams.failed(line, quiet)

    # -- trouble

    def _take_trouble(self, error: HocketError) -> None:
        if self.error is not None:
            return
        if self._is_final(error):
            self.error = error
            return
        if error is self.trouble:  # a broken line fails all that is under way on it
            return
        now_s = self._clock.monotonic_s()
        if self.trouble is None:
            self.trouble_since_s = now_s
        self.trouble = error
        self._failures += 1
        log.info("'%s': %s", self.track.name, error)
        delay_s = RETRY.delay_s(self._failures, random.random())
        self._not_before_s = max(self._not_before_s, now_s + max(delay_s, error.retry_s))
        self._on_change()

    def _is_final(self, error: HocketError) -> bool:
        if error.code in _FINAL:
            return True
        # One node may just lack it; the prime is believed.
        return error.code in _GONE and self._is_gone

    # -- the cache

    def _complete(self, keeper: Keeper) -> None:
        """Nothing is needed just now: fetch what seeks left out of the cache, or check that the track is whole."""
        self._finish_if_ready(keeper)
        may_fill = self._filling is None and self.is_all_here and self.end_bytes == self.track.data_bytes
        if may_fill and (gaps := keeper.gaps()):
            start, end = gaps[0]
            self._filling = asyncio.create_task(self._fill(start, min(end, start + self._limits.piece_bytes)))

    def _finish_if_ready(self, keeper: Keeper) -> None:
        if self._finishing is None and keeper.is_ready_to_finish:
            self._finishing = asyncio.create_task(self._finish(keeper))

    async def _fill(self, start: int, end: int) -> None:
        try:
            await self._from_node(start, end - start)
        except HocketError as error:
            log.info("the cache gets no more of '%s': %s", self.track.name, error)
            await asyncio.sleep(RETRY.cap_s)
        finally:
            self._filling = None
            self._wake.set()

    async def _finish(self, keeper: Keeper) -> None:
        try:
            if await keeper.finish() is False:
                self._on_damaged(
                    HocketError(
                        f"the bytes of '{self.track.name}' that were sent are not those of the library",
                        code=ErrorCode.TRACK_DAMAGED,
                        hint="the file was changed or damaged: whoever looks after the cluster should import it anew",
                    )
                )
        finally:
            self._finishing = None
            self._wake.set()
