"""When a frame leaves the sound device, measured with silence.

rtmixer tells the exact instant at which an action began, but not when a later frame of it sounds. So
a second action, silent, is started beside the music every now and then. Both advance together, block
by block: the difference of their counts is the music's frame at the silence's instant.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from hocket.core.clock import NS_PER_S

SILENCE_S = 0.5
"""Long enough to be looked at twice while it lasts, however busy this program is."""

_SAME_CLOCK_NS = 100_000
"""A stream clock so near to the monotonic one is the monotonic one, read a little later."""

_CLOCK_STEP_NS = 1_000_000
"""A stream clock that moved so far within a measurement was set by somebody: the measurement is void."""


class StreamClock:
    """PortAudio's clock of a stream against the monotonic clock; on Linux it may be the wall clock."""

    def __init__(self, mixer: Any, error_type: type[Exception], on_lost: Callable[[], None]) -> None:
        self._mixer = mixer
        self._error_type = error_type
        self._on_lost = on_lost
        self._last_offset_ns = 0

    def offset_ns(self) -> int:
        """Stream time minus monotonic time, by the quickest of three readings; of a lost device the last one."""
        readings: list[tuple[int, int]] = []
        for _ in range(3):
            before_ns = time.monotonic_ns()
            try:
                stream_s = float(self._mixer.time)
            except self._error_type:
                self._on_lost()
                return self._last_offset_ns
            after_ns = time.monotonic_ns()
            readings.append((after_ns - before_ns, round(stream_s * NS_PER_S) - (before_ns + after_ns) // 2))
        _, offset_ns = min(readings)
        self._last_offset_ns = 0 if abs(offset_ns) < _SAME_CLOCK_NS else offset_ns
        return self._last_offset_ns

    def stream_time(self, monotonic_ns: int) -> float:
        return (monotonic_ns + self.offset_ns()) / NS_PER_S


class DeviceClock:
    """Measures points of the line from frames to time, one after another."""

    def __init__(self, mixer: Any, rate_hz: int, stream: StreamClock) -> None:
        self._mixer = mixer
        self._stream = stream
        self._silence = np.zeros(round(rate_hz * SILENCE_S), np.float32)
        self._music: Any = None
        self._marker: Any = None
        self._offset_ns = 0
        self._seen: tuple[int, int] | None = None  # (music frames, lead of the music) at the first look

    def forget(self) -> None:
        """Drop the measurement under way: the device's line was broken."""
        self._marker = None

    def began_ns(self, action: Any) -> int:
        """When the first frame of a running action leaves the device."""
        return round(float(action.actual_time) * NS_PER_S) - self._stream.offset_ns()

    def look(self, music: Any) -> tuple[int, int] | None:
        """A new point, if one is ready: (frames of the action `music`, monotonic_ns).

        To be called again and again while music plays; starts the next measurement by itself.
        """
        if self._marker is None or self._music is not music:
            self._begin(music)
            return None
        looked = self._counts()
        if looked is None:
            if self._marker not in self._mixer.actions:
                self._begin(music)
            return None
        if self._seen is None or self._seen[1] != looked[1]:
            self._seen = looked
            return None
        if self._seen[0] == looked[0]:
            return None  # not a block further: the callback may still be between its two counts
        offset_ns = self._stream.offset_ns()
        at_ns = round(float(self._marker.actual_time) * NS_PER_S) - offset_ns
        is_sound = abs(offset_ns - self._offset_ns) < _CLOCK_STEP_NS
        self._begin(music)
        return (looked[1], at_ns) if is_sound else None

    def _begin(self, music: Any) -> None:
        self._music = music
        self._seen = None
        self._offset_ns = self._stream.offset_ns()
        self._marker = self._mixer.play_buffer(self._silence, channels=1)

    def _counts(self) -> tuple[int, int] | None:
        """(frames of music, its lead over the silence), or None where the silence has not begun or is over."""
        before = int(self._music.done_frames)
        silence = int(self._marker.done_frames)
        if int(self._music.done_frames) != before or not 0 < silence < len(self._silence):
            return None
        return before, before - silence
