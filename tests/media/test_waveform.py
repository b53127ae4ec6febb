"""Waveforms: every sample counts, in every format."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.media.waveform import COLUMNS, PIECE_BYTES, peak_of, waveform


def track_of(form: AudioFormat, data: bytes, offset: int = 0) -> Track:
    frames = form.frames_in(len(data))
    return Track(TrackId("a" * 64), "a.wav", "a", format=form, frames=frames, size_bytes=offset + len(data),
                 data_offset_bytes=offset, data_bytes=frames * form.bytes_per_frame)  # fmt: skip


def read(data: bytes, track: Track) -> bytes:
    return waveform(track, lambda offset, size: data[offset : offset + size])


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=200))
def test_a_peak_is_that_of_the_loudest_sample(values: list[int]) -> None:
    found = peak_of(struct.pack(f"<{len(values)}h", *values), AudioFormat(44_100, 1, 16))
    loudest = max(abs(value) for value in values)
    assert abs(found - loudest / 32768 * 255) <= 3


@pytest.mark.parametrize(
    ("form", "half", "full"),
    [
        (AudioFormat(8000, 1, 8), b"\xc0", b"\x00"),
        (AudioFormat(8000, 1, 16), b"\x00\x40", b"\x00\x80"),
        (AudioFormat(8000, 1, 24), b"\x00\x00\xc0", b"\x00\x00\x80"),
        (AudioFormat(8000, 1, 32), b"\x00\x00\x00\x40", b"\x00\x00\x00\x80"),
        (AudioFormat(8000, 1, 32, True), struct.pack("<f", -0.5), struct.pack("<f", 1.5)),
        (AudioFormat(8000, 1, 64, True), struct.pack("<d", 0.5), struct.pack("<d", -1.0)),
    ],
)
def test_all_formats(form: AudioFormat, half: bytes, full: bytes) -> None:
    silence = b"\x80" * 50 if form.bits == 8 else bytes(len(half)) * 50
    assert peak_of(silence, form) == 0
    assert abs(peak_of(silence + half, form) - 128) <= 1
    assert peak_of(half + silence + full, form) == 255


def test_the_column_where_the_click_is_stands_out() -> None:
    form = AudioFormat(44_100, 2, 16)
    frames = COLUMNS * 100
    data = bytearray(44 + frames * 4)
    at = 44 + (700 * 100 + 50) * 4
    data[at : at + 2] = b"\xff\x7f"
    peaks = read(bytes(data), track_of(form, bytes(data[44:]), 44))
    assert len(peaks) == COLUMNS
    assert [column for column, peak in enumerate(peaks) if peak] == [700]


def test_a_click_behind_the_first_piece_of_a_long_column_is_seen() -> None:
    form = AudioFormat(8000, 1, 8)
    size = COLUMNS * (PIECE_BYTES + 1000)
    click = PIECE_BYTES + 500

    def read_at(offset: int, count: int) -> bytes:
        inside = bytearray(b"\x80" * count)
        if offset <= click < offset + count:
            inside[click - offset] = 255
        return bytes(inside)

    track = track_of(form, b"")
    long = Track(track.id, "a", "a", format=form, frames=size, size_bytes=size, data_bytes=size)
    peaks = waveform(long, read_at)
    assert peaks[0] > 250
    assert not any(peaks[1:])


def test_short_and_unplayable_tracks() -> None:
    form = AudioFormat(44_100, 2, 16)
    assert len(read(bytes(12), track_of(form, bytes(12)))) == 3
    with pytest.raises(ValueError, match="no format"):
        waveform(Track(TrackId(""), "a", "a", problem="broken"), lambda offset, size: b"")


def test_not_a_number_is_no_peak() -> None:
    assert peak_of(struct.pack("<3f", float("nan"), 0.25, float("nan")), AudioFormat(8000, 1, 32, True)) == 64
