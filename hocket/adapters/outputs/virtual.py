"""An output without a sound card: a virtual device on the machine's monotonic clock, and where its frames go."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hocket.adapters.outputs.base import FileUnwritable, Output, check_gain
from hocket.audio.events import DeviceTime, Lost, OutputEvent, Room
from hocket.audio.virtual import VirtualDevice
from hocket.core.clock import NS_PER_S
from hocket.core.sound import AudioFormat

if TYPE_CHECKING:
    from hocket.audio.volume import VolumeRamp

BUFFER_S = 1.0
SINK_PERIOD_S = 0.1
"""Played frames reach the sink this much later at most: a killed program loses no more."""


class Sink(Protocol):
    """Gets every frame once it was played. May raise FileUnwritable from any method."""

    def open(self, format: AudioFormat) -> None: ...

    def write(self, frames: bytes) -> None: ...

    def close(self) -> None: ...


class VirtualOutput(Output):
    """Plays in real time, or as fast as it is fed, into a sink or nowhere."""

    def __init__(
        self, on_event: Callable[[OutputEvent], object], *, sink: Sink | None = None, fast: bool = False
    ) -> None:
        super().__init__(on_event)
        self._sink = sink
        self._fast = fast
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._lost = False
        self._format: AudioFormat | None = None
        self._device = VirtualDevice(1)
        self._queue: deque[bytes] = deque()
        self._sunk_frame = 0
        self._wants_room = False
        self._gain = 1.0
        self._ramp: VolumeRamp | None = None  # numpy is imported only once the volume is turned
        self._past_underruns = 0

    @property
    def format(self) -> AudioFormat | None:
        return self._format

    def open(self, format: AudioFormat, start_frame: int = 0, hold_s: float | None = None) -> None:
        if format == self._format and not self._lost:
            self.pause()
            self.flush(start_frame)
            return
        self.close()
        if self._sink is not None:
            self._sink.open(format)
        self._past_underruns += self._device.underruns
        self._device = VirtualDevice(format.rate_hz, start_frame, fast=self._fast)
        self._format = format
        self._sunk_frame = start_frame
        self._queue.clear()
        self._wants_room = self._closing = self._lost = False
        self._ramp = None
        if self._gain != 1.0:
            self._ramp = self._new_ramp(format)
        self._thread = threading.Thread(target=self._run, name="virtual-output", daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread is None:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._thread = None
        self._format = None

    def write(self, frames: bytes | bytearray | memoryview) -> int:
        with self._changed:
            frame_bytes = self._opened().bytes_per_frame
            data = memoryview(frames).cast("B")
            offered, rest = divmod(len(data), frame_bytes)
            if rest:
                raise ValueError(f"{len(data)} bytes are no whole frames of {frame_bytes}")
            now_ns = time.monotonic_ns()
            accepted = min(offered, self._room(now_ns))
            self._wants_room = accepted < offered
            if accepted:
                if self._sink is not None:
                    self._queue.append(bytes(data[: accepted * frame_bytes]))
                self._device.write(accepted, now_ns)
            self._changed.notify()
            return accepted

    def start(self, at_ns: int | None = None) -> None:
        self._play(True, at_ns)

    def pause(self, at_ns: int | None = None) -> None:
        self._play(False, at_ns)

    def flush(self, start_frame: int) -> None:
        with self._changed:
            self._opened()
            now_ns = time.monotonic_ns()
            heard_frames = self._device.played_frame(now_ns) - self._sunk_frame
            self._device.flush(start_frame, now_ns)
            self._sunk_frame = start_frame
            if self._sink is not None:
                self._keep_only(heard_frames)
            if self._ramp is not None:
                self._ramp.settle()
            self._changed.notify()

    def drain(self) -> None:
        with self._changed:
            self._opened()
            self._device.drain(time.monotonic_ns())
            self._changed.notify()

    def set_volume(self, gain: float) -> None:
        check_gain(gain)
        with self._changed:
            if self._ramp is None and self._format is not None and gain != 1.0:
                self._ramp = self._new_ramp(self._format)
            if self._ramp is not None:
                self._ramp.turn(gain, self._sunk_frame)
            self._gain = gain

    @property
    def room_frames(self) -> int:
        with self._changed:
            return 0 if self._format is None else self._room(time.monotonic_ns())

    @property
    def played_frames(self) -> int:
        with self._changed:
            return self._device.played_frame(time.monotonic_ns())

    @property
    def queued_frames(self) -> int:
        with self._changed:
            return self._device.written_frame - self._device.played_frame(time.monotonic_ns())

    @property
    def underruns(self) -> int:
        with self._changed:
            self._device.played_frame(time.monotonic_ns())
            return self._past_underruns + self._device.underruns

    @property
    def latency_s(self) -> float:
        return 0.0

    def device_time(self) -> DeviceTime | None:
        with self._changed:
            return self._device.device_time(time.monotonic_ns())

    def _opened(self) -> AudioFormat:
        if self._format is None:
            raise RuntimeError("the output is not open")
        return self._format

    def _play(self, playing: bool, at_ns: int | None) -> None:
        with self._changed:
            self._opened()
            self._device.play(playing, time.monotonic_ns(), at_ns)
            self._changed.notify()

    def _new_ramp(self, format: AudioFormat) -> "VolumeRamp":
        from hocket.audio.volume import VolumeRamp

        return VolumeRamp(format.rate_hz, self._gain)

    def _capacity(self) -> int:
        return 0 if self._format is None else max(1, round(self._format.rate_hz * BUFFER_S))

    def _room(self, now_ns: int) -> int:
        if self._lost:
            return 0
        freed = self._sunk_frame if self._sink is not None else self._device.played_frame(now_ns)
        return self._capacity() - (self._device.written_frame - freed)

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                closing = self._closing
                now_ns = time.monotonic_ns()
                frames, events = self._step(now_ns)
                if not (frames or events or closing):
                    self._changed.wait(self._wait_s(now_ns))
                    continue
            if not self._deliver(frames, events):
                return
        self._finish()

    def _step(self, now_ns: int) -> tuple[bytes, list[OutputEvent]]:
        """What is due for the sink and the listener of events."""
        events: list[OutputEvent] = [*self._device.advance(now_ns)]
        frames = b""
        played = self._device.played_frame(now_ns)
        if self._sink is not None and played > self._sunk_frame:
            frames = self._take((played - self._sunk_frame) * self._opened().bytes_per_frame)
            frames = self._at_volume(frames)
            self._sunk_frame = played
        if self._wants_room and (room := self._room(now_ns)) >= self._capacity() // 2:
            self._wants_room = False
            events.append(Room(room))
        return frames, events

    def _deliver(self, frames: bytes, events: list[OutputEvent]) -> bool:
        if frames and self._sink is not None:
            try:
                self._sink.write(frames)
            except FileUnwritable as error:
                self._lost = True
                self._emit(Lost(error))
                return False
        for event in events:
            self._emit(event)
        return True

    def _finish(self) -> None:
        if self._sink is None:
            return
        try:
            self._sink.close()
        except FileUnwritable as error:
            self._emit(Lost(error))

    def _wait_s(self, now_ns: int) -> float | None:
        instants = [self._device.next_change_ns()]
        if self._device.is_running and not self._fast:
            if self._sink is not None:
                instants.append(now_ns + round(SINK_PERIOD_S * NS_PER_S))
            elif self._wants_room:
                instants.append(self._device.time_of(self._device.written_frame - self._capacity() // 2))
        due_ns = min((instant for instant in instants if instant is not None), default=None)
        return None if due_ns is None else max(0.0, (due_ns - now_ns) / NS_PER_S)

    def _take(self, size_bytes: int) -> bytes:
        """The next bytes of the queue."""
        parts: list[bytes] = []
        while size_bytes > 0:
            part = self._queue.popleft()
            if len(part) > size_bytes:
                self._queue.appendleft(part[size_bytes:])
                part = part[:size_bytes]
            parts.append(part)
            size_bytes -= len(part)
        return b"".join(parts)

    def _keep_only(self, heard_frames: int) -> None:
        """Forget the queue but for what was played and has not reached the sink yet: it goes there first."""
        heard = self._take(heard_frames * self._opened().bytes_per_frame)
        self._queue.clear()
        if heard:
            self._queue.append(heard)
        self._sunk_frame -= heard_frames

    def _at_volume(self, frames: bytes) -> bytes:
        if self._ramp is None:
            return frames
        from hocket.audio.pcm import from_float, to_float

        samples = to_float(frames, self._opened())
        turned = self._ramp.apply(samples, self._sunk_frame)
        return frames if turned is samples else from_float(turned, self._opened())
