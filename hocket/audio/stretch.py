"""A track read a hair faster or slower than it is, to follow another clock."""

import math

import numpy as np

from hocket.audio.pcm import Samples, from_float, to_float
from hocket.audio.resample import AFTER, BEFORE, interpolate
from hocket.core.sound import AudioFormat

FADE_S = 0.005
"""A new place begins, and an old one ends, with this ramp: no click, and nothing that sounds like a gap."""


class Stretch:
    """Takes a track's bytes in order, gives bytes of the same format from where it was anchored.

    At a ratio of exactly 1 from a whole frame on they are the track's own bytes, for every format.
    """

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._fade_frames = round(FADE_S * format.rate_hz)
        self._frame = 0  # the next output lies at this frame of the track…
        self._fraction = 0.0  # …and so much of a frame after it
        self._data = bytearray()
        self._first = 0  # the frame that _data begins with; negative: silence before the track
        self._faded = 0  # frames since the anchor, up to _fade_frames
        self._ended = False

    @property
    def position(self) -> float:
        """Where in the track the next output frame lies, in frames."""
        return self._frame + self._fraction

    @property
    def wanted_frame(self) -> int:
        """The frame of the track that `feed` takes next."""
        return self._first + self._held_frames

    def anchor(self, position: float, *, fade: bool = True) -> None:
        """Go on at this place of the track; what was fed is forgotten. Then see `wanted_frame`."""
        if position < 0:
            raise ValueError(f"a track has no frame {position}")
        self._frame = math.floor(position)
        self._fraction = position - self._frame
        self._first = self._frame - BEFORE
        self._data.clear()
        if self._first < 0:
            self._data += self._silence(min(BEFORE, -self._first))
        self._faded = 0 if fade else self._fade_frames
        self._ended = False

    def feed(self, frames: bytes | bytearray | memoryview) -> None:
        """Whole frames of the track, from `wanted_frame` on."""
        if len(frames) % self._format.bytes_per_frame:
            raise ValueError(f"{len(frames)} bytes are no whole frames of {self._format.bytes_per_frame}")
        self._data += frames

    def end(self) -> None:
        """The track is over: what was fed can be taken to its last frame."""
        self._ended = True

    def ready_frames(self, ratio: float) -> int:
        """How many frames `take` can give at this ratio."""
        ahead = self.wanted_frame - self._frame
        if not self._is_exact(ratio) and not self._ended:
            ahead -= AFTER
        frames = max(0, math.ceil((ahead - self._fraction) / ratio))
        if frames and self._reach(frames, ratio) >= ahead:
            frames -= 1  # the division was rounded up
        return frames

    def take(self, frames: int, ratio: float = 1.0) -> bytes:
        """Up to so many frames, each `ratio` track frames after the one before."""
        frames = min(frames, self.ready_frames(ratio))
        if frames <= 0:
            return b""
        exact = self._is_exact(ratio)
        if exact and self._faded == self._fade_frames:
            taken = self._bytes(self._frame, self._frame + frames)
        else:
            samples = self._samples(frames, ratio, exact)
            if self._faded < self._fade_frames:
                samples = samples * _ramp(self._faded, frames, self._fade_frames)
                self._faded = min(self._fade_frames, self._faded + frames)
            taken = from_float(samples, self._format)
        self._move(frames, ratio)
        return taken

    def fade_out(self, ratio: float = 1.0) -> bytes:
        """The next frames, falling to silence within FADE_S: the end of this place."""
        frames = min(self._fade_frames, self.ready_frames(ratio))
        if frames <= 0:
            return b""
        samples = self._samples(frames, ratio, self._is_exact(ratio)) * (1 - _ramp(0, frames, frames - 1))
        self._move(frames, ratio)
        return from_float(samples, self._format)

    @property
    def _held_frames(self) -> int:
        return len(self._data) // self._format.bytes_per_frame

    def _is_exact(self, ratio: float) -> bool:
        return ratio == 1.0 and self._fraction == 0.0

    def _samples(self, frames: int, ratio: float, exact: bool) -> Samples:
        if exact:
            return to_float(self._bytes(self._frame, self._frame + frames), self._format)
        first = self._frame - BEFORE
        end = self._frame + self._reach(frames, ratio) + AFTER + 1
        samples = to_float(self._bytes(first, end), self._format)
        missing = end - first - len(samples)  # behind the end of the track
        if missing > 0:
            samples = np.pad(samples, ((0, missing), (0, 0)))
        return interpolate(samples, BEFORE + self._fraction, ratio, frames)

    def _reach(self, frames: int, ratio: float) -> int:
        """How many frames of the track the last of so many outputs lies ahead; as `interpolate` reckons."""
        return math.floor(BEFORE + self._fraction + ratio * (frames - 1)) - BEFORE

    def _bytes(self, first: int, end: int) -> bytes:
        frame_bytes = self._format.bytes_per_frame
        return bytes(self._data[(first - self._first) * frame_bytes : (end - self._first) * frame_bytes])

    def _move(self, frames: int, ratio: float) -> None:
        distance = self._fraction + frames * ratio
        self._frame += math.floor(distance)
        self._fraction = distance - math.floor(distance)
        passed = min(self._held_frames, self._frame - BEFORE - self._first)
        if passed > 0:
            del self._data[: passed * self._format.bytes_per_frame]
            self._first += passed

    def _silence(self, frames: int) -> bytes:
        return from_float(np.zeros((frames, self._format.channels), np.float32), self._format)


def _ramp(done: int, frames: int, length: int) -> Samples:
    """(frames, 1) gains, the first of them `done` steps into a rise from 0 to 1 over `length` frames."""
    rise = np.clip((done + np.arange(frames)) / max(1, length), 0.0, 1.0).astype(np.float32)
    return rise[:, np.newaxis]
