"""A sound device that exists only as arithmetic: frames played as a function of the time it is given."""

from bisect import bisect_left

from hocket.audio.events import DeviceTime, Drained, Started, Underrun
from hocket.core.clock import NS_PER_S

_PPM = 1_000_000


class VirtualDevice:
    """Plays `rate_hz` (off by ppm) frames per second of what it was fed, from frame `start_frame` on.

    Every method takes the present monotonic time, which must not run backwards. A dry device stops
    its clock and starts it again when it is fed. fast: it plays whatever it has at once, and never
    runs dry.
    """

    def __init__(self, rate_hz: int, start_frame: int = 0, *, ppm: float = 0.0, fast: bool = False) -> None:
        self.underruns = 0
        self.written_frame = start_frame
        self._frames_per_petasecond = round(rate_hz * (_PPM + ppm))
        self._fast = fast
        self._playing = False
        self._draining = False
        self._frame = start_frame  # played so far; while the clock runs: at _origin_ns
        self._origin_ns: int | None = None  # None: the clock stands
        self._line = 0
        self._schedule: list[tuple[int, bool]] = []  # (when, whether to play from then on), in order
        self._events: list[Started | Underrun | Drained] = []

    @property
    def is_running(self) -> bool:
        """Whether its clock ran when it was last asked."""
        return self._origin_ns is not None

    def write(self, frames: int, now_ns: int) -> None:
        """Feed it."""
        self._catch_up(now_ns)
        self._draining = False
        self.written_frame += frames
        if self._playing and self._origin_ns is None:
            self._run_from(now_ns)

    def play(self, playing: bool, now_ns: int, at_ns: int | None = None) -> None:
        """Start or pause, now or at a coming instant; replaces what was planned for then and later."""
        self._catch_up(now_ns)
        at_ns = now_ns if at_ns is None else max(now_ns, at_ns)
        del self._schedule[bisect_left(self._schedule, (at_ns, False)) :]
        self._schedule.append((at_ns, playing))
        self._catch_up(now_ns)

    def flush(self, start_frame: int, now_ns: int) -> None:
        """Drop what was not played; the next frame fed is `start_frame`."""
        self._catch_up(now_ns)
        self._origin_ns = None
        self._draining = False
        self._frame = self.written_frame = start_frame

    def drain(self, now_ns: int) -> None:
        """Running dry is the end from now on."""
        self._catch_up(now_ns)
        self._draining = True
        self._run_to(now_ns)
        if self._draining and self._frame == self.written_frame:
            self._run_dry(now_ns)

    def advance(self, now_ns: int) -> list[Started | Underrun | Drained]:
        """What happened since the last call, in order."""
        self._catch_up(now_ns)
        happened, self._events = self._events, []
        return happened

    def played_frame(self, now_ns: int) -> int:
        """The frame that is played now."""
        self._catch_up(now_ns)
        return self._reached(now_ns)

    def time_of(self, frame: int) -> int | None:
        """When `frame` will be or was played, by the present line; None while the clock stands."""
        if self._origin_ns is None:
            return None
        return self._origin_ns + -((self._frame - frame) * _PPM * NS_PER_S // self._frames_per_petasecond)

    def device_time(self, now_ns: int) -> DeviceTime | None:
        """The last frame's exact time."""
        frame = self.played_frame(now_ns)
        if self._fast or (time_ns := self.time_of(frame)) is None:
            return None
        return DeviceTime(frame, time_ns, self._line)

    def next_change_ns(self) -> int | None:
        """When something will happen by itself: a planned start or pause, or running dry."""
        instants = [at_ns for at_ns, _ in self._schedule[:1]]
        if not self._fast and (dry_ns := self.time_of(self.written_frame)) is not None:
            instants.append(dry_ns)
        return min(instants, default=None)

    def _reached(self, now_ns: int) -> int:
        if self._origin_ns is None:
            return self._frame
        if self._fast:
            return self.written_frame
        elapsed_ns = max(0, now_ns - self._origin_ns)
        return self._frame + elapsed_ns * self._frames_per_petasecond // (_PPM * NS_PER_S)

    def _catch_up(self, now_ns: int) -> None:
        while self._schedule and self._schedule[0][0] <= now_ns:
            at_ns, playing = self._schedule.pop(0)
            self._run_to(at_ns)
            if playing == self._playing:
                continue
            self._playing = playing
            if playing:
                self._run_from(at_ns)
            else:
                self._frame = self._reached(at_ns)
                self._origin_ns = None
        self._run_to(now_ns)

    def _run_from(self, at_ns: int) -> None:
        if self._frame == self.written_frame:
            return
        self._origin_ns = at_ns
        self._line += 1
        self._events.append(Started(self._frame, at_ns))

    def _run_to(self, now_ns: int) -> None:
        if self._origin_ns is None or self._reached(now_ns) < self.written_frame:
            return
        if self._fast and not self._draining:
            return
        dry_ns = now_ns if self._fast else self.time_of(self.written_frame)
        self._run_dry(dry_ns if dry_ns is not None else now_ns)

    def _run_dry(self, dry_ns: int) -> None:
        self._frame = self.written_frame
        self._origin_ns = None
        if self._draining:
            self._draining = False
            self._events.append(Drained(self._frame))
        else:
            self.underruns += 1
            self._events.append(Underrun(self._frame, dry_ns))
