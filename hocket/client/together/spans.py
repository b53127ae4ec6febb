"""What a timed player has written, and where it came from."""

from typing import Protocol

import msgspec

from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.relay.timeline import Line, State

JUMP_S = 0.003
"""A line that differs from the one before by less than this is the same, measured anew."""


class Reader(Protocol):
    """The frames of one track as they come."""

    @property
    def track(self) -> Track: ...

    @property
    def format(self) -> AudioFormat: ...

    @property
    def source(self) -> str: ...

    def want(self, frame: int, *, is_calm: bool = False) -> None:
        """These will be needed next; `is_calm`: only the first few of them yet."""
        ...

    def ready_frames(self, frame: int) -> int:
        """How many from there on are here, counted up to some seconds."""
        ...

    def read(self, frame: int, frames: int) -> bytes:
        """As many as are here."""
        ...


class Span(msgspec.Struct):
    """What was written from one frame of the output on."""

    stream_frame: int
    position: float  # of the track, there
    line: Line
    reader: Reader


def agree(wanted: Line | None, written: Line, group_ns: int) -> bool:
    """Whether what was written for a moment is what the timeline wants there."""
    if wanted is None or wanted.state is not State.PLAYING:
        return False
    if wanted == written:
        return True
    beside = abs(float(wanted.position(group_ns) - written.position(group_ns)))
    return wanted.track == written.track and beside * wanted.rate_div < JUMP_S * wanted.rate_hz
