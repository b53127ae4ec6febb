"""The volume ramp: exact at 1, no steps, the same whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.audio.volume import RAMP_S, VolumeRamp

RATE_HZ = 10_000
RAMP_FRAMES = round(RATE_HZ * RAMP_S)
ONES = np.ones((2_000, 2), np.float32)


def test_at_full_volume_the_array_itself_passes() -> None:
    ramp = VolumeRamp(RATE_HZ)
    assert ramp.apply(ONES, 0) is ONES
    ramp.turn(0.5, 100)
    ramp.turn(1.0, 5_000)
    assert ramp.apply(ONES, 5_000 + RAMP_FRAMES) is ONES


def test_a_change_is_a_straight_ramp() -> None:
    ramp = VolumeRamp(RATE_HZ)
    ramp.turn(0.0, 500)
    gains = ramp.apply(ONES, 0)[:, 0]
    assert np.all(gains[:501] == 1.0)
    assert np.all(gains[500 + RAMP_FRAMES :] == 0.0)
    assert np.diff(gains[500 : 501 + RAMP_FRAMES]) == pytest.approx(-1 / RAMP_FRAMES, abs=1e-6)


def test_mute_is_digital_silence() -> None:
    ramp = VolumeRamp(RATE_HZ, 0.0)
    assert not ramp.apply(ONES, 0).any()


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 300)), min_size=1, max_size=8),
    st.lists(st.integers(1, 200), min_size=1, max_size=8),
)
def test_no_step_is_larger_than_the_ramps(turns: list[tuple[float, int]], blocks: list[int]) -> None:
    """Turned at any moments, applied in any blocks: neighbouring gains differ by a ramp's slope at most."""
    ramp = VolumeRamp(RATE_HZ)
    frame = 0
    pieces = []
    for index, (gain, frames) in enumerate(turns):
        ramp.turn(gain, frame)
        end = frame + frames
        while frame < end:
            block = min(end - frame, blocks[index % len(blocks)])
            pieces.append(ramp.apply(ONES[:block], frame))
            frame += block
    pieces.append(ramp.apply(ONES[: RAMP_FRAMES + 1], frame))
    gains = np.concatenate(pieces)[:, 0]
    assert np.abs(np.diff(gains, prepend=1.0)).max() <= 1 / RAMP_FRAMES + 1e-6
    assert gains[-1] == np.float32(turns[-1][0])
