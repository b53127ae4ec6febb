"""Manifests that the prime has signed, in files: a track whose machines are away can still be vouched for."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from hocket.adapters.datafolder import DataUnwritable, write_whole
from hocket.core.ids import TrackId, is_track_id

log = logging.getLogger(__name__)

FOLDER: Final = "manifests"
MAX_BYTES: Final = 64 * 1024 * 1024
"""32 GB of music; what was not asked for the longest time goes first."""


class Vouching(msgspec.Struct, frozen=True, array_like=True):
    """The cluster's word for a track, and the pages of hashes that it stands for."""

    vouched: bytes
    pages: tuple[bytes, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Vouching)


class ManifestFiles:
    """One file a track, in a folder of the data folder. Blocking: for threads. Losing them costs time only."""

    def __init__(self, data: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = data / FOLDER
        self._max_bytes = max_bytes

    def get(self, track: TrackId) -> Vouching | None:
        """What was kept; None where it was not, or is damaged."""
        if not is_track_id(track):
            return None
        path = self._folder / track
        try:
            kept = _decoder.decode(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            log.info("the manifest %s is made anew: %s", path, error)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return kept

    def put(self, track: TrackId, made: Vouching) -> None:
        """Keep it, if that can be done."""
        if not is_track_id(track):
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._folder / track, _encoder.encode(made))
            self._make_room()
        except (OSError, DataUnwritable) as error:
            log.info("the manifest of %s is not kept: %s", track, error)

    def _make_room(self) -> None:
        with os.scandir(self._folder) as rows:
            files = sorted((row.stat().st_mtime_ns, row.stat().st_size, row.path) for row in rows)
        over_bytes = sum(size for _, size, _ in files) - self._max_bytes
        for _, size_bytes, path in files:
            if over_bytes <= 0:
                break
            Path(path).unlink()
            over_bytes -= size_bytes
