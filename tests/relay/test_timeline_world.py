"""Whatever a host does, and however its lines come in: everybody computes the same place, and it is the right one."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.relay.conductor import Conductor
from hocket.relay.keys import GroupId
from hocket.relay.timeline import KEEP_NS, Line, SignedLine, State, Timeline, Verdict, sign_line
from tests.relay.people import Person

GROUP = GroupId("0" * 32)
TRACKS = [TrackId(letter * 64) for letter in "abc"]
HOSTS = [Person(f"host {number}") for number in range(4)]
NOW = 1_700_000_000 * NS_PER_S
MS = 1_000_000

Place = tuple[State, TrackId | None, int]
"""What is heard: the state, the track, the frame. Stopped: no track, frame 0."""

SILENT: Place = (State.STOPPED, None, 0)


@dataclass
class World:
    """The story as a listener would tell it, without lines: what is heard at a moment, changed by each command."""

    heard: Callable[[int], Place] = lambda at: SILENT

    def from_on(self, t0_ns: int, then: Callable[[int], Place]) -> None:
        before = self.heard
        self.heard = lambda at: then(at) if at >= t0_ns else before(at)

    def plays(self, t0_ns: int, track: TrackId | None, frame: int, rate: tuple[int, int]) -> None:
        rate_hz, rate_div = rate
        self.from_on(t0_ns, lambda at: (State.PLAYING, track, frame + (at - t0_ns) * rate_hz // (rate_div * NS_PER_S)))


@dataclass
class Show:
    """A host and its successors, with the world beside them."""

    world: World = field(default_factory=World)
    timeline: Timeline = field(default_factory=lambda: Timeline(GROUP, 0, HOSTS[0].key))
    now_ns: int = NOW
    reigns: list[list[SignedLine]] = field(default_factory=lambda: [[]])
    rate: tuple[int, int] = (44_100, 1)

    def __post_init__(self) -> None:
        self.conductor = Conductor(self.timeline)

    @property
    def host(self) -> Person:
        return HOSTS[len(self.reigns) - 1]

    def say(self, line: Line | None) -> Line | None:
        if line is not None:
            self.reigns[-1].append(sign_line(line, self.host.sign))
        return line

    def do(self, what: str, lead: int, frame: int, track: TrackId, rate: tuple[int, int]) -> None:
        getattr(self, what)(lead, frame, track, rate)

    def play(self, lead: int, frame: int, track: TrackId, rate: tuple[int, int]) -> None:
        line = self.say(self.conductor.play(self.now_ns, lead, track, rate[0], frame, rate[1]))
        assert line is not None
        self.rate = rate
        self.world.plays(line.t0_ns, track, frame, rate)

    def pause(self, lead: int, *unused: object) -> None:
        line = self.say(self.conductor.pause(self.now_ns, lead))
        if line is not None:
            _, track, frame = self.world.heard(line.t0_ns)
            self.world.from_on(line.t0_ns, lambda at: (State.PAUSED, track, frame))

    def resume(self, lead: int, *unused: object) -> None:
        line = self.say(self.conductor.resume(self.now_ns, lead))
        if line is not None:
            _, track, frame = self.world.heard(line.t0_ns)
            self.world.plays(line.t0_ns, track, frame, (line.rate_hz, line.rate_div))

    def seek(self, lead: int, frame: int, *unused: object) -> None:
        line = self.say(self.conductor.seek(self.now_ns, lead, frame))
        if line is not None:
            state, track, _ = self.world.heard(line.t0_ns)
            if state is State.PLAYING:
                self.world.plays(line.t0_ns, track, frame, (line.rate_hz, line.rate_div))
            else:
                self.world.from_on(line.t0_ns, lambda at: (state, track, frame))

    def stop(self, lead: int, *_: object) -> None:
        line = self.say(self.conductor.stop(self.now_ns, lead))
        if line is not None:
            self.world.from_on(line.t0_ns, lambda at: SILENT)

    def measure(self, lead: int, frame: int, *_: object) -> None:
        """The host's device was measured to have been elsewhere a moment ago: a line from the past, at a new rate."""
        line = self.timeline.at(self.now_ns)
        if line is not None and line.state is State.PLAYING:
            fresh = msgspec.structs.replace(
                line, t0_ns=self.now_ns - lead // 10, m0_frames=frame, rate_hz=line.rate_hz + 1
            )
            self.say(self.conductor.issue(fresh, self.now_ns))
            self.world.plays(fresh.t0_ns, line.track, frame, (fresh.rate_hz, fresh.rate_div))

    def succeed(self, *_: object) -> None:
        """Another one hosts: the world does not notice."""
        if len(self.reigns) < len(HOSTS):
            self.reigns.append([])
            self.timeline.follow(len(self.reigns) - 1, self.host.key)
            self.conductor = Conductor(self.timeline)
            for line in self.conductor.take_over(self.now_ns):
                self.say(line)


steps = st.lists(
    st.tuples(
        st.integers(0, 4_000),
        st.sampled_from(["play", "pause", "resume", "seek", "stop", "measure", "measure", "succeed"]),
        st.sampled_from([0, 600 * MS, 900 * MS]),
        st.integers(0, 10**8),
        st.sampled_from(TRACKS),
        st.sampled_from([(44_100, 1), (48_000, 1), (44_100 * 16 + 3, 16), (8_000, 1)]),
    ),
    max_size=14,
)
offsets = st.lists(st.integers(-KEEP_NS, 30 * NS_PER_S), min_size=1, max_size=6)


def shown(story: Sequence[tuple[int, str, int, int, TrackId, tuple[int, int]]]) -> Show:
    show = Show()
    for gap_ms, *step in story:
        show.now_ns += gap_ms * MS
        show.do(*step)  # type: ignore[arg-type]
    return show


def place(timeline: Timeline, at_ns: int) -> Place:
    line = timeline.at(at_ns)
    if line is None or line.state is State.STOPPED:
        return SILENT
    return line.state, line.track, line.position_frames(at_ns)


@settings(max_examples=300)
@given(steps, offsets, st.randoms(use_true_random=False))
def test_all_hear_what_the_host_meant_however_its_lines_came(
    story: list[tuple[int, str, int, int, TrackId, tuple[int, int]]], moments: list[int], luck: random.Random
) -> None:
    """At any moment from now on and a while back: the host, one who was told in disorder, and one who came late."""
    show = shown(story)
    told, late = (Timeline(GROUP, 0, HOSTS[0].key) for _ in range(2))
    for epoch, lines in enumerate(show.reigns):
        told.follow(epoch, HOSTS[epoch].key) if epoch else None
        disorder = [*lines, *luck.sample(lines, len(lines) // 2)]
        luck.shuffle(disorder)
        for signed in disorder:
            assert told.offer(signed, show.now_ns) in (Verdict.NEWS, Verdict.KNOWN)
        stale = [signed for past in show.reigns[:epoch] for signed in past]
        assert all(told.offer(signed, show.now_ns) is Verdict.OLD_EPOCH for signed in stale)
        coming = [signed for next_lines in show.reigns[epoch + 1 :] for signed in next_lines]
        assert all(told.offer(signed, show.now_ns) is Verdict.NEW_EPOCH for signed in coming)
    late.follow(show.timeline.epoch, show.host.key)
    for line in show.timeline.lines:
        late.put(line, show.now_ns)
    for moment in moments:
        at_ns = show.now_ns + moment
        meant = show.world.heard(at_ns)
        assert place(show.timeline, at_ns) == meant
        assert place(told, at_ns) == meant
        assert place(late, at_ns) == meant


@given(
    st.integers(0, 10**7),
    st.integers(1, 10**7),
    st.sampled_from([(44_100, 1), (48_000, 1), (44_100 * 16 + 3, 16), (96_000, 1_001)]),
    st.sampled_from([44_100, 192_000]),
)
def test_one_track_ends_where_the_next_begins(first: int, left: int, rate: tuple[int, int], next_rate_hz: int) -> None:
    """To the nanosecond: the last frame, then the other track's first one; nothing twice, nothing between."""
    conductor = Conductor(Timeline(GROUP, 0, HOSTS[0].key))
    song = conductor.play(NOW, 0, TRACKS[0], rate[0], first, rate[1])
    following = conductor.follow_on(NOW, 0, first + left, TRACKS[1], next_rate_hz)
    assert following is not None
    end_ns = following.t0_ns
    assert end_ns == song.when_ns(first + left)
    assert place(conductor.timeline, end_ns - 1) == (State.PLAYING, TRACKS[0], first + left - 1)
    assert place(conductor.timeline, end_ns) == (State.PLAYING, TRACKS[1], 0)
    assert conductor.timeline.after(end_ns - 1) == following
