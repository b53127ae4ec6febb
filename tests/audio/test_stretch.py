"""A track followed at speeds near one: the same bytes at one, no seam whatever the blocks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.audio.pcm import from_float, to_float
from hocket.audio.resample import AFTER, BEFORE
from hocket.audio.stretch import FADE_S, Stretch
from hocket.core.sound import AudioFormat

CD = AudioFormat(44_100, 2, 16)
FADE = round(FADE_S * CD.rate_hz)
FORMATS = [
    CD,
    AudioFormat(8_000, 1, 8),
    AudioFormat(96_000, 2, 24),
    AudioFormat(48_000, 6, 32),
    AudioFormat(48_000, 1, 32, is_float=True),
]


def noise(format: AudioFormat, frames: int) -> bytes:
    """Band-limited, not too loud: an ear's idea of music."""
    white = np.random.default_rng(7).normal(0, 0.2, (frames + 32, format.channels))
    smooth = sum(white[k : k + frames] for k in range(8)) / 8
    return from_float(np.asarray(smooth, np.float32), format)


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_at_one_the_tracks_own_bytes_pass(format: AudioFormat) -> None:
    rng = np.random.default_rng(3)
    data = rng.bytes(format.bytes_per_frame * 3_000)
    stretch = Stretch(format)
    stretch.anchor(100, fade=False)
    assert stretch.wanted_frame == 100 - BEFORE
    stretch.feed(data[stretch.wanted_frame * format.bytes_per_frame :])
    assert stretch.ready_frames(1.0) == 2_900, "no waiting for neighbours that are not needed"
    taken = b"".join(stretch.take(frames) for frames in (1, 1_000, 5, 5_000))
    assert taken == data[100 * format.bytes_per_frame :]
    assert stretch.position == 3_000


def test_the_start_of_a_track_needs_nothing_before_it() -> None:
    data = noise(CD, 1_000)
    stretch = Stretch(CD)
    stretch.anchor(0, fade=False)
    assert stretch.wanted_frame == 0
    stretch.feed(data)
    assert stretch.take(10) == data[:40]
    assert len(stretch.take(10, 1.0005)) == 40


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from([1.0, 0.9996, 1.0004, 1.001])), min_size=1, max_size=20),
    st.lists(st.integers(1, 200), min_size=1, max_size=10),
    st.floats(0, 1, exclude_max=True),
)
def test_blocks_leave_no_seam(takes: list[tuple[int, float]], feeds: list[int], fraction: float) -> None:
    """Fed and taken in any pieces, the output equals one taken from the whole track at once."""
    data = noise(CD, 8_000)
    pieces, whole = Stretch(CD), Stretch(CD)
    for stretch in (pieces, whole):
        stretch.anchor(50 + fraction, fade=False)
    whole.feed(data[whole.wanted_frame * 4 :])
    for index, (frames, ratio) in enumerate(takes):
        want = whole.take(frames, ratio)
        got = b""
        while len(got) < len(want):
            got += pieces.take(frames - len(got) // 4, ratio)
            start = pieces.wanted_frame * 4
            pieces.feed(data[start : start + 4 * feeds[index % len(feeds)]])
        difference = np.frombuffer(got, "<i2").astype(int) - np.frombuffer(want, "<i2")
        assert np.abs(difference).max() <= 1, "more than a rounding"
        assert pieces.position == pytest.approx(whole.position, abs=1e-9)


def test_a_stretched_track_is_where_it_says() -> None:
    """The output at k is the track at position(k): seen in a slow sine."""
    numbers = np.arange(60_000)
    data = from_float((0.8 * np.sin(numbers * 0.01)).astype(np.float32)[:, np.newaxis], AudioFormat(44_100, 1, 24))
    stretch = Stretch(AudioFormat(44_100, 1, 24))
    stretch.anchor(1_000.25, fade=False)
    stretch.feed(data[stretch.wanted_frame * 3 :])
    for ratio in (1.0, 1.0003, 0.9997, 1.0, 0.999):
        start = stretch.position
        got = to_float(stretch.take(5_000, ratio), AudioFormat(44_100, 1, 24))[:, 0]
        want = 0.8 * np.sin((start + ratio * np.arange(5_000)) * 0.01)
        assert np.abs(got - want).max() < 2e-5
        assert stretch.position == pytest.approx(start + 5_000 * ratio, abs=1e-6)


def test_memory_stays_small_however_long_it_plays() -> None:
    stretch = Stretch(CD)
    stretch.anchor(0)
    block = bytes(4 * 4_410)
    for _ in range(200):
        stretch.feed(block)
        stretch.take(10_000, 1.0002)
    assert len(stretch._data) < 4 * 64


@pytest.mark.parametrize("ratio", [1.0, 1.0007])
def test_a_new_place_fades_in_and_an_old_one_out(ratio: float) -> None:
    ones = np.full((4_000, 2), 20_000, "<i2").tobytes()
    stretch = Stretch(CD)
    stretch.anchor(500)
    stretch.feed(ones[stretch.wanted_frame * 4 :])
    head = b"".join(stretch.take(frames, ratio) for frames in (50, 100, FADE))
    gains = np.frombuffer(head, "<i2").reshape(-1, 2)[:, 0] / 20_000
    assert gains[0] == 0
    assert np.abs(np.diff(gains[: FADE + 1]) - 1 / FADE).max() < 1e-3
    assert np.all(np.abs(gains[FADE:] - 1) < 1e-4)
    tail = np.frombuffer(stretch.fade_out(ratio), "<i2").reshape(-1, 2)[:, 0] / 20_000
    assert len(tail) == FADE
    assert tail[0] == pytest.approx(1.0, abs=1e-4)
    assert tail[-1] == 0
    assert np.all(np.diff(tail) < 0)


@pytest.mark.parametrize("ratio", [1.0, 1.0003, 0.9997])
def test_the_end_of_a_track_can_be_reached(ratio: float) -> None:
    data = noise(CD, 1_000)
    stretch = Stretch(CD)
    stretch.anchor(900, fade=False)
    stretch.feed(data[stretch.wanted_frame * 4 :])
    taken = len(stretch.take(10_000, ratio)) // 4
    assert taken == math.ceil((100 if ratio == 1.0 else 100 - AFTER) / ratio)
    stretch.end()
    taken += len(stretch.take(10_000, ratio)) // 4
    assert taken == math.ceil(100 / ratio)
    assert stretch.take(1, ratio) == b""
    assert stretch.fade_out(ratio) == b""


def test_another_anchor_forgets_what_was_fed() -> None:
    data = noise(CD, 5_000)
    stretch = Stretch(CD)
    stretch.anchor(10, fade=False)
    stretch.feed(data[stretch.wanted_frame * 4 :])
    stretch.take(100, 1.0003)
    stretch.anchor(3_000, fade=False)
    assert stretch.ready_frames(1.0) == 0
    stretch.feed(data[stretch.wanted_frame * 4 :])
    assert stretch.take(7) == data[12_000:12_028]


def test_broken_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="whole frames"):
        Stretch(CD).feed(b"abc")


def test_a_place_before_the_track_is_refused() -> None:
    with pytest.raises(ValueError, match="no frame -1"):
        Stretch(CD).anchor(-1)
