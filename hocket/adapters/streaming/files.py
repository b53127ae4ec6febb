"""Open tracks, one descriptor each however many listen to it."""

import contextlib
import os
from collections.abc import Callable

from hocket.core.ids import TrackId
from hocket.core.track import Track


class OpenFile:
    """A track's descriptor and how many handles share it."""

    __slots__ = ("fd", "shared_by", "track")

    def __init__(self, track: Track, fd: int) -> None:
        self.track = track
        self.fd = fd
        self.shared_by = 0


class OpenFiles:
    """Hands out descriptors; the last one to give a track back closes it.

    A file that was deleted plays on for those who have it open: the descriptor keeps its bytes.
    """

    def __init__(self, open_track: Callable[[Track], int]) -> None:
        self._open_track = open_track
        self._files: dict[TrackId, OpenFile] = {}

    def __len__(self) -> int:
        return len(self._files)

    def take(self, track: Track) -> OpenFile:
        """Open, or share. Raises what `open_track` raises (TrackMissing, ...)."""
        file = self._files.get(track.id)
        if file is None:
            file = OpenFile(track, self._open_track(track))
            with contextlib.suppress(OSError):
                os.posix_fadvise(file.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            self._files[track.id] = file
        file.shared_by += 1
        return file

    def lend(self, track: Track, fd: int) -> OpenFile:
        """Take over a descriptor that nobody shares; `give_back` closes it."""
        file = OpenFile(track, fd)
        file.shared_by = 1
        return file

    def give_back(self, file: OpenFile) -> None:
        file.shared_by -= 1
        if file.shared_by == 0:
            os.close(file.fd)
            if self._files.get(file.track.id) is file:
                del self._files[file.track.id]

    def forget(self, track: TrackId) -> None:
        """The file changed: the next `take` opens it anew; present readers keep the old bytes."""
        self._files.pop(track, None)
