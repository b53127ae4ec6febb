"""Which bytes of a track to ask for next. Offsets count the track's audio data, not its file."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

import msgspec

from hocket.core.settings import READ_AHEAD_S
from hocket.core.sound import AudioFormat

PIECE_BYTES = 256 * 1024
"""Large enough that a streaming node's cost per piece does not matter; half as many bytes cost it twice the CPU."""

FIRST_PIECE_S = 0.2
"""Music in the first piece after a start or seek: it arrives at once, and covers the wait for the second."""

MAX_IN_FLIGHT = 4
"""Pieces under way that are needed soon: hides the round trip without hiding a slow node."""


class Piece(msgspec.Struct, frozen=True, order=True):
    """Bytes [offset_bytes, end_bytes) of a track's audio data."""

    offset_bytes: int
    length_bytes: int

    @property
    def end_bytes(self) -> int:
        return self.offset_bytes + self.length_bytes


class Limits(msgspec.Struct, frozen=True):
    """How far and how greedily to read ahead; byte counts are whole frames."""

    ahead_bytes: int
    first_piece_bytes: int
    piece_bytes: int
    max_in_flight: int = MAX_IN_FLIGHT


def limits_for(
    format: AudioFormat,
    ahead_s: float = READ_AHEAD_S,
    piece_bytes: int = PIECE_BYTES,
    max_in_flight: int = MAX_IN_FLIGHT,
) -> Limits:
    """Limits in bytes for a track of this format; no piece is longer than piece_bytes."""

    def whole_frames(size_bytes: float) -> int:
        return max(1, int(size_bytes) // format.bytes_per_frame) * format.bytes_per_frame

    piece = whole_frames(piece_bytes)
    return Limits(
        ahead_bytes=whole_frames(ahead_s * format.bytes_per_second),
        first_piece_bytes=min(piece, whole_frames(FIRST_PIECE_S * format.bytes_per_second)),
        piece_bytes=piece,
        max_in_flight=max_in_flight,
    )


class Ranges:
    """A set of byte offsets, kept as sorted ranges [start, end) that neither touch nor overlap."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    @property
    def size_bytes(self) -> int:
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Put [start, end) in."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Take [start, end) out."""
        if start >= end:
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        outer_start, outer_end = self._starts[first], self._ends[last - 1]
        before, after = outer_start < start, end < outer_end
        self._starts[first:last] = [outer_start] * before + [end] * after
        self._ends[first:last] = [start] * before + [outer_end] * after

    def run_end(self, start: int) -> int:
        """Where the unbroken run that holds `start` ends; `start` itself if it is missing."""
        index = bisect_right(self._starts, start) - 1
        return max(start, self._ends[index]) if index >= 0 else start

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """What is missing of [start, end), in order."""
        for index in range(bisect_right(self._ends, start), len(self._starts)):
            if self._starts[index] >= end:
                break
            if start < self._starts[index]:
                yield start, self._starts[index]
            start = self._ends[index]
        if start < end:
            yield start, end


def plan(
    position_bytes: int,
    buffered: Iterable[tuple[int, int]],
    in_flight: Iterable[Piece],
    size_bytes: int,
    frame_bytes: int,
    limits: Limits,
) -> list[Piece]:
    """The pieces to ask for now, most urgent first.

    position_bytes: where playing is or will be; buffered: ranges [start, end) that arrived;
    in_flight: pieces asked for and not yet answered; size_bytes: of the whole audio data. No byte
    is asked for that is buffered or in flight, or that lies past the last whole frame. A piece is
    never longer than what lies between the position and it, so that on a slow line the second
    piece is there before the first has been played.
    """
    end = size_bytes // frame_bytes * frame_bytes
    position = position_bytes // frame_bytes * frame_bytes
    horizon = min(end, position + limits.ahead_bytes)
    taken = Ranges(buffered)
    soon = late = 0
    for piece in in_flight:
        taken.add(piece.offset_bytes, piece.end_bytes)
        if piece.offset_bytes < horizon and piece.end_bytes > position:
            soon += 1
        else:
            late += 1
    # What a seek left behind may fill one more set of places: not to wait for it, nor pile it up without end.
    slots = limits.max_in_flight - soon - max(0, late - limits.max_in_flight)
    pieces: list[Piece] = []
    for gap_start, gap_end in taken.gaps(position, end):
        start = gap_start
        while start < min(gap_end, horizon) and len(pieces) < slots:
            lead_bytes = max(limits.first_piece_bytes, start - position)
            length_bytes = min(limits.piece_bytes, lead_bytes, gap_end - start)
            pieces.append(Piece(start, length_bytes))
            start += length_bytes
        if start < gap_end:
            break
    return pieces
