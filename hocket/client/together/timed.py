"""Plays what the group's timeline says, when it says so, on this device's own clock.

Frames are written a little ahead, each for the moment at which it will leave the device, so that a
command that was stamped ahead takes effect at its very frame. What comes too late is cut off: rather
silence than the wrong place.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hocket.adapters.outputs import Drained, Lost, OutputEvent, Started, Underrun
from hocket.client import events
from hocket.client.together.device import Device, OpenOutput
from hocket.client.together.foresight import fetch_next, fetch_present, starting
from hocket.client.together.groupclock import GroupClock
from hocket.client.together.narrator import Narrator
from hocket.client.together.spans import Reader
from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.relay.timeline import Timeline

if TYPE_CHECKING:
    from hocket.client.together.passage import Passage

log = logging.getLogger(__name__)

TICK_S = 0.02
PREPARE_NS = 30_000_000
PERIODS = 4
"""From the decision to start until the first frame: this, and a period of the device. A device that holds 150 ms
is filled in about so many steps; what is planned for a step that has gone by is late by up to a step."""

PREBUFFER_S = 0.2
UPCOMING_NS = 2 * NS_PER_S


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
        self._tell = tell
        self._device = Device(open_output, self.changed, lambda error: tell(events.Error.of(error)))
        self._passage: Passage | None = None
        self._fade = False
        self._asked_ns: int | None = time.monotonic_ns()
        self._narrator = Narrator(tell, lambda: self._passage.error_s if self._passage is not None else None)
        self._wake = asyncio.Event()
        self._runner = asyncio.create_task(self._run(), name="timed player")

    # -- what others read

    @property
    def is_sounding(self) -> bool:
        return self._passage is not None

    @property
    def is_correcting(self) -> bool:
        return self._passage is not None and self._passage.is_correcting

    @property
    def buffer_s(self) -> float:
        """Music that is here and not heard yet."""
        return 0.0 if self._passage is None or self._device.output is None else self._passage.buffer_s

    def heard(self) -> tuple[Track, int] | None:
        """Track and frame of it that is heard now."""
        if self._passage is None or self._device.output is None:
            return None
        played = self._device.output.played_frames
        span = self._passage.heard_span(played)
        frame = round(span.position) + max(0, played - span.stream_frame)
        return span.reader.track, min(frame, span.reader.track.frames)

    def _source(self) -> str:
        return "" if self._passage is None else self._passage.span.reader.source

    def changed(self) -> None:
        """The timeline, the clock, the data or the device changed."""
        self._wake.set()

    async def close(self) -> None:
        """Fall silent. Safe to call twice; the output stays its owner's."""
        self._runner.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._runner
        await self._device.close()

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
        for event in self._device.happened():
            self._take_event(event)
        if self._is_over(now_ns):
            self._silence()
        line = self._clock.line
        if self.timeline is None or line is None or self._device.is_opening:
            self._fetch_ahead(now_ns)
            return
        if self._passage is None:
            self._try_start(self.timeline, now_ns)
        elif not self._passage.is_draining and self._passage.cut_ns is None:
            self._go_on(self._passage, now_ns)
        fetch_next(self.timeline, self._readers, line.group(now_ns))
        self._narrator.look(self.timeline.at(line.group(now_ns)), self.heard(), self._source(), now_ns)

    def _is_over(self, now_ns: int) -> bool:
        passage, output = self._passage, self._device.output
        if passage is None or output is None:
            return False
        if passage.cut_ns is not None and now_ns >= passage.cut_ns:
            return True
        # The output's own word for it may come late on a busy machine.
        return passage.is_draining and not output.queued_frames

    def _go_on(self, passage: "Passage", now_ns: int) -> None:
        from hocket.client.together.passage import Verdict

        verdict = passage.look(now_ns)
        self.learnt = passage.learnt
        if passage.error_s is not None:
            self.error_s = passage.error_s
        if verdict is Verdict.CUT:
            self._wake.set()
        elif verdict is Verdict.LOST:
            self._silence()
            self._fade = True

    # -- starting

    @property
    def _prepare_ns(self) -> int:
        """From the decision to start until the first frame is heard."""
        latency_ns = round(self._device.latency_s * NS_PER_S)
        return PREPARE_NS + latency_ns + latency_ns // PERIODS

    def _try_start(self, timeline: Timeline, now_ns: int) -> None:
        clock = self._clock.line
        assert clock is not None
        soonest_ns = clock.group(now_ns + self._prepare_ns)
        line = starting(timeline, self._readers, soonest_ns, soonest_ns + UPCOMING_NS)
        if line is None:
            return
        frame = line.m0_frames if line.t0_ns > soonest_ns else -(-line.position(soonest_ns) // 1)
        reader = self._readers(line.track)
        if reader is None or frame >= reader.track.frames:
            return
        reader.want(frame, is_calm=self._clock.is_settling)
        if not self._device.has(reader.format):
            return
        enough = min(round(PREBUFFER_S * reader.format.rate_hz), reader.track.frames - frame)
        if reader.ready_frames(frame) < enough:
            return
        from hocket.client.together.passage import Passage  # numpy: only who listens together pays for it

        self._device.flush()
        begin = line, reader, frame
        self._passage = Passage(
            self._clock, timeline, self._readers, self._device, begin, learnt=self.learnt, fade=self._fade
        )
        self._fade = False
        self._passage.start(clock.local(line.when_ns(frame)))

    def _fetch_ahead(self, now_ns: int) -> None:
        """Have the music fetched and the device opened while the clock is still being learnt."""
        clock = self._clock.guess
        if self._passage is not None or clock is None or self.timeline is None or self._device.is_opening:
            return
        first_ns = now_ns + self._clock.ready_in_ns + self._prepare_ns
        reader = fetch_present(self.timeline, self._readers, clock.group(first_ns))
        if reader is not None:
            self._device.has(reader.format)

    # -- ending

    def _silence(self) -> None:
        """Be silent now."""
        self._passage = None
        self._device.silence()

    def _take_event(self, event: OutputEvent) -> None:
        passage = self._passage
        is_playing_on = passage is not None and not passage.is_draining and passage.cut_ns is None
        match event:
            case Started() if self._asked_ns is not None:
                self._tell(events.Playing((event.monotonic_ns - self._asked_ns) / 1e6))
                self._asked_ns = None
            case Drained() if passage is not None and passage.is_draining:
                self._silence()
            case Underrun() if is_playing_on:
                self._narrator.dry(self.heard(), event.monotonic_ns)
                self._silence()
                self._fade = True
            case Lost():
                self._silence()
                self._device.lost()
                self._tell(events.Error.of(event.error))
