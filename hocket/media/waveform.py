"""A track's waveform: for each of COLUMNS equal parts of it the highest peak, as one byte.

Without numpy, and yet every sample is looked at: the most significant byte of each sample is picked by a
strided slice, made a magnitude by `bytes.translate`, and the maximum found by searching for values from
the top down, all of which run at the speed of memory. A minute of CD audio costs a few milliseconds.
"""

from array import array
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from hocket.core.sound import AudioFormat
from hocket.core.track import Track

COLUMNS: Final = 800
"""As many bars as a wide window has room for, twice over."""

PIECE_BYTES: Final = 64 * 1024
"""Read at once: longer parts are looked at piece by piece, so that memory stays small."""

_FLOATS_A_PIECE: Final = 256
"""Of floating point samples only so many of a piece are looked at: their magnitude does not lie in one byte."""

ReadAt = Callable[[int, int], bytes]
"""(offset_bytes, size_bytes) -> the file's bytes there; fewer at its end."""


def waveform(track: Track, read_at: ReadAt) -> bytes:
    """COLUMNS peaks of 0 (silence) to 255 (full scale), of all channels together; fewer for a very short track.

    Raises ValueError for a track that cannot play, and what read_at raises.
    """
    if track.format is None:
        raise ValueError(f"{track.name} has no format")
    return bytes(_peak(track.format, track.data_offset_bytes, start, end, read_at) for start, end in _parts(track))


def _parts(track: Track) -> Iterator[tuple[int, int]]:
    """The parts in bytes of audio data, in whole frames."""
    assert track.format is not None
    frame_bytes = track.format.bytes_per_frame
    columns = min(COLUMNS, track.frames)
    for column in range(columns):
        yield column * track.frames // columns * frame_bytes, (column + 1) * track.frames // columns * frame_bytes


def _peak(form: AudioFormat, data_offset_bytes: int, start: int, end: int, read_at: ReadAt) -> int:
    piece_bytes = PIECE_BYTES // form.bytes_per_frame * form.bytes_per_frame
    highest = 0
    for at in range(start, end, piece_bytes):
        data = read_at(data_offset_bytes + at, min(piece_bytes, end - at))
        highest = max(highest, peak_of(data, form))
        if highest == 255:
            break
    return highest


def peak_of(data: bytes, form: AudioFormat) -> int:
    """The highest magnitude in PCM data, 0 to 255."""
    if form.is_float:
        return _float_peak(data, form.bits)
    width = form.bits // 8
    top = data[width - 1 :: width].translate(_magnitudes(is_signed=form.bits > 8))
    return min(255, 2 * _highest(top, 128))


def _highest(magnitudes: bytes, limit: int) -> int:
    return next((value for value in range(limit, 0, -1) if value in magnitudes), 0)


@cache
def _magnitudes(*, is_signed: bool) -> bytes:
    """Most significant byte -> distance from silence, 0 to 128."""
    if is_signed:
        return bytes(value if value < 128 else 256 - value for value in range(256))
    return bytes(abs(value - 128) for value in range(256))


def _float_peak(data: bytes, bits: int) -> int:
    samples = array("d" if bits == 64 else "f")
    samples.frombytes(data[: len(data) // samples.itemsize * samples.itemsize])
    # An odd step, so that every channel has its turn.
    step = max(1, len(samples) // _FLOATS_A_PIECE) | 1
    highest = max((abs(sample) for sample in samples[::step] if sample == sample), default=0.0)
    return min(255, round(min(1.0, highest) * 255))
