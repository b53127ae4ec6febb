"""Interpolation against the mathematics of sines."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hocket.audio.pcm import Samples
from hocket.audio.resample import AFTER, BEFORE, interpolate

RATE_HZ = 44_100


def sine(frequency_hz: float, at: NDArray[np.floating]) -> Samples:
    wave = 0.9 * np.sin(2 * np.pi * frequency_hz / RATE_HZ * at)
    return np.stack([wave, -wave], axis=1).astype(np.float32)


@pytest.mark.parametrize("ratio", [1.0, 1.001, 0.999, 1.000137])
@pytest.mark.parametrize(("frequency_hz", "worst_db"), [(100, -88), (1_000, -86), (10_000, -86), (14_000, -80)])
def test_a_sine_stays_a_sine(ratio: float, frequency_hz: float, worst_db: float) -> None:
    source = sine(frequency_hz, np.arange(9_000.0))
    got = interpolate(source, 100.3, ratio, 8_000)
    want = sine(frequency_hz, 100.3 + ratio * np.arange(8_000))
    error_db = 10 * np.log10(np.mean((got - want) ** 2) / np.mean(want**2))
    assert error_db < worst_db


def test_whole_indices_are_the_samples_themselves() -> None:
    source = np.random.default_rng(1).uniform(-1, 1, (500, 2)).astype(np.float32)
    assert np.array_equal(interpolate(source, 20.0, 1.0, 400), source[20:420])


def test_a_constant_stays_constant_at_every_phase() -> None:
    source = np.full((3_000, 1), 0.5, np.float32)
    assert interpolate(source, 10.0, 1.000_7, 2_900) == pytest.approx(0.5, abs=1e-6)


def test_missing_neighbours_are_refused() -> None:
    source = np.zeros((100, 1), np.float32)
    assert len(interpolate(source, BEFORE, 1.0, 100 - BEFORE - AFTER)) == 100 - BEFORE - AFTER
    for start, frames in ((BEFORE - 1, 10), (BEFORE, 100 - BEFORE - AFTER + 1)):
        with pytest.raises(ValueError, match="are needed"):
            interpolate(source, start, 1.0, frames)
    assert interpolate(source, 0.0, 1.0, 0).shape == (0, 1)
