"""PCM bytes <-> float32 samples in [-1, 1).

8, 16 and 24 bits survive the way there and back bit by bit: float32 holds 24 significant bits.
32-bit integers are rounded to those 24 (an error of at most 2^-25 of full scale, -150 dB).
"""

import numpy as np
from numpy.typing import NDArray

from hocket.core.sound import AudioFormat

Samples = NDArray[np.float32]
"""(frames, channels)"""


def to_float(data: bytes | bytearray | memoryview, format: AudioFormat) -> Samples:
    """Whole frames of little-endian interleaved PCM as samples, (frames, channels).

    May share memory with data. Raises ValueError for a broken last frame or an unknown width.
    """
    if len(data) % format.bytes_per_frame:
        raise ValueError(f"{len(data)} bytes are no whole frames of {format.bytes_per_frame}")
    return _decode(data, format).reshape(-1, format.channels)


def from_float(samples: Samples, format: AudioFormat) -> bytes:
    """Samples as PCM bytes, rounded to nearest; what lies outside of full scale is clipped, NaN is silence."""
    if format.is_float:
        return samples.astype("<f4").tobytes()
    if format.bits == 32:
        return _quantise(samples.astype(np.float64), 32).astype("<i4").tobytes()
    levels = _quantise(samples, format.bits)
    if format.bits == 8:
        return (levels + np.float32(128)).astype(np.uint8).tobytes()
    if format.bits == 16:
        return levels.astype("<i2").tobytes()
    _require(format.bits == 24, format)
    return levels.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :3].tobytes()


def _decode(data: bytes | bytearray | memoryview, format: AudioFormat) -> Samples:
    if format.is_float:
        _require(format.bits == 32, format)
        return np.frombuffer(data, "<f4").astype(np.float32, copy=False)
    if format.bits == 8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) * np.float32(2**-7)
    if format.bits == 16:
        return np.frombuffer(data, "<i2").astype(np.float32) * np.float32(2**-15)
    if format.bits == 32:
        return np.frombuffer(data, "<i4").astype(np.float32) * np.float32(2**-31)
    _require(format.bits == 24, format)
    packed = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(packed), 4), np.uint8)
    wide[:, 1:] = packed  # in the upper three bytes the sign is where int32 has it
    return wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2**-31)


def _quantise(samples: NDArray[np.floating], bits: int) -> NDArray[np.floating]:
    full_scale = 2.0 ** (bits - 1)
    levels = np.rint(np.nan_to_num(samples, posinf=1.0, neginf=-1.0) * samples.dtype.type(full_scale))
    clipped: NDArray[np.floating] = np.clip(levels, -full_scale, full_scale - 1)
    return clipped


def _require(known: bool, format: AudioFormat) -> None:
    if not known:
        raise ValueError(f"samples of {format} are not PCM that we know")
