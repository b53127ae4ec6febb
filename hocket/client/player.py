"""Plays tracks: keeps the output fed, follows it by its own clock, and takes commands."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hocket.adapters.outputs import Drained, Lost, Output, OutputError, OutputEvent, Room, Started, Underrun
from hocket.client import events
from hocket.client.feed import Feed, Source
from hocket.client.fetch import Fetch
from hocket.client.playing import Moment, Reading, State, Step, Voice, lost_error, player_machine
from hocket.client.queue import Entry
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.sound import AudioFormat

log = logging.getLogger(__name__)

PREBUFFER_S = 0.2
"""Music that must have come before it starts: the first piece."""

REBUFFER_S = 1.0
"""After a stall more is waited for: one long gap is better than many short ones."""

START_GIVE_UP_S = 10.0
"""Who asked for a track learns after this that nobody sends it."""

GIVE_UP_S = 30.0
"""Once it has played, silence for want of a node lasts no longer than this."""

POSITION_S = 1.0
SETTLE_S = 0.005
OUTPUT_IDLE_S = 5.0
"""The device is released when nothing played for so long."""

_OF_THE_TRACK = frozenset({ErrorCode.TRACK_MISSING, ErrorCode.TRACK_UNPLAYABLE, ErrorCode.PLAYBACK_LOST})

OpenOutput = Callable[[Callable[[OutputEvent], None], AudioFormat, int], Awaitable[Output]]
"""Opens the present output anew for a format, from a frame on, or another one in its place."""


class Player:
    """One output and what plays in it. All methods on the event loop's thread."""

    def __init__(self, source: Source, tell: Callable[[events.Event], None], open_output: OpenOutput) -> None:
        self._source = source
        self._tell = tell
        self._open_output = open_output
        self._loop = asyncio.get_running_loop()
        self._machine = player_machine()
        self._output: Output | None = None
        self._feed = Feed(source, self._start, self._pump)
        self._commands = asyncio.Lock()
        self._opening = False  # the output belongs to another thread just now
        self._start_ns: int | None = None  # when the first sample is to be heard; None: as soon as it can be
        self._asked_ns: int | None = None  # while a first sample is awaited
        self._started_ns = 0
        self._dry_ns = 0
        self._waiting_since_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch_wake = asyncio.Event()
        self._watcher = self._start(self._watch())
        self._idle_timer: asyncio.TimerHandle | None = None
        self.idle = asyncio.Event()  # set while nothing plays or is about to
        self.idle.set()
        self.failure: HocketError | None = None  # why the last track ended before its time

    # -- commands

    async def play(
        self, entry: Entry, *, start_frame: int = 0, limit_frames: int | None = None, at_ns: int | None = None
    ) -> None:
        """Play this now, in place of what plays; at_ns: its first frame is heard at that monotonic instant.

        Raises HocketError: TRACK_UNPLAYABLE, SOUND_DEVICE, DATA_UNWRITABLE.
        """
        asked_ns = time.monotonic_ns()
        async with self._commands:
            self._clear()
            self._start_ns = at_ns
            try:
                fetch = await self._source.fetch(entry, start_frame, self._pump)
                await self._begin(Voice(entry, fetch, start_frame, limit_frames), asked_ns)
            except HocketError as error:
                self._end(error, told=True)
                raise

    async def pause(self, at_ns: int | None = None) -> None:
        """Fall silent, at_ns: at that instant, and ask for nothing more. Nothing happens unless something plays."""
        async with self._commands:
            if self.state in (State.STOPPED, State.PAUSED):
                return
            await self._silent_at(at_ns)
            self._machine.feed(Step.PAUSE)
            self._feed.drain_frame = None
            if self._output is not None:
                self._output.pause()
            self._feed.hold(True)
            self._tell(events.Paused(self.position))

    async def resume(self, at_ns: int | None = None) -> None:
        """Go on after a pause, at_ns: at that instant."""
        async with self._commands:
            if self.state is not State.PAUSED:
                return
            self._start_ns = at_ns
            self._machine.feed(Step.RESUME)
            self._wait_from_now()
            self._feed.hold(False)
            self._tell(events.Resumed(self.position))
            self._pump()

    async def seek(self, seconds: float, *, pause_ns: int | None = None, at_ns: int | None = None) -> None:
        """Go on from this moment of the track (kept within it), paused or not.

        Silent from pause_ns on, heard again at at_ns, if that is given.
        """
        async with self._commands:
            if self._feed.voices:
                await self._silent_at(pause_ns)
                self._start_ns = at_ns
                self._seek_to(round(seconds * self._feed.heard.format.rate_hz))
                self._tell(events.Seeked(self.position))
                self._pump()

    async def stop(self) -> None:
        """End what plays. Nothing happens when nothing does."""
        async with self._commands:
            self._end(None)

    async def release(self) -> None:
        """End what plays, and give the device back at once."""
        async with self._commands:
            self._end(None)
            await self._release()

    async def fail(self, error: HocketError) -> None:
        """End what plays because of an error, and tell it."""
        async with self._commands:
            self._end(error)

    async def queue_changed(self) -> None:
        """What was prepared to come next may no longer be next."""
        async with self._commands:
            feed, upcoming = self._feed, self._source.peek()
            if len(feed.voices) > 1 and feed.voices[1].entry != upcoming:
                self._seek_to(None)  # the wrong one is in the output already
            if feed.following is None or feed.following.entry != upcoming:
                feed.forget_following()
            self._pump()

    def lines_changed(self) -> None:
        """Streaming nodes came or went."""
        for voice in self._feed.all():
            voice.fetch.lines_changed()

    async def close(self) -> None:
        """End everything and release the device. Safe to call twice."""
        await self.stop()
        self._watcher.cancel()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._release()

    # -- what others read

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def position(self) -> int:
        """The frame of the track that is heard now."""
        if not self._feed.voices:
            return 0
        voice = self._feed.heard
        return voice.anchor if self._output is None or self._opening else voice.position(self._output.played_frames)

    def moment(self) -> Moment | None:
        """What leaves the device when, as last measured; None unless something plays."""
        point = self._output.device_time() if self._output is not None and not self._opening else None
        return self._feed.moment(point) if point is not None and self.state is State.PLAYING else None

    def coming(self, apart_ns: int | None = None) -> Moment | None:
        """When the next track will be heard, if that is known; see `Feed.coming`."""
        now = self.moment()
        return None if now is None else self._feed.coming(now, apart_ns)

    def reading(self) -> Reading:
        if not self._feed.voices:
            return Reading(self.state, None, 0, 0, 0.0, "")
        heard, last = self._feed.heard, self._feed.last
        queued = 0 if self._output is None or self._opening else self._output.queued_frames
        buffer_s = last.format.seconds(queued + self._feed.waiting_frames)
        track = heard.fetch.track
        return Reading(self.state, heard.entry, self.position, track.frames, buffer_s, heard.fetch.source)

    # -- beginning and ending

    async def _begin(self, voice: Voice, asked_ns: int) -> None:
        self._feed.begin(voice)
        self._feed.hold(False)
        self._machine.feed(Step.LOAD)
        self.failure = None
        self.idle.clear()
        self._asked_ns = asked_ns
        self._wait_from_now()
        await self._ready_output(voice.format, voice.anchor)
        self._watch_wake.set()
        self._pump()

    async def _ready_output(self, form: AudioFormat, frame: int) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._opening = True
        try:
            self._output = await self._open_output(self._output_event, form, frame)
        finally:
            self._opening = False
        self._feed.restart()

    def _clear(self) -> None:
        """Silence at once; whatever played is over."""
        if self._feed.voices and self._feed.heard.is_told:
            voice, output = self._feed.heard, self._output
            if output is not None and output.format is not None:
                output.pause()
            position = self.position
            if output is not None and output.format is not None:
                output.flush(position)
            self._tell(events.Ended(voice.heard(position), voice.stalls, complete=False))
        self._asked_ns = None
        self._feed.clear()

    def _end(self, error: HocketError | None, *, told: bool = False) -> None:
        """Nothing plays any more; because of an error, which is told unless the caller gets it."""
        self._clear()
        self._machine.feed(Step.STOP)
        if error is not None:
            self.failure = error
            if not told:
                self._tell(events.Error.of(error))
        self.idle.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self._loop.call_later(OUTPUT_IDLE_S, lambda: self._start(self._release_if_idle()))

    async def _go_on(self, entry: Entry | None) -> None:
        """Play what comes next, where it did not join without a gap; what cannot play is passed over."""
        passed_over: set[int] = set()
        while entry is not None and entry.id not in passed_over:
            passed_over.add(entry.id)
            voice = self._feed.take_following(entry)
            self._source.advanced(entry)
            try:
                if voice is None:
                    voice = Voice(entry, await self._source.fetch(entry, 0, self._pump), follows=True)
                await self._begin(voice, time.monotonic_ns())
            except HocketError as error:
                if error.code not in _OF_THE_TRACK:
                    self._end(error)
                    return
                self._tell(events.Error.of(error))
                entry = self._source.peek()
            else:
                return
        self._end(None)

    async def _release_if_idle(self) -> None:
        async with self._commands:
            if self.state is State.STOPPED:
                await self._release()

    async def _release(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        output, self._output = self._output, None
        if output is not None:
            await asyncio.to_thread(output.close)

    # -- feeding

    def _pump(self) -> None:
        """Give the output what has come. Called whenever there may be something to do."""
        feed, output = self._feed, self._output
        if self._opening or output is None or not feed.voices:
            return
        try:
            self._give(feed, output)
        except OutputError as error:
            self._start(self._take_lost(error))
        feed.follow()
        self._watch_wake.set()

    def _give(self, feed: Feed, output: Output) -> None:
        if self.state is State.LOADING and feed.has_enough(output, PREBUFFER_S):
            feed.write(output)
            self._machine.feed(Step.READY)
            self._started_ns = time.monotonic_ns()
            start_ns, self._start_ns = self._start_ns, None
            output.start(start_ns)
            self._tell_opened()
        elif self.state is State.PLAYING or (self.state is State.STALLED and feed.has_enough(output, REBUFFER_S)):
            feed.write(output)
        elif self.state is State.LOADING and self._is_hopeless(feed.last.fetch):
            self._start(self._fail_of(feed.last))

    def _seek_to(self, frame: int | None) -> None:
        """Fill the output anew from a frame on; None: from what is heard now."""
        if self._output is not None:
            self._output.pause()  # the position stands still: no frame is lost, repeated or counted twice
        position = self.position
        frame = position if frame is None else min(max(0, frame), self._feed.heard.fetch.track.frames)
        self._feed.seek(position, frame)
        if self._output is not None:
            self._output.flush(frame)
        self._machine.feed(Step.SEEK)
        self._wait_from_now()

    def _tell_opened(self) -> None:
        voice = self._feed.heard
        if not voice.is_told:
            voice.is_told = True
            self._tell(events.opened(voice.fetch.track, voice.format, voice.fetch.source))

    # -- the output's events

    def _output_event(self, event: OutputEvent) -> None:
        """From the output's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._take_event, event)

    def _take_event(self, event: OutputEvent) -> None:
        match event:
            case Room():
                self._pump()
            case Started():
                self._take_started(event)
            case Underrun():
                self._take_underrun(event)
            case Drained():
                self._start(self._take_drained(event.frame))
            case Lost():
                self._start(self._take_lost(event.error))

    def _take_started(self, event: Started) -> None:
        if self.state is State.STALLED:
            self._machine.feed(Step.FED)
            self._tell(events.Unstalled((event.monotonic_ns - self._dry_ns) / 1e6))
        if self._asked_ns is not None and event.monotonic_ns >= self._started_ns:
            self._tell(events.Playing((event.monotonic_ns - self._asked_ns) / 1e6))
            self._asked_ns = None

    def _take_underrun(self, event: Underrun) -> None:
        if self.state is State.PLAYING:
            self._machine.feed(Step.DRY)
            self._dry_ns = event.monotonic_ns
            self._wait_from_now()
            self._feed.heard.stalls += 1
            self._tell(events.Stalled(self.position))
            self._pump()

    async def _take_drained(self, frame: int) -> None:
        async with self._commands:
            # One from before a seek, a pause or more music is nothing to go by.
            if frame != self._feed.drain_frame or not self._feed.voices:
                return
            self._cross(frame)
            last = self._feed.last
            if not last.fetch.is_at_end:
                self._end(lost_error(last, self._has_begun))
                return
            self._tell(events.Ended(last.heard(last.end_frame), last.stalls, complete=True))
            self._feed.end(last)
            entry = None if last.is_partial else self._source.peek()
            self._start_ns = self._feed.start_of(entry)
            await self._go_on(entry)

    async def _take_lost(self, error: HocketError) -> None:
        """The device is gone: go on in another one, from the same place."""
        async with self._commands:
            log.warning("%s", error)
            if not self._feed.voices:
                return
            if self._output is not None:
                self._output.pause()  # a device that plays on after all must not run ahead of the new one
            position = self.position
            if error.code is ErrorCode.SOUND_DEVICE:
                try:
                    await self._ready_output(self._feed.heard.format, position)
                    self._seek_to(position)
                    self._pump()
                    return
                except HocketError as worse:
                    error = worse
            self._end(error)

    # -- following the device's clock

    async def _watch(self) -> None:
        next_s = 0.0
        while True:
            self._watch_wake.clear()
            timeout_s: float | None = POSITION_S if self._is_waiting else None
            if self.state is State.PLAYING and self._output is not None and not self._opening:
                self._cross(self._output.played_frames)
                if self._loop.time() >= next_s:
                    next_s = max(next_s + POSITION_S, self._loop.time())
                    self._tell(events.Position(self.position))
                timeout_s = max(0.001, min(next_s - self._loop.time(), self._until_crossing_s()))
            else:
                next_s = self._loop.time() + POSITION_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._watch_wake.wait()
            if self._is_waiting:
                self._check_patience()

    def _until_crossing_s(self) -> float:
        """Until the next track is heard, if it is in the output already."""
        if len(self._feed.voices) < 2:
            return POSITION_S
        voice = self._feed.heard
        return voice.format.seconds(voice.end_frame - self.position)

    def _cross(self, output_frame: int) -> None:
        """Tell of every track that has begun to be heard."""
        while (crossed := self._feed.cross(output_frame)) is not None:
            over, begun = crossed
            self._tell(events.Ended(over.heard(over.end_frame), over.stalls, complete=True))
            self._source.advanced(begun.entry)
            self._tell_opened()
            self._tell(events.Playing(0.0))
            self._feed.follow()

    # -- patience

    @property
    def _has_begun(self) -> bool:
        return self._asked_ns is None

    @property
    def _is_waiting(self) -> bool:
        return self.state in (State.LOADING, State.STALLED)

    def _wait_from_now(self) -> None:
        self._waiting_since_s = self._loop.time()

    def _check_patience(self) -> None:
        patience_s = GIVE_UP_S if self._has_begun else START_GIVE_UP_S
        if not self._feed.voices or self._opening or self._loop.time() - self._waiting_since_s < patience_s:
            return
        fetch = self._feed.last.fetch
        nothing = f"no streaming node sent '{fetch.track.name}' for {patience_s:g} s"
        fetch.error = fetch.error or fetch.trouble or NotReachable(nothing, code=ErrorCode.TIMED_OUT)
        self._start(self._fail_of(self._feed.last))

    def _is_hopeless(self, fetch: Fetch) -> bool:
        """Whether waiting for the first sample is of no use."""
        if fetch.error is not None:
            return True
        trouble = fetch.trouble
        return not self._has_begun and trouble is not None and trouble.code is ErrorCode.CLUSTER_FULL

    async def _fail_of(self, voice: Voice) -> None:
        async with self._commands:
            if voice not in self._feed.voices:
                return
            error = lost_error(voice, self._has_begun)
            following = self._source.peek()
            if not voice.follows or error.code not in _OF_THE_TRACK or following is None:
                self._end(error)
                return
            self._clear()
            self._tell(events.Error.of(error))
            await self._go_on(following)

    # -- inside

    async def _silent_at(self, at_ns: int | None) -> None:
        """Wait for that instant, at which the output falls silent."""
        if at_ns is None or self._output is None or self.state is not State.PLAYING:
            return
        self._output.pause(at_ns)
        await asyncio.sleep(max(0.0, (at_ns - time.monotonic_ns()) / 1e9 + SETTLE_S))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a bug in the player", exc_info=error)
            self._end(HocketError(f"{type(error).__name__}: {error}"))
