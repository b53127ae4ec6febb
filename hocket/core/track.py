"""What everyone needs to know about one piece of music: on disk, on the wire, in a list."""

import msgspec

from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat


class Track(msgspec.Struct, frozen=True, array_like=True):
    """One file of the library. `problem` says why it cannot play; then the format means nothing."""

    id: TrackId
    name: str  # relative to the music folder, '/' between folders, NFC
    title: str
    artist: str
    album: str
    track_number: int
    format: AudioFormat
    frames: int
    size_bytes: int
    data_offset_bytes: int  # where the samples start in the file
    data_bytes: int  # whole frames only
    problem: str = ""

    @property
    def duration_s(self) -> float:
        return self.frames / self.format.rate_hz if self.format.rate_hz else 0.0
