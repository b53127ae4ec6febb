"""From frames to time and back for a real device: one line per unbroken run, re-measured as it goes."""

from dataclasses import dataclass

from hocket.audio.events import DeviceTime
from hocket.core.clock import NS_PER_S

_KEPT_LINES = 3
"""The one that is heard, one that begins, and one planned: a device's latency never holds more."""


@dataclass(slots=True)
class _Line:
    number: int
    start_frame: int
    frame: int  # the latest measured point
    at_ns: int
    end_frame: int | None = None


class Lines:
    """Which frame is heard when, by the points that were measured.

    Between points a device is taken to run at its nominal rate: they come several times a second.
    """

    def __init__(self, rate_hz: int, start_frame: int = 0, first_number: int = 0) -> None:
        self._rate_hz = rate_hz
        self._start_frame = start_frame
        self._number = first_number
        self._lines: list[_Line] = []

    @property
    def last_number(self) -> int:
        return self._number

    def begin(self, start_frame: int, at_ns: int) -> None:
        """A new run: its first frame leaves the device at at_ns."""
        self._number += 1
        self._lines = [*self._lines[-_KEPT_LINES + 1 :], _Line(self._number, start_frame, start_frame, at_ns)]

    def measure(self, frame: int, at_ns: int) -> None:
        """A newer point of the present run."""
        if self._lines:
            self._lines[-1].frame = frame
            self._lines[-1].at_ns = at_ns

    def end(self, end_frame: int) -> None:
        """The present run is over: end_frame was not played any more."""
        if self._lines:
            self._lines[-1].end_frame = end_frame

    def time_of(self, frame: int) -> int | None:
        """When frame leaves the device if it goes on as it does; None before the first run."""
        return self._time_on(self._lines[-1], frame) if self._lines else None

    def heard_frame(self, now_ns: int) -> int:
        """The frame that leaves the device now."""
        for line in reversed(self._lines):
            if self._time_on(line, line.start_frame) <= now_ns:
                frame = line.frame + (now_ns - line.at_ns) * self._rate_hz // NS_PER_S
                return frame if line.end_frame is None else min(frame, line.end_frame)
        return self._lines[0].start_frame if self._lines else self._start_frame

    def latest(self) -> DeviceTime | None:
        """The newest point, while a run lasts."""
        if not self._lines or self._lines[-1].end_frame is not None:
            return None
        line = self._lines[-1]
        return DeviceTime(line.frame, line.at_ns, line.number)

    def _time_on(self, line: _Line, frame: int) -> int:
        return line.at_ns + (frame - line.frame) * NS_PER_S // self._rate_hz
