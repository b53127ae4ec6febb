"""One entry of the library: a piece of music, or a file with the reason why it cannot play."""

from enum import StrEnum

import msgspec

from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat

NO_TRACK_ID = TrackId("")
"""A file that cannot play has no id: nobody asks for its bytes."""


class Track(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What people see of a track, and what a node needs to open it. Stored and sent as it is.

    `name` is its library name (see `hocket.media.paths`); `aliases` are other names of the same
    bytes. `problem` says why it cannot play and what to do; then `format` is None.
    """

    id: TrackId
    name: str
    title: str
    artist: str = ""
    album: str = ""
    track_number: int = 0
    format: AudioFormat | None = None
    frames: int = 0
    size_bytes: int = 0
    data_offset_bytes: int = 0  # where the samples start in the file
    data_bytes: int = 0  # whole frames only
    problem: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.format.seconds(self.frames) if self.format else 0.0

    @property
    def is_playable(self) -> bool:
        return not self.problem


class Sort(StrEnum):
    """Orders of a list of tracks. Ties are broken by name, so that paging never repeats or skips a track."""

    NAME = "name"
    TITLE = "title"
    ARTIST = "artist"
    ALBUM = "album"
    DURATION = "duration"
