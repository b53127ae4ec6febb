"""What has arrived of a track's audio data and was not played yet. No I/O."""

from bisect import bisect_right, insort
from collections.abc import Iterator

from hocket.audio.readahead import Ranges


class Pieces:
    """Pieces of bytes by their offset, taken out in order from a position. All whole frames."""

    def __init__(self, frame_bytes: int, position_bytes: int = 0) -> None:
        self.position_bytes = position_bytes
        self._frame_bytes = frame_bytes
        self._starts: list[int] = []
        self._data: dict[int, bytes] = {}
        self._ranges = Ranges()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges that are here, [start, end)."""
        return iter(self._ranges)

    @property
    def ready_bytes(self) -> int:
        """How much can be taken at once."""
        return self._ranges.run_end(self.position_bytes) - self.position_bytes

    def add(self, offset_bytes: int, data: bytes) -> None:
        """A piece that overlaps with nothing that is here; one that lies behind is of no use any more."""
        end_bytes = offset_bytes + len(data)
        if end_bytes <= self.position_bytes or offset_bytes in self._data:
            return
        insort(self._starts, offset_bytes)
        self._data[offset_bytes] = data
        self._ranges.add(offset_bytes, end_bytes)

    def take(self, max_bytes: int) -> memoryview:
        """The next bytes in one run, at most max_bytes of whole frames; empty if they have not come."""
        index = bisect_right(self._starts, self.position_bytes) - 1
        if index < 0:
            return memoryview(b"")
        start = self._starts[index]
        data = self._data[start]
        first = self.position_bytes - start
        count = min(max_bytes // self._frame_bytes * self._frame_bytes, len(data) - first)
        if count <= 0:
            return memoryview(b"")
        self.position_bytes += count
        if first + count == len(data):
            self._drop(index)
        return memoryview(data)[first : first + count]

    def seek(self, position_bytes: int, keep_bytes: int) -> None:
        """Go on elsewhere; what lies within keep_bytes ahead of there is kept."""
        self.position_bytes = position_bytes
        for index in reversed(range(len(self._starts))):
            start = self._starts[index]
            if start + len(self._data[start]) <= position_bytes or start >= position_bytes + keep_bytes:
                self._drop(index)

    def _drop(self, index: int) -> None:
        start = self._starts.pop(index)
        self._ranges.remove(start, start + len(self._data.pop(start)))
