"""Band-limited noise: a sound whose place can be told to a fraction of a microsecond."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt


def noise(seconds: float, *, rate_hz: int = 48_000, seed: int = 1) -> npt.NDArray[np.int16]:
    """Noise from 200 Hz to 8 kHz, equal on both channels; shape (frames, 2)."""
    count = round(seconds * rate_hz)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum[(frequency_hz < 200) | (frequency_hz > 8000)] = 0
    sound = np.fft.irfft(spectrum, count)
    return np.repeat((sound / np.abs(sound).max() * 20_000).astype(np.int16)[:, np.newaxis], 2, axis=1)


def write_wav(path: Path, frames: npt.NDArray[np.int16], *, rate_hz: int = 48_000) -> Path:
    """A 16-bit WAV of these frames, shape (frames, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(frames.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(frames.astype("<i2").tobytes())
    return path
