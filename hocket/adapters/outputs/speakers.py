"""The output that is heard: PortAudio with a callback in C, so that a busy interpreter loses no sample."""

import threading
import time
from collections.abc import Callable

from hocket.adapters.outputs import portaudio
from hocket.adapters.outputs.base import Output, OutputError, check_gain
from hocket.adapters.outputs.voice import Voice
from hocket.audio.events import DeviceTime, Lost, OutputEvent
from hocket.core.sound import AudioFormat

LATENCY_S = 0.15
"""What the device holds: rides out a busy machine, and a pause still feels immediate."""


class SpeakersOutput(Output):
    """Plays on a sound device, bit by bit what it is given where the device takes the track's format.

    device: part of a device's name, empty for the default one; latency_s: what the device holds.
    """

    def __init__(
        self, on_event: Callable[[OutputEvent], object], *, device: str = "", latency_s: float = LATENCY_S
    ) -> None:
        super().__init__(on_event)
        self._device_name = device
        self._most_latency_s = self._wanted_latency_s = latency_s
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._voice: Voice | None = None
        self._gain = 1.0
        self._past_underruns = 0
        self._past_lines = 0

    @property
    def format(self) -> AudioFormat | None:
        return None if self._voice is None else self._voice.format

    def open(self, format: AudioFormat, start_frame: int = 0, hold_s: float | None = None) -> None:
        was_lost = self._voice is not None and self._voice.is_lost
        latency_s = self._most_latency_s if hold_s is None else min(hold_s, self._most_latency_s)
        is_same = self._voice is not None and format == self._voice.format and latency_s == self._wanted_latency_s
        if is_same and not was_lost:
            self.pause()
            self.flush(start_frame)
            return
        self.close()
        device = self._pick(rescan=was_lost)
        self._wanted_latency_s = latency_s
        voice = Voice(device, format, self._wanted_latency_s, self._wake.set, start_frame, self._gain, self._past_lines)
        self._voice = voice
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, args=(voice,), name="speakers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        voice = self._voice
        if voice is None or self._thread is None:
            return
        self._is_closing = True
        self._wake.set()
        self._thread.join()
        portaudio.close_mixer(voice.mixer)
        self._past_underruns += voice.underruns
        self._past_lines = voice.last_line
        self._voice = self._thread = None

    def write(self, frames: bytes | bytearray | memoryview) -> int:
        voice = self._opened()
        data = memoryview(frames).cast("B")
        if len(data) % voice.format.bytes_per_frame:
            raise ValueError(f"{len(data)} bytes are no whole frames of {voice.format.bytes_per_frame}")
        with self._lock:
            accepted = voice.write(data, time.monotonic_ns())
        self._wake.set()
        return accepted

    def start(self, at_ns: int | None = None) -> None:
        self._play(True, at_ns)

    def pause(self, at_ns: int | None = None) -> None:
        self._play(False, at_ns)

    def flush(self, start_frame: int) -> None:
        with self._lock:
            self._opened().flush(start_frame, time.monotonic_ns())
        self._wake.set()

    def drain(self) -> None:
        with self._lock:
            self._opened().drain()
        self._wake.set()

    def set_volume(self, gain: float) -> None:
        check_gain(gain)
        with self._lock:
            self._gain = gain
            if self._voice is not None:
                self._voice.turn(gain)

    @property
    def room_frames(self) -> int:
        with self._lock:
            return 0 if self._voice is None else self._voice.room_frames

    @property
    def played_frames(self) -> int:
        with self._lock:
            return 0 if self._voice is None else self._voice.heard_frame(time.monotonic_ns())

    @property
    def queued_frames(self) -> int:
        with self._lock:
            if self._voice is None:
                return 0
            return self._voice.written_frame - self._voice.heard_frame(time.monotonic_ns())

    @property
    def underruns(self) -> int:
        with self._lock:
            return self._past_underruns + (0 if self._voice is None else self._voice.underruns)

    @property
    def latency_s(self) -> float:
        return self._wanted_latency_s if self._voice is None else self._voice.latency_s

    def device_time(self) -> DeviceTime | None:
        with self._lock:
            return None if self._voice is None else self._voice.device_time()

    def _opened(self) -> Voice:
        if self._voice is None:
            raise RuntimeError("the output is not open")
        return self._voice

    def _play(self, playing: bool, at_ns: int | None) -> None:
        with self._lock:
            self._opened().play(playing, time.monotonic_ns(), at_ns)
        self._wake.set()

    def _pick(self, rescan: bool) -> portaudio.Device:
        try:
            return portaudio.pick(self._device_name, portaudio.devices(rescan))
        except OutputError:
            if rescan:
                raise
            # Perhaps it was plugged in a moment ago.
            return portaudio.pick(self._device_name, portaudio.devices(rescan=True))

    def _run(self, voice: Voice) -> None:
        while not self._is_closing:
            self._wake.clear()
            with self._lock:
                now_ns = time.monotonic_ns()
                try:
                    events = voice.tick(now_ns)
                except OutputError as error:
                    events = [Lost(error)]
                wait_s = voice.wait_s(now_ns)
            for event in events:
                self._emit(event)
            if voice.is_lost:
                return
            self._wake.wait(wait_s)
