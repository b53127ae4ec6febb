"""Plays what the group's timeline says, when it says so, on this device's own clock.

Frames are written a little ahead, each for the moment at which it will leave the device, so that a
command that was stamped ahead takes effect at its very frame. What comes too late is cut off: rather
silence than the wrong place.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from hocket.adapters.outputs import DeviceTime, Drained, Lost, Output, OutputEvent, Started, Underrun
from hocket.audio.playout import FAR_S, Playout, Verdict
from hocket.client import events
from hocket.client.together.foresight import fetch_next, fetch_present, starting
from hocket.client.together.groupclock import GroupClock
from hocket.client.together.narrator import Narrator
from hocket.client.together.spans import JUMP_S, Reader, Span, agree
from hocket.core.clock import NS_PER_S
from hocket.core.errors import HocketError
from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.relay.timeline import Line, State, Timeline

if TYPE_CHECKING:
    from hocket.audio.stretch import Stretch

log = logging.getLogger(__name__)

TICK_S = 0.02
QUEUE_NS = 300_000_000
LEAST_AHEAD_NS = 500_000_000
"""Written ahead of what the device holds, and of now: rides out a busy machine, and is less than any command's lead."""

PREPARE_NS = 30_000_000
PERIODS = 4
"""From the decision to start until the first frame: this, and a period of the device. A device that holds 150 ms
is filled in about so many steps; what is planned for a step that has gone by is late by up to a step."""

PREBUFFER_S = 0.2
UPCOMING_NS = 2 * NS_PER_S
MEASURE_NS = NS_PER_S // 20
BLOCK_S = 0.05
SAME_NS = 1_000_000
"""What was written up to a line's moment, or from it on, may seem to miss it by the clock's noise."""

SETTLED_S = 0.0003
MOST_SETTLING_S = 0.003
"""Once the clock has settled, and at worst before, no smaller error is worth starting anew."""

DOUBT = 2.0
MOST_DOUBT_S = 0.00025
"""An error within so many times what the clock itself may be off, and within this, is no reason to touch a sample."""

AGAIN_NS = NS_PER_S * 3 // 10

OpenOutput = Callable[[Callable[[OutputEvent], None], AudioFormat, int], Awaitable[Output]]


class TimedPlayer:
    """`readers` gives a track's reader, None while it is being looked for; `timeline` None: nothing to play."""

    def __init__(
        self,
        clock: GroupClock,
        readers: Callable[[TrackId], Reader | None],
        open_output: OpenOutput,
        tell: Callable[[events.Event], None],
    ) -> None:
        self.timeline: Timeline | None = None
        self.error_s = 0.0  # ahead of the group, as last measured
        self.learnt = 0.0
        self._clock = clock
        self._readers = readers
        self._open_output = open_output
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._output: Output | None = None
        self._opening: asyncio.Task[None] | None = None
        self._trouble: AudioFormat | None = None  # a format that no device takes
        self._stretch: Stretch | None = None
        self._playout: Playout | None = None
        self._spans: list[Span] = []
        self._written = 0  # the output's frame after the last one written
        self._start_ns = 0  # when the first frame of this run leaves
        self._first = 0
        self._measured_ns = 0
        self._anew_ns = 0
        self._settling = True
        self._draining = False
        self._cut_ns: int | None = None
        self._fade = False
        self._asked_ns: int | None = time.monotonic_ns()
        self._narrator = Narrator(tell, lambda: self.error_s if self._measured_ns else None)
        self._events: deque[OutputEvent] = deque()
        self._wake = asyncio.Event()
        self._runner = asyncio.create_task(self._run(), name="timed player")

    # -- what others read

    @property
    def is_sounding(self) -> bool:
        return bool(self._spans)

    @property
    def is_correcting(self) -> bool:
        return self._playout is not None and self._playout.ratio != 1.0

    @property
    def buffer_s(self) -> float:
        """Music that is here and not heard yet."""
        if not self._spans or self._output is None or self._stretch is None:
            return 0.0
        reader = self._spans[-1].reader
        frames = self._output.queued_frames + reader.ready_frames(self._stretch.wanted_frame)
        return reader.format.seconds(frames)

    def heard(self) -> tuple[Track, int] | None:
        """Track and frame of it that is heard now."""
        if not self._spans or self._output is None:
            return None
        played = self._output.played_frames
        span = next((one for one in reversed(self._spans) if one.stream_frame <= played), self._spans[0])
        frame = round(span.position) + max(0, played - span.stream_frame)
        return span.reader.track, min(frame, span.reader.track.frames)

    def _source(self) -> str:
        return self._spans[-1].reader.source if self._spans else ""

    def changed(self) -> None:
        """The timeline, the clock or the data changed."""
        self._wake.set()

    async def close(self) -> None:
        """Fall silent. Safe to call twice; the output stays its owner's."""
        self._runner.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._runner
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        output, self._output = self._output, None
        if output is not None:
            await asyncio.to_thread(output.close)

    # -- the loop

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                self._tick()
            except Exception:
                log.exception("a bug while playing in step")
                self._silence()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()

    def _tick(self) -> None:
        now_ns = time.monotonic_ns()
        while self._events:
            self._take_event(self._events.popleft())
        line = self._clock.line
        if self._cut_ns is not None and now_ns >= self._cut_ns:
            self._silence()
        elif self._draining and self._output is not None and not self._output.queued_frames:
            self._silence()  # the output's own word for it may come late on a busy machine
        if self.timeline is None or line is None or self._opening is not None:
            self._fetch_ahead(now_ns)
            return
        if self._spans and not self._draining and self._cut_ns is None:
            self._go_on(now_ns)
        elif not self._spans:
            self._try_start(now_ns)
        fetch_next(self.timeline, self._readers, line.group(now_ns))
        self._narrator.look(self.timeline.at(line.group(now_ns)), self.heard(), self._source(), now_ns)

    # -- starting

    def _try_start(self, now_ns: int) -> None:
        clock, timeline = self._clock.line, self.timeline
        assert clock is not None
        assert timeline is not None
        latency_ns = round(self._output.latency_s * NS_PER_S) if self._output is not None else 0
        soonest_ns = clock.group(now_ns + PREPARE_NS + latency_ns + latency_ns // PERIODS)
        line = starting(timeline, self._readers, soonest_ns, soonest_ns + UPCOMING_NS)
        if line is None:
            return
        frame = line.m0_frames if line.t0_ns > soonest_ns else -(-line.position(soonest_ns) // 1)
        reader = self._readers(line.track)
        if reader is None or frame >= reader.track.frames:
            return
        reader.want(frame)
        if not self._has_output(reader.format):
            return
        enough = min(round(PREBUFFER_S * reader.format.rate_hz), reader.track.frames - frame)
        if reader.ready_frames(frame) < enough:
            return
        self._start(line, reader, frame, clock.local(line.when_ns(frame)))

    def _fetch_ahead(self, now_ns: int) -> None:
        """Have the music fetched and the device opened while the clock is still being learnt."""
        clock = self._clock.guess
        if self._spans or clock is None or self.timeline is None or self._opening is not None:
            return
        reader = fetch_present(self.timeline, self._readers, clock.group(now_ns))
        if reader is not None:
            self._has_output(reader.format)

    def _has_output(self, form: AudioFormat) -> bool:
        if self._output is not None and self._output.format == form:
            return True
        if self._opening is None and form != self._trouble:
            self._opening = asyncio.create_task(self._open(form))
            self._opening.add_done_callback(self._opened)
        return False

    async def _open(self, form: AudioFormat) -> None:
        try:
            self._output = await self._open_output(self._on_event, form, 0)
            self._written = 0
        except HocketError as error:
            self._trouble = form
            self._tell(events.Error.of(error))

    def _opened(self, task: "asyncio.Task[None]") -> None:
        self._opening = None
        self._wake.set()

    def _start(self, line: Line, reader: Reader, frame: int, at_ns: int) -> None:
        assert self._output is not None
        form = reader.format
        self._output.flush(self._written)
        self._events.clear()
        from hocket.audio.stretch import Stretch  # numpy: only who listens together pays for it

        self._stretch = Stretch(form)
        self._stretch.anchor(frame, fade=self._fade)
        if self._playout is None or self._playout.rate_hz != form.rate_hz:
            self._playout = Playout(form.rate_hz, self.learnt)
        self._playout.anchored()
        self._fade = False
        self._draining = False
        self._first, self._start_ns, self._measured_ns = self._written, at_ns, 0
        self._spans = [Span(self._written, frame, line, reader)]
        self._fill(time.monotonic_ns())
        self._output.start(at_ns)

    # -- going on

    def _go_on(self, now_ns: int) -> None:
        clock, output = self._clock.line, self._output
        assert clock is not None
        assert output is not None
        if self._is_overtaken(clock.group(now_ns)):
            return
        point = output.device_time()
        if point is not None and point.frame >= self._first and now_ns - self._measured_ns >= MEASURE_NS:
            self._measured_ns = now_ns
            if not self._measure(point, now_ns):
                return
        self._fill(now_ns)

    def _is_overtaken(self, group_now_ns: int) -> bool:
        """Whether something was written that is not to be played: a line came later than it should. Then cut."""
        assert self.timeline is not None
        assert self._clock.line is not None
        end_ns = self._group_at_end() - SAME_NS
        at_ns = max(group_now_ns, self._clock.line.group(self._start_ns) + SAME_NS)
        while at_ns < end_ns:
            wanted, written = self.timeline.at(at_ns), self._span_at(at_ns)
            if not agree(wanted, written.line, at_ns):
                self._cut_ns = self._clock.line.local(at_ns)
                assert self._output is not None
                self._output.pause(self._cut_ns)
                self._wake.set()
                return True
            following = self.timeline.after(at_ns)
            at_ns = end_ns if following is None else following.t0_ns
        return False

    def _span_at(self, group_ns: int) -> Span:
        """What was written for that moment."""
        frames = (self._group_at_end() - group_ns) * self._rate_hz // NS_PER_S
        stream_frame = self._written - frames
        return next((one for one in reversed(self._spans) if one.stream_frame <= stream_frame + 1), self._spans[0])

    @property
    def _rate_hz(self) -> int:
        return self._spans[-1].reader.format.rate_hz

    def _group_at_end(self) -> int:
        """Group time at which the next frame to be written leaves the device."""
        clock, output, playout = self._clock.line, self._output, self._playout
        assert clock is not None
        assert output is not None
        assert playout is not None
        point = output.device_time()
        if point is None or point.frame < self._first:
            ahead_ns = playout.ahead_ns(self._written - self._first, 0.0, clock.drift)
            return clock.group(self._start_ns) + ahead_ns
        ahead_ns = playout.ahead_ns(self._written - point.frame, output.latency_s, clock.drift)
        return clock.group(point.monotonic_ns) + ahead_ns

    def _measure(self, point: DeviceTime, now_ns: int) -> bool:
        """Feed the loop; False where playing has to begin anew."""
        assert self._stretch is not None
        assert self._playout is not None
        line = self._spans[-1].line
        error = float(self._stretch.position - line.position(self._group_at_end()))
        self.error_s = error / self._rate_hz
        doubt_s = min(MOST_DOUBT_S, DOUBT * self._clock.noise_ns / NS_PER_S)
        is_doubtful = abs(self.error_s) < doubt_s and not self._playout.is_correcting
        if self._is_settling(now_ns) or is_doubtful:
            return True
        verdict = self._playout.update(error, now_ns / NS_PER_S)
        self.learnt = self._playout.learnt
        if verdict is Verdict.REANCHOR:
            log.info("%.1f ms beside the group: starting anew", 1000 * self.error_s)
            if abs(self.error_s) > FAR_S:
                self._silence()
                self._fade = True
                return False
            self._anew()
        return True

    def _is_settling(self, now_ns: int) -> bool:
        """While the clock gets better by the second: no small error is believed, no large one slewed away."""
        was, self._settling = self._settling, self._clock.is_settling
        if not was:
            return self._settling
        doubt_s = DOUBT * self._clock.noise_ns / NS_PER_S if self._settling else 0.0
        most_s = min(MOST_SETTLING_S, max(SETTLED_S, doubt_s))
        if most_s < abs(self.error_s) < FAR_S and now_ns > self._anew_ns:
            self._anew()
            return True
        return self._settling and abs(self.error_s) < FAR_S

    def _anew(self) -> None:
        """Go over to the right place, with a fade."""
        assert self._stretch is not None
        assert self._playout is not None
        self._anew_ns = time.monotonic_ns() + AGAIN_NS
        self._write(self._stretch.fade_out(self._playout.ratio))
        group_ns = self._group_at_end()
        self._anchor(self.timeline.at(group_ns) if self.timeline else None, group_ns, fade=True)
        self._playout.anchored()

    def _fill(self, now_ns: int) -> None:
        """Write up to QUEUE_NS ahead, each frame for the moment at which it will be heard."""
        assert self._output is not None
        assert self._clock.line is not None
        assert self.timeline is not None
        ahead_ns = max(LEAST_AHEAD_NS, QUEUE_NS + round(self._output.latency_s * NS_PER_S))
        until_ns = self._clock.line.group(now_ns) + ahead_ns
        if now_ns < self._start_ns:
            until_ns += self._start_ns - now_ns
        while True:
            at_ns = self._group_at_end()
            half_ns = NS_PER_S // (2 * self._rate_hz) + 1
            room = self._output.room_frames
            if at_ns >= until_ns or room <= 0:
                return
            line = self.timeline.at(at_ns + half_ns)
            if line == self._spans[-1].line:
                line = self.timeline.after(at_ns + half_ns) or line
            left = self._rate_hz if line == self._spans[-1].line else self._left(line, at_ns)
            if left <= 0:
                if line is None or line.state is not State.PLAYING:
                    self._end()
                    return
                if not self._anchor(line, max(at_ns, line.t0_ns), fade=False):
                    return
                continue
            most = min(room, round(BLOCK_S * self._rate_hz), left)
            if not self._write_some(most):
                return

    def _left(self, following: Line | None, at_ns: int) -> int:
        """Frames to write before another line takes over.

        Where one says at which frame that is, its frame counts: the clock alone is a frame too coarse.
        """
        assert self._stretch is not None
        if following is None:
            return 0
        span = self._spans[-1]
        by_clock = max(0, round((following.t0_ns - at_ns) * self._rate_hz / NS_PER_S))
        exact = None
        if following.track == span.line.track and following.state is State.PAUSED:
            exact = following.m0_frames - math.floor(self._stretch.position)
        elif following.track != span.line.track:
            exact = span.reader.track.frames - math.floor(self._stretch.position)
        return exact if exact is not None and abs(exact - by_clock) < JUMP_S * self._rate_hz else by_clock

    def _anchor(self, line: Line | None, group_ns: int, *, fade: bool) -> bool:
        """Go over to what another line says; False where that cannot be written now."""
        assert self._stretch is not None
        span = self._spans[-1]
        if line is None or line.state is not State.PLAYING:
            return False
        position = line.position(group_ns)
        beside = abs(float(position) - self._stretch.position)
        if not fade and line.track == span.line.track and beside < JUMP_S * self._rate_hz:
            span.line = line
            return True
        reader = self._readers(line.track)
        is_begun = abs(float(position) - line.m0_frames) < JUMP_S * self._rate_hz and line.track != span.line.track
        frame = line.m0_frames if is_begun else max(0, round(position))
        if reader is None or reader.format != span.reader.format:
            self._end()
            return False
        reader.want(frame)
        if not reader.ready_frames(frame) and frame < reader.track.frames:
            return False
        self._stretch.anchor(frame, fade=fade)
        self._spans.append(Span(self._written, frame, line, reader))
        return True

    def _write_some(self, frames: int) -> bool:
        """False where nothing could be written."""
        stretch, playout, span = self._stretch, self._playout, self._spans[-1]
        assert stretch is not None
        assert playout is not None
        reader = span.reader
        missing = (
            frames + 2 * round(frames * abs(playout.ratio - 1.0)) + 32 - max(0, stretch.ready_frames(playout.ratio))
        )
        wanted = stretch.wanted_frame
        reader.want(wanted)
        if missing > 0 and wanted < reader.track.frames:
            stretch.feed(reader.read(wanted, min(missing, reader.track.frames - wanted)))
        if stretch.wanted_frame >= reader.track.frames:
            stretch.end()
        data = stretch.take(frames, playout.ratio)
        if not data and stretch.wanted_frame >= reader.track.frames:
            self._end()
        return self._write(data)

    def _write(self, data: bytes) -> bool:
        assert self._output is not None
        accepted = self._output.write(data) if data else 0
        self._written += accepted
        return accepted > 0

    # -- ending

    def _end(self) -> None:
        """Play what is written, then be silent."""
        assert self._output is not None
        if not self._draining:
            self._draining = True
            self._output.drain()

    def _silence(self) -> None:
        """Be silent now."""
        self._cut_ns = None
        self._draining = False
        self._spans = []
        if self._output is not None and self._output.format is not None:
            self._output.pause()
            self._output.flush(self._written)

    # -- the output's events

    def _on_event(self, event: OutputEvent) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._note, event)

    def _note(self, event: OutputEvent) -> None:
        self._events.append(event)
        self._wake.set()

    def _take_event(self, event: OutputEvent) -> None:
        match event:
            case Started() if self._asked_ns is not None:
                self._tell(events.Playing((event.monotonic_ns - self._asked_ns) / 1e6))
                self._asked_ns = None
            case Drained() if self._draining:
                self._silence()
            case Underrun() if self._spans and not self._draining and self._cut_ns is None:
                self._narrator.dry(self.heard(), event.monotonic_ns)
                self._silence()
                self._fade = True
            case Lost():
                self._silence()
                self._output = None
                self._tell(events.Error.of(event.error))
