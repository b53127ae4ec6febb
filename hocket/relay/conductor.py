"""The host's side of the timeline: every command becomes a line that is stamped ahead of time.

Ahead by so much that even the farthest follower has it before it takes effect; so all switch at the
same moment.
"""

import msgspec

from hocket.core.ids import TrackId
from hocket.relay.timeline import NO_TRACK, Line, State, Timeline

LEAST_LEAD_NS = 600_000_000
LEAD_SLACK_NS = 300_000_000

REOPEN_NS = 600_000_000
"""Between two tracks of different formats: time for everybody to open the device anew."""

MAX_LEAD_NS = 4_000_000_000
"""Whoever is further away than 1.85 s is late alone, instead of making everybody wait."""


def lead_ns(worst_round_trip_ns: int | None) -> int:
    """How far ahead a line is stamped: max(600 ms, 2 x worst round trip + 300 ms), at most 4 s.

    None: nobody follows, so a command takes effect at once.
    """
    if worst_round_trip_ns is None:
        return 0
    return min(MAX_LEAD_NS, max(LEAST_LEAD_NS, 2 * worst_round_trip_ns + LEAD_SLACK_NS))


class Conductor:
    """Makes the lines of one host; each is put on the host's own timeline and returned to be signed and sent.

    `now_ns` is group time. Commands build on one another even within the lead: a pause right after a
    seek pauses at the place sought.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._version = max((line.version for line in timeline.lines if line.epoch == timeline.epoch), default=-1)
        self._commanded_ns: int | None = None

    def take_over(self, now_ns: int) -> list[Line]:
        """What a new host says first: the same lines again under its own epoch. Nothing jumps."""
        inherited = [line for line in self.timeline.lines if line.epoch < self.timeline.epoch]
        return [self.issue(line, now_ns) for line in inherited]

    def play(self, now_ns: int, lead: int, track: TrackId, rate_hz: int, m0_frames: int = 0, rate_div: int = 1) -> Line:
        """Start a track, or skip to it."""
        fresh = Line(
            self.timeline.group, 0, 0, State.PLAYING, track, self._stamp(now_ns, lead), m0_frames, rate_hz, rate_div
        )
        return self._command(fresh, now_ns)

    def pause(self, now_ns: int, lead: int) -> Line | None:
        """Stop moving; None where nothing plays."""
        return self._change(now_ns, lead, State.PLAYING, State.PAUSED)

    def resume(self, now_ns: int, lead: int) -> Line | None:
        """Move on from where it paused; None where nothing is paused."""
        return self._change(now_ns, lead, State.PAUSED, State.PLAYING)

    def seek(self, now_ns: int, lead: int, to_frames: int) -> Line | None:
        """Go elsewhere in the track, playing or paused as before; None where there is no track."""
        t0_ns = self._stamp(now_ns, lead)
        base = self.timeline.at(t0_ns)
        if base is None or base.state is State.STOPPED:
            return None
        return self._command(msgspec.structs.replace(base, t0_ns=t0_ns, m0_frames=max(0, to_frames)), now_ns)

    def stop(self, now_ns: int, lead: int) -> Line | None:
        """Take the track off; None where there is none."""
        t0_ns = self._stamp(now_ns, lead)
        base = self.timeline.at(t0_ns)
        if base is None or base.state is State.STOPPED:
            return None
        ended = msgspec.structs.replace(base, state=State.STOPPED, track=NO_TRACK, t0_ns=t0_ns, m0_frames=0)
        return self._command(ended, now_ns)

    def follow_on(
        self, now_ns: int, lead: int, length_frames: int, track: TrackId, rate_hz: int, rate_div: int = 1
    ) -> Line | None:
        """Let a track begin at the very end of the one that plays, length_frames long; None where nothing plays.

        Later commands replace it. Called later than `lead` before the end, it leaves a gap: everybody
        has to hear of it first.
        """
        base = self.timeline.at(now_ns + lead)
        if base is None or base.state is not State.PLAYING:
            return None
        t0_ns = max(base.when_ns(length_frames), self._stamp(now_ns, lead))
        return self.issue(Line(self.timeline.group, 0, 0, State.PLAYING, track, t0_ns, 0, rate_hz, rate_div), now_ns)

    def _change(self, now_ns: int, lead: int, before: State, after: State) -> Line | None:
        t0_ns = self._stamp(now_ns, lead)
        base = self.timeline.at(t0_ns)
        if base is None or base.state is not before:
            return None
        m0_frames = base.position_frames(t0_ns)
        return self._command(msgspec.structs.replace(base, state=after, t0_ns=t0_ns, m0_frames=m0_frames), now_ns)

    def _stamp(self, now_ns: int, lead: int) -> int:
        """Never before an earlier command: it would undo it. (Unless the clock itself has gone back.)"""
        if self._commanded_ns is None or self._commanded_ns > now_ns + MAX_LEAD_NS:
            return now_ns + lead
        return max(now_ns + lead, self._commanded_ns)

    def _command(self, line: Line, now_ns: int) -> Line:
        self._commanded_ns = line.t0_ns
        return self.issue(line, now_ns)

    def issue(self, line: Line, now_ns: int) -> Line:
        """This very line, as the next one of ours: what a device was measured to play."""
        self._version += 1
        issued = msgspec.structs.replace(line, epoch=self.timeline.epoch, version=self._version)
        self.timeline.put(issued, now_ns)
        return issued
