"""Tracks and devices with other numbers of channels."""

import numpy as np
import pytest

from hocket.audio.channels import map_channels, mixing_matrix


def frame(*values: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([values], np.float32)


def test_the_same_number_is_the_same_array() -> None:
    samples = frame(0.1, 0.2)
    assert map_channels(samples, 2) is samples


@pytest.mark.parametrize("target", [2, 4, 8])
def test_mono_comes_from_both_front_speakers_unchanged(target: int) -> None:
    assert map_channels(frame(0.3), target).tolist() == frame(0.3, 0.3, *[0.0] * (target - 2)).tolist()


def test_stereo_on_a_surround_device_stays_in_front() -> None:
    assert map_channels(frame(0.3, -0.2), 6).tolist() == frame(0.3, -0.2, 0, 0, 0, 0).tolist()


def test_stereo_to_mono_is_the_mean() -> None:
    assert map_channels(frame(0.5, -0.25), 1).tolist() == [[0.125]]


def test_surround_folds_left_to_left_and_drops_the_subwoofer() -> None:
    left = map_channels(frame(1, 0, 0, 0, 0, 0), 2)[0]
    centre = map_channels(frame(0, 0, 1, 0, 0, 0), 2)[0]
    rear_right = map_channels(frame(0, 0, 0, 0, 0, 1), 2)[0]
    assert left[0] > 0
    assert left[1] == 0
    assert centre[0] == centre[1] == pytest.approx(left[0] * 0.5**0.5)
    assert rear_right.tolist() == [0, pytest.approx(left[0] * 0.5**0.5)]
    assert map_channels(frame(0, 0, 0, 1, 0, 0), 2).tolist() == [[0, 0]]


@pytest.mark.parametrize("source", range(1, 9))
@pytest.mark.parametrize("target", range(1, 9))
def test_full_scale_everywhere_never_clips_and_nothing_audible_is_lost(source: int, target: int) -> None:
    matrix = mixing_matrix(source, target)
    assert matrix.shape == (source, target)
    assert np.all(matrix >= 0)
    assert matrix.sum(axis=0).max() <= 1 + 1e-6
    folded = source > target
    subwoofer = 3 if folded and source >= 6 else None
    assert [row for row in range(source) if not matrix[row].any()] == ([] if subwoofer is None else [subwoofer])


def test_too_many_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="9 channels"):
        map_channels(np.zeros((1, 9), np.float32), 2)
