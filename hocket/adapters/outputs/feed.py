"""The frames on their way to a C callback: a lock-free ring, and what its frames were before the volume."""

from collections import deque
from copy import copy
from typing import Any

import numpy as np

from hocket.audio.channels import map_channels
from hocket.audio.pcm import Samples, to_float
from hocket.audio.volume import VolumeRamp
from hocket.core.sound import AudioFormat

_SAMPLE_BYTES = 4
_PATIENCE = (1, 2, 4)


class Feed:
    """One unbroken run of frames, from `start_frame` on, for a device of `channels` channels.

    The callback reads `ring` on its own; everything here is for the one thread that writes.
    """

    def __init__(
        self, rtmixer: Any, format: AudioFormat, channels: int, buffer_frames: int, start_frame: int, gain: float
    ) -> None:
        size_frames = 1 << (buffer_frames - 1).bit_length()
        self._memory = np.zeros((size_frames, channels), np.float32)
        self.ring: Any = rtmixer.RingBuffer(channels * _SAMPLE_BYTES, buffer=self._memory)
        self.start_frame = self.written_frame = start_frame
        self._format = format
        self._buffer_frames = buffer_frames
        self._ramp = VolumeRamp(format.rate_hz, gain)
        self._sources: deque[tuple[int, Samples]] = deque()  # (first frame, samples at full volume)

    @property
    def waiting_frames(self) -> int:
        """Written and not yet read by the callback."""
        return int(self.ring.read_available)

    @property
    def room_frames(self) -> int:
        return self._buffer_frames - self.waiting_frames

    def write(self, frames: memoryview) -> None:
        """Whole frames in the track's format, no more than room_frames."""
        samples = to_float(frames, self._format)
        if self._format.is_float:
            samples = np.nan_to_num(samples, posinf=1.0, neginf=-1.0)  # a copy, too: the caller keeps its buffer
        samples = map_channels(samples, self._memory.shape[1])
        self._forget_read()
        self._sources.append((self.written_frame, samples))
        self._put(self.written_frame, self._ramp.apply(samples, self.written_frame))
        self.written_frame += len(samples)
        self.ring.advance_write_index(len(samples))

    def turn(self, gain: float, margin_frames: int) -> None:
        """Change the volume of what already waits, but for the margin that the callback reads meanwhile."""
        self._forget_read()
        for patience in _PATIENCE:
            from_frame = min(self.written_frame, self._read_frame + margin_frames * patience)
            ramp = copy(self._ramp)
            ramp.turn(gain, from_frame)
            turned = [
                (start, ramp.apply(samples[start - first_frame :], start))
                for first_frame, samples in self._sources
                if (start := max(first_frame, from_frame)) < first_frame + len(samples)
            ]
            # Computing may have taken long on a busy machine: a ramp that has been overtaken would be a step.
            if self._read_frame + margin_frames // 2 <= from_frame:
                break
        self._ramp = ramp
        for first_frame, samples in turned:
            self._put(first_frame, samples)

    def _put(self, first_frame: int, samples: Samples) -> None:
        start = (first_frame - self.start_frame) % len(self._memory)
        whole = min(len(samples), len(self._memory) - start)
        self._memory[start : start + whole] = samples[:whole]
        self._memory[: len(samples) - whole] = samples[whole:]

    @property
    def _read_frame(self) -> int:
        return self.written_frame - self.waiting_frames

    def _forget_read(self) -> None:
        read_frame = self._read_frame
        while self._sources and self._sources[0][0] + len(self._sources[0][1]) <= read_frame:
            self._sources.popleft()
