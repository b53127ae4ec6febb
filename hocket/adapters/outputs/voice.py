"""An open sound device and all that goes on with it; whoever calls holds one lock around every call."""

from collections.abc import Callable

from hocket.adapters.outputs import portaudio
from hocket.adapters.outputs.base import OutputError
from hocket.adapters.outputs.deviceclock import DeviceClock, StreamClock
from hocket.adapters.outputs.feed import Feed
from hocket.adapters.outputs.runs import Run, Runs
from hocket.audio.events import DeviceTime, Drained, OutputEvent, Room, Started, Underrun
from hocket.audio.lines import Lines
from hocket.core.clock import NS_PER_S
from hocket.core.sound import AudioFormat

BUFFER_S = 1.0
"""What the callback can take without any help from Python."""

DEAD_S = 3.0
"""A device that takes no block for so long although it should is lost: some drivers say nothing."""

NUDGE_S = 0.3
_TICK_S = 0.1
_SHORT_TICK_S = 0.005
_VOLUME_MARGIN_S = 0.05


class Voice:
    """Feeds one stream of a device, keeps its clock, and finds out what happened since the last look.

    Raises OutputError where the device cannot be opened. woken: called when something happened that
    cannot wait for the next `tick`, from PortAudio's thread.
    """

    def __init__(
        self,
        device: portaudio.Device,
        format: AudioFormat,
        latency_s: float,
        woken: Callable[[], None],
        start_frame: int,
        gain: float,
        first_line: int,
    ) -> None:
        self.format = format
        self.is_lost = False
        self.underruns = 0
        self._name = device.name
        self._gain = gain
        self._woken = woken
        self._portaudio = portaudio.libraries()
        self.mixer = portaudio.open_mixer(device, format, latency_s, self._on_finished)
        self.latency_s = float(self.mixer.latency)
        self._stream_clock = StreamClock(self.mixer, self._portaudio.sounddevice.PortAudioError, self._on_finished)
        self._nudge()
        self._clock = DeviceClock(self.mixer, format.rate_hz, self._stream_clock)
        self._draining = False
        self._wants_room = False
        self._events: list[OutputEvent] = []
        self._retired: list[Runs] = []
        self._begin(start_frame, first_line)

    @property
    def room_frames(self) -> int:
        return 0 if self.is_lost else self._feed.room_frames

    @property
    def written_frame(self) -> int:
        return self._feed.written_frame

    @property
    def last_line(self) -> int:
        return self._lines.last_number

    def heard_frame(self, now_ns: int) -> int:
        return min(self._lines.heard_frame(now_ns), self._runs.handed_frame)

    def device_time(self) -> DeviceTime | None:
        return None if self._sounding is None or self._line_is_broken else self._lines.latest()

    def write(self, frames: memoryview, now_ns: int) -> int:
        offered = len(frames) // self.format.bytes_per_frame
        accepted = min(offered, self.room_frames)
        self._wants_room = accepted < offered
        if accepted:
            self._draining = False
            self._feed.write(frames[: accepted * self.format.bytes_per_frame])
            self._observe(now_ns)
        return accepted

    def play(self, playing: bool, now_ns: int, at_ns: int | None) -> None:
        self._observe(now_ns)
        change = self._runs.start if playing else self._runs.pause
        change(at_ns if at_ns is not None and at_ns > now_ns else None)

    def flush(self, start_frame: int, now_ns: int) -> None:
        self._observe(now_ns)
        old = self._runs
        playing, plan = old.playing, old.plan
        old.pause()
        self._retired.append(old)
        self._draining = False
        self._begin(start_frame, self._lines.last_number)
        self._runs.playing = playing
        for at_ns, then_playing in plan:
            self.play(then_playing, now_ns, at_ns)

    def drain(self) -> None:
        self._draining = True

    def turn(self, gain: float) -> None:
        self._gain = gain
        margin_s = max(_VOLUME_MARGIN_S, self.latency_s / 2)
        self._feed.turn(gain, round(margin_s * self.format.rate_hz))

    def tick(self, now_ns: int) -> list[OutputEvent]:
        """What happened since the last tick. Raises OutputError when the device is lost."""
        self._observe(now_ns)
        self._measure(now_ns)
        self._watch(now_ns)
        if self.is_lost:
            raise OutputError(f"the sound device {self._name} was lost", hint="plug it in again or choose another")
        drained_ns = self._drained_ns()
        if self._draining and drained_ns is not None and now_ns >= drained_ns:
            self._draining = False
            self._events.append(Drained(self._feed.written_frame))
        if self._wants_room and self.room_frames >= round(self.format.rate_hz * BUFFER_S) // 2:
            self._wants_room = False
            self._events.append(Room(self.room_frames))
        happened, self._events = self._events, []
        return happened

    def wait_s(self, now_ns: int) -> float | None:
        """How long there is nothing to look for; None: until somebody calls."""
        run = self._runs.current
        if run is None:
            drained_ns = self._drained_ns() if self._draining else None
            return None if drained_ns is None else max(0.0, (drained_ns - now_ns) / NS_PER_S)
        if run.start_frame is None:
            ahead_s = 0.0 if run.at_ns is None else (run.at_ns - now_ns) / NS_PER_S - self.latency_s
            return max(_SHORT_TICK_S, ahead_s)
        return min(_TICK_S, max(_SHORT_TICK_S, self._feed.waiting_frames / self.format.rate_hz))

    def _begin(self, start_frame: int, first_line: int) -> None:
        rate_hz = self.format.rate_hz
        self._feed = Feed(
            self._portaudio.rtmixer,
            self.format,
            self.mixer.channels,
            round(rate_hz * BUFFER_S),
            start_frame,
            self._gain,
        )
        self._runs = Runs(self.mixer, self._feed.ring, start_frame, self._stream_clock.stream_time)
        self._lines = Lines(rate_hz, start_frame, first_line)
        self._sounding: Run | None = None
        self._device_underflows = 0
        self._line_is_broken = False
        self._progress: tuple[int, int] | None = None  # (frames handed over, since when)
        self._clock.forget()

    def _observe(self, now_ns: int) -> None:
        for run in self._runs.observe(now_ns):
            if run.start_frame is not None and run is not self._sounding:
                self._sounding = run
                self._device_underflows = 0
                self._lines.begin(run.start_frame, self._clock.began_ns(run.action))
                self._events.append(Started(run.start_frame, now_ns))
            if not run.is_over:
                continue
            if run is self._sounding:
                self._sounding = None
                self._lines.end(run.end_frame)
            ended = self._draining and run.end_frame == self._feed.written_frame
            if run.ran_dry and not ended:
                self._ran_dry(run.end_frame, self._lines.time_of(run.end_frame) or now_ns)
        for runs in self._retired:
            runs.observe(now_ns)
        self._retired = [runs for runs in self._retired if not runs.is_idle]

    def _measure(self, now_ns: int) -> None:
        run = self._sounding
        if run is None or run.start_frame is None:
            return
        underflows = int(run.action.stats.output_underflows)
        if underflows > self._device_underflows:
            # The device was not served in time. It goes on by itself, within the same run, at another moment.
            self._device_underflows = underflows
            self._line_is_broken = True
            self._clock.forget()
            self._ran_dry(self._runs.handed_frame, now_ns)
        point = self._clock.look(run.action)
        if point is None:
            return
        frames, at_ns = point
        if self._line_is_broken:
            self._lines.begin(run.start_frame + frames, at_ns)
            self._line_is_broken = False
            self._events.append(Started(run.start_frame + frames, at_ns))
        else:
            self._lines.measure(run.start_frame + frames, at_ns)

    def _ran_dry(self, frame: int, at_ns: int) -> None:
        self.underruns += 1
        self._events.append(Underrun(frame, at_ns))

    def _drained_ns(self) -> int | None:
        """When the last frame will have been heard; None while some have not been handed over."""
        if self._runs.current is not None or self._runs.handed_frame < self._feed.written_frame:
            return None
        return self._lines.time_of(self._feed.written_frame) or 0

    def _watch(self, now_ns: int) -> None:
        run = self._runs.current
        if run is None or (run.at_ns is not None and now_ns < run.at_ns):
            self._progress = None
            return
        handed = self._runs.handed_frame
        if self._progress is None or self._progress[0] != handed:
            self._progress = (handed, now_ns)
            return
        idle_s = (now_ns - self._progress[1]) / NS_PER_S
        if idle_s > DEAD_S:
            self.is_lost = True
        elif idle_s > NUDGE_S:
            self._nudge()

    def _nudge(self) -> None:
        """ALSA's plug before an I/O plugin (Bluetooth, say) calls nobody back after a start until its clock is read."""
        self._stream_clock.offset_ns()

    def _on_finished(self) -> None:
        self.is_lost = True
        self._woken()
