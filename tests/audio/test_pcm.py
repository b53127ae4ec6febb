"""PCM to float32 and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.audio.pcm import from_float, to_float
from hocket.core.sound import AudioFormat

INTEGERS = [AudioFormat(44_100, channels, bits) for channels in (1, 2, 6) for bits in (8, 16, 24)]
ALL = [*INTEGERS, AudioFormat(48_000, 2, 32), AudioFormat(48_000, 3, 32, is_float=True)]


def every_level(bits: int) -> bytes:
    """All levels of 8 and 16 bits; of 24 bits the ends, the middle and a spread."""
    if bits == 24:
        edges = [-(2**23), -(2**23) + 1, -1, 0, 1, 2**23 - 2, 2**23 - 1]
        levels = [*edges, *range(-(2**23), 2**23, 4_999)]
        return b"".join(level.to_bytes(3, "little", signed=True) for level in levels)
    return b"".join(level.to_bytes(bits // 8, "little") for level in range(2**bits))


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_every_level_survives_bit_by_bit(bits: int) -> None:
    mono = AudioFormat(44_100, 1, bits)
    data = every_level(bits)
    samples = to_float(data, mono)
    assert samples.dtype == np.float32
    assert samples.min() == -1.0
    assert samples.max() == 1.0 - 2.0 ** -(bits - 1)
    assert from_float(samples, mono) == data


@given(st.sampled_from(INTEGERS), st.binary(max_size=600))
def test_any_integer_pcm_survives(format: AudioFormat, data: bytes) -> None:
    data = data[: format.frames_in(len(data)) * format.bytes_per_frame]
    samples = to_float(data, format)
    assert samples.shape == (format.frames_in(len(data)), format.channels)
    assert from_float(samples, format) == data


def test_channels_stay_apart() -> None:
    data = np.array([[1, -2], [3, -4]], "<i2").tobytes()
    assert (to_float(data, AudioFormat(44_100, 2, 16)) * 32768).tolist() == [[1, -2], [3, -4]]


def test_known_levels() -> None:
    assert to_float(b"\x00\x80\xff", AudioFormat(8_000, 1, 8)).ravel().tolist() == [-1.0, 0.0, 127 / 128]
    assert to_float(b"\x00\x00\x80\x00\x00\x40", AudioFormat(8_000, 1, 24)).ravel().tolist() == [-1.0, 0.5]
    assert to_float(b"\x00\x00\x00\xc0", AudioFormat(8_000, 1, 32)).ravel().tolist() == [-0.5]


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1))
def test_32_bit_integers_are_kept_to_24_significant_bits(levels: list[int]) -> None:
    wide = AudioFormat(48_000, 1, 32)
    back = np.frombuffer(from_float(to_float(np.array(levels, "<i4").tobytes(), wide), wide), "<i4")
    assert np.abs(back.astype(np.int64) - np.array(levels, np.int64)).max() <= 128
    coarse = np.array(levels, "<i4") & ~np.int32(0xFF)
    assert from_float(to_float(coarse.tobytes(), wide), wide) == coarse.tobytes()


def test_float_passes_untouched_nan_and_all() -> None:
    floats = AudioFormat(48_000, 2, 32, is_float=True)
    data = np.array([[0.1, -0.0], [np.nan, 3.5]], "<f4").tobytes()
    assert from_float(to_float(data, floats), floats) == data


@pytest.mark.parametrize("format", [AudioFormat(8_000, 1, bits) for bits in (8, 16, 24, 32)], ids=str)
def test_overload_is_clipped_and_nan_is_silence(format: AudioFormat) -> None:
    samples = np.array([[2.0], [-2.0], [np.inf], [-np.inf], [np.nan]], np.float32)
    back = to_float(from_float(samples, format), format).ravel()
    top = 1.0 if format.bits == 32 else 1.0 - 2.0 ** -(format.bits - 1)
    assert back.tolist() == [top, -1.0, top, -1.0, 0.0]


@pytest.mark.parametrize("format", ALL, ids=str)
def test_a_broken_frame_is_refused(format: AudioFormat) -> None:
    assert to_float(b"", format).shape == (0, format.channels)
    if format.bytes_per_frame > 1:
        with pytest.raises(ValueError, match="whole frames"):
            to_float(bytes(format.bytes_per_frame + 1), format)


@pytest.mark.parametrize("format", [AudioFormat(8_000, 1, 40), AudioFormat(8_000, 1, 64, is_float=True)], ids=str)
def test_unknown_widths_are_refused(format: AudioFormat) -> None:
    with pytest.raises(ValueError, match="not PCM that we know"):
        to_float(bytes(40), format)
