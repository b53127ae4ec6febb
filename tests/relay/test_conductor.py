import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.relay.conductor import MAX_LEAD_NS, Conductor, lead_ns
from hocket.relay.keys import GroupId
from hocket.relay.timeline import Line, State, Timeline
from tests.relay.people import Person

GROUP = GroupId("0" * 32)
SONG, OTHER = TrackId("a" * 64), TrackId("b" * 64)
HOST, NEXT = Person("host"), Person("next")
NOW = 1_700_000_000 * NS_PER_S
MS = 1_000_000
LEAD = 600 * MS


@pytest.fixture
def conductor() -> Conductor:
    return Conductor(Timeline(GROUP, 0, HOST.key))


def must(line: Line | None) -> Line:
    assert line is not None
    return line


@pytest.mark.parametrize(
    ("round_trip_ms", "lead_ms"),
    [(None, 0), (0, 600), (40, 600), (150, 600), (151, 602), (500, 1_300), (60_000, 4_000)],
)
def test_the_lead_covers_the_worst_line(round_trip_ms: int | None, lead_ms: int) -> None:
    assert lead_ns(None if round_trip_ms is None else round_trip_ms * MS) == lead_ms * MS


def test_a_first_track_begins_at_its_stamp(conductor: Conductor) -> None:
    line = conductor.play(NOW, LEAD, SONG, 44_100, m0_frames=500)
    assert (line.t0_ns, line.m0_frames, line.version, line.state) == (NOW + LEAD, 500, 0, State.PLAYING)
    assert conductor.timeline.position_frames(NOW + LEAD + NS_PER_S) == 44_600


def test_a_pause_stops_where_the_song_is_when_it_takes_effect(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    pause = must(conductor.pause(NOW + NS_PER_S, LEAD))
    assert pause.t0_ns == NOW + NS_PER_S + LEAD
    assert pause.m0_frames == 44_100 * 16 // 10
    assert conductor.timeline.position_frames(pause.t0_ns - 1) == pause.m0_frames - 1
    resumed = must(conductor.resume(NOW + 60 * NS_PER_S, LEAD))
    assert resumed.m0_frames == pause.m0_frames
    assert conductor.timeline.position_frames(resumed.t0_ns + NS_PER_S) == pause.m0_frames + 44_100


def test_what_cannot_be_done_is_no_line(conductor: Conductor) -> None:
    assert conductor.pause(NOW, LEAD) is None
    assert conductor.resume(NOW, LEAD) is None
    assert conductor.seek(NOW, LEAD, 5) is None
    assert conductor.stop(NOW, LEAD) is None
    assert conductor.follow_on(NOW, LEAD, 100, OTHER, 44_100) is None
    conductor.play(NOW, 0, SONG, 44_100)
    assert conductor.resume(NOW, LEAD) is None
    must(conductor.stop(NOW, 0))
    assert conductor.stop(NOW, LEAD) is None
    assert conductor.seek(NOW, LEAD, 5) is None
    assert conductor.timeline.position_frames(NOW) is None


def test_a_pause_within_the_lead_of_a_seek_keeps_the_seek(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    seek = must(conductor.seek(NOW + NS_PER_S, 900 * MS, 9_000_000))
    pause = must(conductor.pause(NOW + NS_PER_S + 100 * MS, LEAD))
    assert pause.t0_ns == seek.t0_ns
    assert pause.m0_frames == 9_000_000
    later = must(conductor.resume(NOW + 2 * NS_PER_S, LEAD))
    assert later.m0_frames == 9_000_000


def test_a_seek_before_the_beginning_is_the_beginning(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    assert must(conductor.seek(NOW, LEAD, -5)).m0_frames == 0


def test_a_seek_while_paused_stays_paused(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    conductor.pause(NOW + 1, 0)
    assert must(conductor.seek(NOW + 2, LEAD, 5)).state is State.PAUSED


def test_the_next_track_begins_with_the_last_frame_of_this_one(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    follow = must(conductor.follow_on(NOW + NS_PER_S, LEAD, 441_000, OTHER, 48_000))
    assert follow.t0_ns == NOW + 10 * NS_PER_S
    assert conductor.timeline.position_frames(follow.t0_ns - 1) == 440_999
    assert must(conductor.timeline.at(follow.t0_ns)).track == OTHER


def test_a_seek_revokes_the_next_track_and_is_not_delayed_by_it(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    conductor.follow_on(NOW + NS_PER_S, LEAD, 441_000, OTHER, 48_000)
    seek = must(conductor.seek(NOW + 2 * NS_PER_S, LEAD, 0))
    assert seek.t0_ns == NOW + 2 * NS_PER_S + LEAD
    assert conductor.timeline.position_frames(NOW + 11 * NS_PER_S) == 44_100 * 84 // 10


def test_a_late_announcement_leaves_a_gap_instead_of_surprising_followers(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100)
    follow = must(conductor.follow_on(NOW + 9_900 * MS, LEAD, 441_000, OTHER, 48_000))
    assert follow.t0_ns == NOW + 9_900 * MS + LEAD


def test_a_clock_that_went_back_an_hour_does_not_hold_up_commands(conductor: Conductor) -> None:
    conductor.play(NOW, LEAD, SONG, 44_100)
    past = NOW - 3_600 * NS_PER_S
    again = conductor.play(past, LEAD, OTHER, 44_100)
    assert again.t0_ns == past + LEAD
    assert must(conductor.timeline.at(past + LEAD)).track == OTHER


def test_a_new_host_repeats_the_lines_and_nothing_jumps(conductor: Conductor) -> None:
    conductor.play(NOW, 0, SONG, 44_100, m0_frames=3)
    conductor.follow_on(NOW + 9 * NS_PER_S, LEAD, 441_003, OTHER, 48_000)
    times = [NOW + step * NS_PER_S // 3 for step in range(27, 60)]
    before = [(must(conductor.timeline.at(t)).track, conductor.timeline.position_frames(t)) for t in times]
    conductor.timeline.follow(1, NEXT.key)
    successor = Conductor(conductor.timeline)
    repeated = successor.take_over(NOW + 9 * NS_PER_S)
    assert [line.order for line in repeated] == [(1, 0), (1, 1)]
    assert [(must(successor.timeline.at(t)).track, successor.timeline.position_frames(t)) for t in times] == before
    assert must(successor.pause(NOW + 10 * NS_PER_S, LEAD)).order == (1, 2)
    assert successor.take_over(NOW + 10 * NS_PER_S) == []


def test_a_new_host_of_silence_says_nothing() -> None:
    assert Conductor(Timeline(GROUP, 4, HOST.key)).take_over(NOW) == []


class Listening(RuleBasedStateMachine):
    """Random commands; a follower that gets the lines late, but before they take effect, hears the same."""

    def __init__(self) -> None:
        super().__init__()
        self.host = Timeline(GROUP, 0, HOST.key)
        self.follower = Timeline(GROUP, 0, HOST.key)
        self.conductor = Conductor(self.host)
        self.now = NOW
        self.under_way: list[Line] = []
        self.sought: int | None = None

    def _sent(self, line: Line | None) -> None:
        if line is not None:
            assert line.t0_ns >= self.now + LEAD
            self.under_way.append(line)

    @rule(ms=st.integers(1, 2_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms * MS
        if ms > 500:
            self.deliver()

    @rule(track=st.sampled_from([SONG, OTHER]))
    def play(self, track: TrackId) -> None:
        self._sent(self.conductor.play(self.now, LEAD, track, 48_000))

    @rule()
    def pause(self) -> None:
        self._sent(self.conductor.pause(self.now, LEAD))

    @rule()
    def resume(self) -> None:
        self._sent(self.conductor.resume(self.now, LEAD))

    @rule(to=st.integers(0, 10**7), lead=st.integers(600, 4_000))
    def seek(self, to: int, lead: int) -> None:
        self._sent(self.conductor.seek(self.now, lead * MS, to))

    @rule()
    def stop(self) -> None:
        self._sent(self.conductor.stop(self.now, LEAD))

    @rule(length=st.integers(1, 10**6))
    def follow_on(self, length: int) -> None:
        self._sent(self.conductor.follow_on(self.now, LEAD, length, OTHER, 44_100))

    @rule()
    def deliver(self) -> None:
        for line in reversed(self.under_way):
            self.follower.put(line, self.now)
        self.under_way = []

    @invariant()
    def all_hear_the_same_now(self) -> None:
        if self.under_way and self.now >= min(line.t0_ns for line in self.under_way):
            self.deliver()
        assert self.follower.at(self.now) == self.host.at(self.now)
        assert self.follower.position_frames(self.now) == self.host.position_frames(self.now)

    @invariant()
    def a_playing_line_never_outruns_time(self) -> None:
        line = self.host.at(self.now)
        if line is not None and line.state is State.PLAYING:
            assert line.position_frames(self.now) - line.m0_frames <= (self.now - line.t0_ns) * line.rate_hz // NS_PER_S


TestListening = Listening.TestCase
TestListening.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@given(st.lists(st.tuples(st.integers(0, 900), st.booleans()), max_size=20))
def test_however_fast_one_presses_pause_the_song_never_jumps(presses: list[tuple[int, bool]]) -> None:
    conductor = Conductor(Timeline(GROUP, 0, HOST.key))
    conductor.play(NOW, 0, SONG, 44_100)
    now = NOW
    for wait_ms, pause in presses:
        now += wait_ms * MS
        line = (conductor.pause if pause else conductor.resume)(now, LEAD)
        if line is not None:
            before = conductor.timeline.position_frames(line.t0_ns - 1)
            after = conductor.timeline.position_frames(line.t0_ns)
            assert before is not None
            assert after is not None
            assert 0 <= after - before <= 1
    assert MAX_LEAD_NS >= LEAD
