"""What plays when: LINE values on the group's clock, and the timeline that they make up.

A LINE says: from group time t0 on, this track is at m0 + (g - t0) * rate. Anyone who knows the line
and the clock computes the position alone, so joining late needs no history. All arithmetic is in
integers: after days the position is still exact to the nanosecond.

At group time g the line with the highest (epoch, version) among those with t0 <= g is in force. That
rule depends only on the set of lines, never on the order in which they came in.
"""

from collections.abc import Sequence
from enum import Enum, StrEnum, auto
from fractions import Fraction

import msgspec

from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId, is_track_id
from hocket.relay.keys import GroupId, Sign, canonical, is_signed_by

NO_TRACK = TrackId("")

MAX_RATE_HZ = 1_536_000
"""Above any PCM format that exists."""

MAX_FRAMES = 2**48
"""Five years at 1.5 MHz: what a position may be at most."""

MAX_AHEAD_NS = 3_600 * NS_PER_S
"""A line further ahead than this is nonsense; the next track is announced some seconds ahead."""

KEEP_NS = 5 * NS_PER_S
"""Lines are kept for this long after the next took over: a device asks for what it plays now, some time ago."""

MAX_LINES = 32
"""Lines kept at once; commands are limited to fewer within KEEP_NS."""

_BEFORE = -1


class State(StrEnum):
    """What a line does with its track."""

    PLAYING = "playing"
    PAUSED = "paused"
    STOPPED = "stopped"


class Line(msgspec.Struct, frozen=True, array_like=True):
    """From group time t0_ns on: this track, in this state, at m0_frames; rate_hz / rate_div frames a second."""

    group: GroupId
    epoch: int
    version: int
    state: State
    track: TrackId
    t0_ns: int
    m0_frames: int
    rate_hz: int
    rate_div: int = 1

    @property
    def order(self) -> tuple[int, int]:
        """What decides between lines: the host's epoch, then its count of lines."""
        return self.epoch, self.version

    @property
    def is_sound(self) -> bool:
        """Whether all numbers are within limits and the track fits the state."""
        return (
            0 <= self.epoch < 2**32
            and 0 <= self.version < 2**48
            and 0 <= self.m0_frames <= MAX_FRAMES
            and 0 < self.rate_hz <= MAX_RATE_HZ
            and 0 < self.rate_div <= MAX_RATE_HZ
            and abs(self.t0_ns) < 2**63
            and (is_track_id(self.track) if self.state is not State.STOPPED else self.track == NO_TRACK)
        )

    def position_frames(self, group_ns: int) -> int:
        """Frames of the track that lie before this moment; m0_frames before t0 and while nothing moves."""
        if self.state is not State.PLAYING or group_ns <= self.t0_ns:
            return self.m0_frames
        return self.m0_frames + (group_ns - self.t0_ns) * self.rate_hz // (self.rate_div * NS_PER_S)

    def position(self, group_ns: int) -> Fraction:
        """The exact position in frames, between frames as well."""
        if self.state is not State.PLAYING or group_ns <= self.t0_ns:
            return Fraction(self.m0_frames)
        return self.m0_frames + Fraction((group_ns - self.t0_ns) * self.rate_hz, self.rate_div * NS_PER_S)

    def when_ns(self, frames: int) -> int:
        """The first nanosecond of group time at which position_frames is `frames`, if the line plays so far.

        Raises ValueError where the line does not move.
        """
        if self.state is not State.PLAYING:
            raise ValueError(f"a line that is {self.state} gets nowhere")
        return self.t0_ns - (self.m0_frames - frames) * self.rate_div * NS_PER_S // self.rate_hz


class SignedLine(msgspec.Struct, frozen=True, array_like=True):
    """A line as it travels; relays pass it on unchanged."""

    line: Line
    signature: bytes


def sign_line(line: Line, sign: Sign) -> SignedLine:
    """The host's signature under a line."""
    return SignedLine(line, sign(canonical(line)))


class Verdict(Enum):
    """What became of a line that was offered to a timeline. Only NEWS is passed on to others."""

    NEWS = auto()
    KNOWN = auto()  # had it already, or a later one has replaced it
    OLD_EPOCH = auto()  # from a host that has been succeeded: tell it who took over
    NEW_EPOCH = auto()  # from a host whose claim we have not seen: ask for it
    FORGED = auto()  # not signed by the host, or nonsense: drop who sent it


class Timeline:
    """The lines of one group under one host, as far as they matter now."""

    def __init__(self, group: GroupId, epoch: int, host_key: bytes) -> None:
        self.group = group
        self.epoch = epoch
        self.host_key = host_key
        self._lines: list[Line] = []  # rising in order and, since others can never be in force, in t0 as well

    def follow(self, epoch: int, host_key: bytes) -> None:
        """Another host speaks from now on; what is in force stays so until its first line.

        Lines that are held become older than any of the new host's: a rival may have made some in the same epoch.
        """
        self.epoch = epoch
        self.host_key = host_key
        self._lines = [
            msgspec.structs.replace(line, epoch=_BEFORE, version=age) for age, line in enumerate(self._lines)
        ]

    def offer(self, signed: SignedLine, now_ns: int) -> Verdict:
        """Take in a line that came over the wire; now_ns is group time."""
        line = signed.line
        if line.group != self.group or not line.is_sound or line.t0_ns > now_ns + MAX_AHEAD_NS:
            return Verdict.FORGED
        if line.epoch != self.epoch:
            return Verdict.OLD_EPOCH if line.epoch < self.epoch else Verdict.NEW_EPOCH
        if line in self._lines:
            return Verdict.KNOWN
        if not is_signed_by(self.host_key, signed.signature, line):
            return Verdict.FORGED
        return Verdict.NEWS if self.put(line, now_ns) else Verdict.KNOWN

    def put(self, line: Line, now_ns: int) -> bool:
        """Insert a line that is known to be the host's; False if it can never be in force any more."""
        at = sum(known.order < line.order for known in self._lines)
        later = self._lines[at:]
        if later and (later[0].order == line.order or later[0].t0_ns <= max(line.t0_ns, now_ns - KEEP_NS)):
            return False
        earlier = [known for known in self._lines[:at] if known.t0_ns < line.t0_ns]
        self._lines = [*earlier, line, *later]
        self._forget(now_ns)
        return line in self._lines

    def _forget(self, now_ns: int) -> None:
        while len(self._lines) > 1 and self._lines[1].t0_ns <= now_ns - KEEP_NS:
            del self._lines[0]
        if len(self._lines) > MAX_LINES:
            del self._lines[1]  # the first may be in force

    def at(self, group_ns: int) -> Line | None:
        """The line in force; None before the first one that is known."""
        return next((line for line in reversed(self._lines) if line.t0_ns <= group_ns), None)

    def after(self, group_ns: int) -> Line | None:
        """The line that takes over next, if one is known."""
        return next((line for line in self._lines if line.t0_ns > group_ns), None)

    def position_frames(self, group_ns: int) -> int | None:
        """Position in the track of the line in force; None where there is none: play nothing."""
        line = self.at(group_ns)
        return None if line is None or line.state is State.STOPPED else line.position_frames(group_ns)

    @property
    def lines(self) -> Sequence[Line]:
        """What somebody who joins now must be told, in order."""
        return tuple(self._lines)
