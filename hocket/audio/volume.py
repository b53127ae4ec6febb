"""Volume without steps: a change becomes a short ramp over absolute frames."""

import numpy as np

from hocket.audio.pcm import Samples

RAMP_S = 0.02
"""Short enough to feel immediate, long enough that no step is heard."""


class VolumeRamp:
    """Gain as a function of the frame: constant, then linear over RAMP_S to what was last asked for."""

    def __init__(self, rate_hz: int, gain: float = 1.0) -> None:
        self._ramp_frames = max(1, round(rate_hz * RAMP_S))
        self._before = self._after = gain
        self._start_frame = 0

    def turn(self, gain: float, at_frame: int) -> None:
        """Move to gain (0 to 1) from at_frame on, from wherever the gain is there."""
        self._before = self.gain_at(at_frame)
        self._after = gain
        self._start_frame = at_frame

    def settle(self) -> None:
        """Forget the ramp: every frame has the gain that was asked for (after a seek, frames count anew)."""
        self._before = self._after

    def gain_at(self, frame: int) -> float:
        done = min(1.0, max(0.0, (frame - self._start_frame) / self._ramp_frames))
        return self._before * (1.0 - done) + self._after * done

    def apply(self, samples: Samples, first_frame: int) -> Samples:
        """samples x gain, the first of them being first_frame; the same array where the gain is 1 throughout."""
        if self._before == self._after or first_frame >= self._start_frame + self._ramp_frames:
            return samples if self._after == 1.0 else samples * np.float32(self._after)
        if first_frame + len(samples) <= self._start_frame:
            return samples if self._before == 1.0 else samples * np.float32(self._before)
        frames = np.arange(first_frame - self._start_frame, first_frame - self._start_frame + len(samples))
        done = np.clip(frames / self._ramp_frames, 0.0, 1.0)
        gains = self._before * (1.0 - done) + self._after * done
        return samples * gains.astype(np.float32)[:, np.newaxis]
