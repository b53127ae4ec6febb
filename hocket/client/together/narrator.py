"""Tells what a follower hears, in the same events as a player of its own."""

from collections.abc import Callable

from hocket.client import events
from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.relay.timeline import NO_TRACK, Line, State

Heard = tuple[Track, int]

NEAR_S = 0.25
"""Who was so near to the end when it was last looked to has heard it."""


class Narrator:
    """Looked to often; tells each change once, and each second where things stand.

    `offset_s`: seconds ahead of the host as measured, None before that.
    """

    def __init__(self, tell: Callable[[events.Event], None], offset_s: Callable[[], float | None]) -> None:
        self._tell = tell
        self._offset_s = offset_s
        self._state = State.STOPPED
        self._track: TrackId = NO_TRACK
        self._began_frame = 0
        self._last_frame = 0
        self._end_frame = 0
        self._near_frames = 0
        self._stalls = 0
        self._dry_ns: int | None = None
        self._next_ns = 0

    def dry(self, heard: Heard | None, at_ns: int) -> None:
        """Nothing was left to play."""
        self._stalls += 1
        self._dry_ns = at_ns
        self._tell(events.Stalled(heard[1] if heard else self._last_frame))

    def look(self, line: Line | None, heard: Heard | None, source: str, now_ns: int) -> None:
        """The line in force, and what leaves the device, now."""
        if line is None or (line.state is State.PLAYING and (heard is None or heard[0].id != line.track)):
            return  # told once it sounds
        if (line.state, line.track) != (self._state, self._track):
            self._change(line, heard, source)
            self._state, self._track = line.state, line.track
        if heard is None:
            return
        self._last_frame = heard[1]
        if self._dry_ns is not None:
            self._tell(events.Unstalled((now_ns - self._dry_ns) / 1e6))
            self._dry_ns = None
        if now_ns >= self._next_ns:
            self._next_ns = max(self._next_ns, now_ns - NS_PER_S // 2) + NS_PER_S
            self._tell(events.Position(heard[1]))
            offset_s = self._offset_s()
            if offset_s is not None:
                self._tell(events.Offset(round(1000 * offset_s, 4)))

    def _change(self, line: Line, heard: Heard | None, source: str) -> None:
        if line.track != self._track and self._track:
            is_whole = self._last_frame >= self._end_frame - self._near_frames
            last_frame = self._end_frame if is_whole else self._last_frame
            self._tell(events.Ended(max(0, last_frame - self._began_frame), self._stalls, complete=is_whole))
            self._stalls = 0
        if line.state is State.PAUSED and self._state is State.PLAYING:
            self._tell(events.Paused(line.m0_frames))
        elif line.state is State.PLAYING and heard is not None:
            if line.track != self._track and heard[0].format is not None:
                self._began_frame, self._end_frame = heard[1], heard[0].frames
                self._near_frames = round(heard[0].format.rate_hz * NEAR_S)
                self._tell(events.opened(heard[0], heard[0].format, source))
            elif self._state is State.PAUSED:
                self._tell(events.Resumed(line.m0_frames))
