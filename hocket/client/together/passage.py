"""What a follower plays without a break: each frame written for the moment at which it will leave the device."""

import logging
import math
import time
from enum import Enum, auto

from hocket.adapters.outputs import DeviceTime, Output
from hocket.audio.playout import FAR_S, Playout
from hocket.audio.playout import Verdict as PlayoutVerdict
from hocket.audio.stretch import Stretch
from hocket.client.together.device import Device
from hocket.client.together.foresight import Readers
from hocket.client.together.groupclock import GroupClock
from hocket.client.together.spans import JUMP_S, Reader, Span, agree
from hocket.core.clock import NS_PER_S
from hocket.relay.clocksync import ClockLine
from hocket.relay.timeline import Line, State, Timeline

log = logging.getLogger(__name__)

QUEUE_NS = 300_000_000
LEAST_AHEAD_NS = 500_000_000
"""Written ahead of what the device holds, and of now: rides out a busy machine, and is less than any command's lead."""

SETTLING_AHEAD_NS = 180_000_000
"""While the clock gets better by the second no more is written than this ahead of what the device holds: a place
that turns out to be wrong is heard for so long."""

MEASURE_NS = NS_PER_S // 20
BLOCK_S = 0.05
SAME_NS = 1_000_000
"""What was written up to a line's moment, or from it on, may seem to miss it by the clock's noise."""

SETTLED_S = 0.0003
MOST_SETTLING_S = 0.003
"""Once the clock has settled, and at worst before, no smaller error is worth starting anew."""

SETTLING_DOUBT = 1.0
"""Before it has settled: an error beyond so many times what the clock itself may be off is."""

DOUBT = 2.0
MOST_DOUBT_S = 0.00025
"""An error within so many times what the clock itself may be off, and within this, is no reason to touch a sample."""

AGAIN_NS = NS_PER_S // 5


class Verdict(Enum):
    """What became of a look at it."""

    GOES_ON = auto()
    CUT = auto()  # something is not to be played after all: it ends at `cut_ns`
    LOST = auto()  # far beside the group: begin anew


class Passage:
    """From a start until the next silence. `learnt`: the device's speed from an earlier one."""

    def __init__(
        self,
        clock: GroupClock,
        timeline: Timeline,
        readers: Readers,
        device: Device,
        begin: tuple[Line, Reader, int],
        *,
        learnt: float,
        fade: bool,
    ) -> None:
        """`begin`: the line, the track's reader, and the frame that is heard first."""
        line, reader, frame = begin
        self.is_draining = False
        self.cut_ns: int | None = None
        self.error_s: float | None = None  # ahead of the group, as last measured
        self._clock = clock
        self._timeline = timeline
        self._readers = readers
        self._device = device
        self._stretch = Stretch(reader.format)
        self._stretch.anchor(frame, fade=fade)
        self._playout = Playout(reader.format.rate_hz, learnt)
        self._first = device.written
        self._spans = [Span(device.written, frame, line, reader)]
        self._start_ns = 0  # when the first frame leaves
        self._looked_ns = 0
        self._anew_ns = 0
        self._settling = True

    def start(self, at_ns: int) -> None:
        """Let the first frame leave at that local instant."""
        self._start_ns = at_ns
        self._fill(time.monotonic_ns())
        self._output.start(at_ns)

    # -- what others read

    @property
    def learnt(self) -> float:
        return self._playout.learnt

    @property
    def is_correcting(self) -> bool:
        return self._playout.ratio != 1.0

    @property
    def span(self) -> Span:
        """What is written now."""
        return self._spans[-1]

    @property
    def buffer_s(self) -> float:
        """Music that is here and not heard yet."""
        reader = self.span.reader
        frames = self._output.queued_frames + reader.ready_frames(self._stretch.wanted_frame)
        return reader.format.seconds(frames)

    def heard_span(self, played_frames: int) -> Span:
        """What that frame of the output belongs to."""
        return next((one for one in reversed(self._spans) if one.stream_frame <= played_frames), self._spans[0])

    # -- going on

    def look(self, now_ns: int) -> Verdict:
        """Measure, correct, and write on. Not once it drains or is cut."""
        if self._is_overtaken(self._line.group(now_ns)):
            return Verdict.CUT
        if now_ns - self._looked_ns >= MEASURE_NS:
            self._looked_ns = now_ns
            if not self._measure(now_ns):
                return Verdict.LOST
        self._fill(now_ns)
        return Verdict.GOES_ON

    @property
    def _line(self) -> ClockLine:
        line = self._clock.line
        assert line is not None
        return line

    @property
    def _output(self) -> Output:
        assert self._device.output is not None
        return self._device.output

    @property
    def _rate_hz(self) -> int:
        return self._playout.rate_hz

    def _is_overtaken(self, group_now_ns: int) -> bool:
        """Whether something was written that is not to be played: a line came later than it should. Then cut."""
        end_ns = self._group_at_end() - SAME_NS
        at_ns = max(group_now_ns, self._line.group(self._start_ns) + SAME_NS)
        while at_ns < end_ns:
            wanted, written = self._timeline.at(at_ns), self._span_at(at_ns)
            if not agree(wanted, written.line, at_ns):
                self.cut_ns = self._line.local(at_ns)
                self._output.pause(self.cut_ns)
                return True
            following = self._timeline.after(at_ns)
            at_ns = end_ns if following is None else following.t0_ns
        return False

    def _span_at(self, group_ns: int) -> Span:
        """What was written for that moment."""
        frames = (self._group_at_end() - group_ns) * self._rate_hz // NS_PER_S
        return self.heard_span(self._device.written - frames + 1)

    def _point(self) -> DeviceTime | None:
        """The latest measured point; None before the first."""
        point = self._output.device_time()
        return None if point is None or point.frame < self._first else point

    def _group_at_end(self) -> int:
        """Group time at which the next frame to be written leaves the device."""
        clock, point, written = self._line, self._point(), self._device.written
        if point is None:
            return clock.group(self._start_ns) + self._playout.ahead_ns(written - self._first, 0.0, clock.drift)
        ahead_ns = self._playout.ahead_ns(written - point.frame, self._output.latency_s, clock.drift)
        return clock.group(point.monotonic_ns) + ahead_ns

    def _measure(self, now_ns: int) -> bool:
        """Feed the loop; False where playing has to begin anew."""
        is_measured = self._point() is not None
        error = float(self._stretch.position - self.span.line.position(self._group_at_end()))
        error_s = error / self._rate_hz
        if is_measured:
            self.error_s = error_s
        doubt_s = min(MOST_DOUBT_S, DOUBT * self._clock.noise_ns / NS_PER_S)
        is_doubtful = abs(error_s) < doubt_s and not self._playout.is_correcting
        # What only the clock says is corrected as long as it settles: the device is not heard yet.
        if self._is_settling(error_s, now_ns) or is_doubtful or not is_measured:
            return True
        if self._playout.update(error, now_ns / NS_PER_S) is PlayoutVerdict.REANCHOR:
            log.info("%.1f ms beside the group: starting anew", 1000 * error_s)
            if abs(error_s) > FAR_S:
                return False
            self._anew()
        return True

    def _is_settling(self, error_s: float, now_ns: int) -> bool:
        """While the clock gets better by the second: no small error is believed, no large one slewed away."""
        was, self._settling = self._settling, self._clock.is_settling
        if not was:
            return self._settling
        doubt_s = SETTLING_DOUBT * self._clock.noise_ns / NS_PER_S if self._settling else 0.0
        most_s = min(MOST_SETTLING_S, max(SETTLED_S, doubt_s))
        if most_s < abs(error_s) < FAR_S and now_ns > self._anew_ns:
            self._anew()
            return True
        return self._settling and abs(error_s) < FAR_S

    def _anew(self) -> None:
        """Go over to the right place, with a fade."""
        self._anew_ns = time.monotonic_ns() + AGAIN_NS
        self._device.write(self._stretch.fade_out(self._playout.ratio))
        group_ns = self._group_at_end()
        self._anchor(self._timeline.at(group_ns), group_ns, fade=True)
        self._playout.anchored()

    # -- writing

    def _ahead_ns(self, now_ns: int) -> int:
        """How far ahead of now, in the time at which it is heard."""
        latency_ns = round(self._output.latency_s * NS_PER_S)
        settled_ns = max(LEAST_AHEAD_NS, QUEUE_NS + latency_ns)
        ahead_ns = SETTLING_AHEAD_NS + latency_ns if self._settling else settled_ns
        return ahead_ns + max(0, self._start_ns - now_ns)

    def _fill(self, now_ns: int) -> None:
        """Write so far ahead, each frame for the moment at which it will be heard."""
        until_ns = self._line.group(now_ns) + self._ahead_ns(now_ns)
        half_ns = NS_PER_S // (2 * self._rate_hz) + 1
        while True:
            at_ns = self._group_at_end()
            room = self._output.room_frames
            if at_ns >= until_ns or room <= 0:
                return
            line = self._timeline.at(at_ns + half_ns)
            if line == self.span.line:
                line = self._timeline.after(at_ns + half_ns) or line
            left = self._rate_hz if line == self.span.line else self._left(line, at_ns)
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
        if following is None:
            return 0
        span = self.span
        by_clock = max(0, round((following.t0_ns - at_ns) * self._rate_hz / NS_PER_S))
        exact = None
        if following.track == span.line.track and following.state is State.PAUSED:
            exact = following.m0_frames - math.floor(self._stretch.position)
        elif following.track != span.line.track:
            exact = span.reader.track.frames - math.floor(self._stretch.position)
        return exact if exact is not None and abs(exact - by_clock) < JUMP_S * self._rate_hz else by_clock

    def _anchor(self, line: Line | None, group_ns: int, *, fade: bool) -> bool:
        """Go over to what another line says; False where that cannot be written now."""
        span = self.span
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
        reader.want(frame, is_calm=self._clock.is_settling)
        if not reader.ready_frames(frame) and frame < reader.track.frames:
            return False
        self._stretch.anchor(frame, fade=fade)
        self._spans.append(Span(self._device.written, frame, line, reader))
        return True

    def _write_some(self, frames: int) -> bool:
        """False where nothing could be written."""
        stretch, playout, reader = self._stretch, self._playout, self.span.reader
        missing = (
            frames + 2 * round(frames * abs(playout.ratio - 1.0)) + 32 - max(0, stretch.ready_frames(playout.ratio))
        )
        wanted = stretch.wanted_frame
        reader.want(wanted, is_calm=self._clock.is_settling)
        if missing > 0 and wanted < reader.track.frames:
            stretch.feed(reader.read(wanted, min(missing, reader.track.frames - wanted)))
        if stretch.wanted_frame >= reader.track.frames:
            stretch.end()
        data = stretch.take(frames, playout.ratio)
        if not data and stretch.wanted_frame >= reader.track.frames:
            self._end()
        return self._device.write(data) > 0

    def _end(self) -> None:
        """Play what is written, then be silent."""
        if not self.is_draining:
            self.is_draining = True
            self._output.drain()
