"""What the tests of outputs share: an event log to wait on, frames that show every mistake, WAV reading."""

import math
import struct
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from hocket.adapters.outputs import Output, OutputEvent, Room
from hocket.core.sound import AudioFormat

CD = AudioFormat(44_100, 2, 16)
TIMEOUT_S = 60.0

EventT = TypeVar("EventT")


class EventLog:
    """Receives an output's events; the test waits for them."""

    def __init__(self) -> None:
        self.events: list[OutputEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: OutputEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type[EventT]) -> list[EventT]:
        with self._changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, kind: type[EventT], count: int = 1, timeout_s: float = TIMEOUT_S) -> EventT:
        """The count-th event of a kind, once it has come."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self._of(kind)) >= count, timeout_s)
            assert came, f"no {kind.__name__} number {count} within {timeout_s} s: {self.events}"
            return self._of(kind)[count - 1]

    def _of(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]


@contextmanager
def closing(output: Output) -> Iterator[Output]:
    try:
        yield output
    finally:
        output.close()


def counted_frames(frames: int, first: int = 0) -> bytes:
    """16-bit stereo: left a sine, right a counter, so that every lost, repeated or changed frame shows."""
    data = array("h", bytes(4 * frames))
    for index in range(frames):
        number = first + index
        data[2 * index] = round(12_000 * math.sin(number * 0.05)) | 1  # never silent
        data[2 * index + 1] = (number * 7 + 1) % 65_536 - 32_768
    return data.tobytes()


def counted_bytes(format: AudioFormat) -> bytes:
    """Half a second in any integer format, no two neighbours alike."""
    size_bytes = format.rate_hz // 2 * format.bytes_per_frame
    return bytes((index * 73 + index // 251) % 251 + 1 for index in range(size_bytes))


def feed(output: Output, data: bytes, log: EventLog, frame_bytes: int = CD.bytes_per_frame) -> None:
    """Write all of data, waiting for room."""
    rest = memoryview(data)
    while rest:
        rooms = len(log.of(Room))
        rest = rest[output.write(rest) * frame_bytes :]
        if rest:
            log.wait(Room, rooms + 1)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """For what has no event of its own."""
    deadline = time.monotonic() + timeout_s
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s} s"
        tick.wait(0.002)


def wav_data(path: Path) -> bytes:
    """The samples of a WAV file by its chunk sizes alone."""
    raw = path.read_bytes()
    assert raw[:4] == b"RIFF"
    assert raw[8:12] == b"WAVE"
    offset = 12
    while offset < len(raw):
        name, size = struct.unpack_from("<4sI", raw, offset)
        if name == b"data":
            assert offset + 8 + size <= len(raw), "the header promises more than there is"
            return raw[offset + 8 : offset + 8 + size]
        offset += 8 + size + size % 2
    raise AssertionError("no data chunk")
