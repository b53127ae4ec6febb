"""Fewer or more channels than the track has, for devices that are fixed in their number."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from hocket.audio.pcm import Samples

_HALF_POWER = 0.5**0.5

# What each speaker gives to (left, right) when only two are there: ITU-R BS.775-3, table 2. Its low
# frequency effects are dropped, as BS.775 has it.
_FOLD = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF_POWER, _HALF_POWER),
    "LF": (0.0, 0.0),
    "BL": (_HALF_POWER, 0.0),
    "BR": (0.0, _HALF_POWER),
    "BC": (0.5, 0.5),
    "SL": (_HALF_POWER, 0.0),
    "SR": (0.0, _HALF_POWER),
}

# The order of a WAV file's channels (the usual WAVE_FORMAT_EXTENSIBLE masks).
_LAYOUTS = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LF", "BL", "BR"),
    7: ("FL", "FR", "FC", "LF", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LF", "BL", "BR", "SL", "SR"),
}


def map_channels(samples: Samples, channels: int) -> Samples:
    """(frames, n) as (frames, channels); the same array where the number fits.

    Mono goes to the two front speakers unchanged. To more speakers than the track has: the others
    stay silent. To fewer: folded to stereo or mono, weighted so that full scale cannot clip.
    """
    if samples.shape[1] == channels:
        return samples
    return samples @ mixing_matrix(samples.shape[1], channels)


@cache
def mixing_matrix(source: int, target: int) -> NDArray[np.float32]:
    """(source, target) weights. Raises ValueError for more than eight source channels."""
    if source not in _LAYOUTS:
        raise ValueError(f"{source} channels: 1 to {max(_LAYOUTS)} are known")
    if source == 1 or source <= target:
        matrix = np.eye(source, target, dtype=np.float32)
        if source == 1:
            matrix[0, :2] = 1.0
        return matrix
    fold = np.array([_FOLD[speaker] for speaker in _LAYOUTS[source]], np.float32)
    if target == 1:
        fold = fold.sum(axis=1, keepdims=True)
    elif target > 2:
        # Stages between (5.1 to 4, say): fronts folded, the rest of the device silent.
        fold = np.pad(fold, ((0, 0), (0, target - 2)))
    loudest = fold.sum(axis=0).max()
    return np.ascontiguousarray(fold / np.float32(max(1.0, loudest)))
