"""What a track looks like: its waveform, worked out once and kept in a file, and its cover. Blocking: for threads."""

import logging
import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from hocket.adapters.datafolder import DataUnwritable, write_whole
from hocket.adapters.library.index import LibraryIndex
from hocket.adapters.library.opening import OPEN_FLAGS, open_track
from hocket.core.ids import is_track_id
from hocket.core.track import Track
from hocket.media.cover import FOLDER_NAMES, MAX_COVER_BYTES, Place, find_cover, is_picture
from hocket.media.wav import read_wav
from hocket.media.waveform import COLUMNS, waveform

log = logging.getLogger(__name__)

FOLDER: Final = "waveforms"
_MAX_NAMES: Final = 10_000
"""A folder with more files than this is not looked through for a cover."""


class Cover(NamedTuple):
    """An open file and where the picture lies in it. Whoever gets it closes the descriptor."""

    fd: int
    file_bytes: int
    place: Place


class TrackLooks:
    """Reads the files of one library. `data` is the folder that keeps the waveforms."""

    def __init__(self, music: Path, index: LibraryIndex, data: Path) -> None:
        self._music = music
        self._index = index
        self._folder = data / FOLDER

    def waveform(self, track: Track) -> bytes:
        """See `hocket.media.waveform`. Raises TrackMissing, OSError."""
        kept = self._kept(track)
        if kept is not None:
            return kept
        fd = open_track(self._music, track, self._index.entries(track.id))
        try:
            peaks = waveform(track, lambda offset, size: os.pread(fd, size, offset))
        finally:
            os.close(fd)
        self._keep(track, peaks)
        return peaks

    def cover(self, track: Track) -> Cover | None:
        """The picture in the track's file, else the one beside it. Raises TrackMissing, TrackUnplayable, OSError."""
        fd = open_track(self._music, track, self._index.entries(track.id))
        try:
            info = read_wav(lambda offset, size: os.pread(fd, size, offset), track.size_bytes)
            place = find_cover(lambda offset, size: os.pread(fd, size, offset), info.tag_chunks)
        except BaseException:
            os.close(fd)
            raise
        if place is not None:
            return Cover(fd, track.size_bytes, place)
        os.close(fd)
        return self._beside(track)

    # -- waveforms that are kept

    def _path(self, track: Track) -> Path | None:
        return self._folder / track.id[:2] / track.id if is_track_id(track.id) else None

    def _kept(self, track: Track) -> bytes | None:
        path = self._path(track)
        try:
            kept = path.read_bytes() if path is not None else b""
        except OSError:
            return None
        return kept if len(kept) == min(COLUMNS, track.frames) else None

    def _keep(self, track: Track, peaks: bytes) -> None:
        path = self._path(track)
        if path is None:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, peaks)
        except (OSError, DataUnwritable) as error:
            log.info("the waveform of '%s' is not kept: %s", track.name, error)

    # -- covers in the folder

    def _beside(self, track: Track) -> Cover | None:
        folder = (self._music / self._index.entries(track.id)[0].path).parent
        with os.scandir(folder) as rows:
            names = {row.name.lower(): row.name for row, _ in zip(rows, range(_MAX_NAMES), strict=False)}
        for wanted in FOLDER_NAMES:
            if wanted in names and (cover := _opened(folder / names[wanted])) is not None:
                return cover
        return None


def _opened(path: Path) -> Cover | None:
    """A regular file of fitting size that is a picture; nothing that a link leads to."""
    try:
        fd = os.open(path, OPEN_FLAGS | os.O_NOFOLLOW)
    except OSError:
        return None
    state = os.fstat(fd)
    if stat.S_ISREG(state.st_mode) and 0 < state.st_size <= MAX_COVER_BYTES and is_picture(os.pread(fd, 16, 0)):
        return Cover(fd, state.st_size, Place(0, state.st_size))
    os.close(fd)
    return None
