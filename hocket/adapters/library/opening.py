"""Open a track's file, sure that it still is what was scanned."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from hocket.adapters.library.index import Entry
from hocket.core.errors import TrackMissing
from hocket.core.track import Track

# A pipe under a music file's name must not block whoever opens it.
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_track(music_dir: str | Path, track: Track, entries: Iterable[Entry]) -> int:
    """A descriptor of the track's bytes, to be closed by the caller. `entries`: the files that hold it.

    Size, time of change and inode must be those of the scan, so the bytes are those of the track's id.
    Of several names the first that still fits is taken. Raises TrackMissing.
    """
    reason = ""
    for entry in entries:
        try:
            return _open(Path(music_dir), entry)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        except _Changed:
            reason = "it changed since it was scanned"
    raise TrackMissing(f"'{track.name}' is gone: {reason}", hint="list the tracks again, or ask another machine")


class _Changed(Exception):
    pass


def _open(music_dir: Path, entry: Entry) -> int:
    fd = os.open(music_dir / entry.path, OPEN_FLAGS)
    try:
        if not fits(entry, os.fstat(fd)):
            raise _Changed
    except BaseException:
        os.close(fd)
        raise
    return fd


def fits(entry: Entry, state: os.stat_result) -> bool:
    """Whether a file is the one that was scanned."""
    is_same = (state.st_size, state.st_mtime_ns, state.st_ino) == (entry.track.size_bytes, entry.mtime_ns, entry.inode)
    return is_same and stat.S_ISREG(state.st_mode)
