import random
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.relay.keys import GroupId
from hocket.relay.timeline import (
    KEEP_NS,
    MAX_AHEAD_NS,
    MAX_LINES,
    NO_TRACK,
    Line,
    State,
    Timeline,
    Verdict,
    sign_line,
)
from tests.relay.people import Person

GROUP = GroupId("0" * 32)
SONG, OTHER = TrackId("a" * 64), TrackId("b" * 64)
HOST, MALLORY = Person("host"), Person("mallory")
NOW = 1_700_000_000 * NS_PER_S


def line(
    version: int = 0, t0_ns: int = NOW, m0: int = 0, state: State = State.PLAYING, epoch: int = 0, track: str = SONG
) -> Line:
    return Line(GROUP, epoch, version, state, TrackId(track), t0_ns, m0, 44_100)


lines = st.builds(
    Line,
    group=st.just(GROUP),
    epoch=st.just(0),
    version=st.integers(0, 12),
    state=st.sampled_from([State.PLAYING, State.PAUSED]),
    track=st.sampled_from([SONG, OTHER]),
    t0_ns=st.integers(NOW - 2 * NS_PER_S, NOW + 2 * NS_PER_S),
    m0_frames=st.integers(0, 10**9),
    rate_hz=st.sampled_from([8_000, 44_100, 48_000, 96_000]),
    rate_div=st.sampled_from([1, 1_001]),
)
playing = lines.map(lambda known: msgspec.structs.replace(known, state=State.PLAYING))


# one line


def test_a_line_counts_frames_of_group_time() -> None:
    song = line(m0=1_000)
    assert song.position_frames(NOW) == 1_000
    assert song.position_frames(NOW + NS_PER_S) == 45_100
    assert song.position_frames(NOW + NS_PER_S - 1) == 45_099
    assert song.position(NOW + 1) == 1_000 + Fraction(44_100, NS_PER_S)


def test_before_its_time_a_line_stands_at_its_start() -> None:
    assert line(m0=77).position_frames(NOW - 5 * NS_PER_S) == 77
    assert line(m0=77).position(NOW - 5 * NS_PER_S) == 77


def test_a_paused_line_stays_where_it_is() -> None:
    assert line(m0=77, state=State.PAUSED).position_frames(NOW + 3_600 * NS_PER_S) == 77
    with pytest.raises(ValueError, match="gets nowhere"):
        line(state=State.PAUSED).when_ns(99)


def test_after_thirty_days_not_one_frame_is_missing() -> None:
    days = 30 * 86_400
    assert line().position_frames(NOW + days * NS_PER_S) == days * 44_100
    assert line().when_ns(days * 44_100) == NOW + days * NS_PER_S


@given(playing, st.integers(0, 10**13))
def test_when_is_the_first_nanosecond_of_a_frame(known: Line, frames: int) -> None:
    at = known.when_ns(known.m0_frames + frames)
    assert known.position_frames(at) == known.m0_frames + frames
    if frames:
        assert known.position_frames(at - 1) == known.m0_frames + frames - 1


@given(playing, st.integers(-(10**12), 10**18))
def test_frames_are_the_exact_position_rounded_down(known: Line, passed_ns: int) -> None:
    exact = known.m0_frames + Fraction(max(0, passed_ns), NS_PER_S) * Fraction(known.rate_hz, known.rate_div)
    assert known.position(known.t0_ns + passed_ns) == exact
    assert known.position_frames(known.t0_ns + passed_ns) == exact.__floor__()


def test_a_line_travels_as_an_array_and_comes_back() -> None:
    signed = sign_line(line(3), HOST.sign)
    body = msgspec.msgpack.encode(signed)
    assert len(body) < 260
    assert msgspec.msgpack.decode(body, type=type(signed)) == signed


# the rule


@given(st.lists(lines, max_size=12), st.integers(NOW - 3 * NS_PER_S, NOW + 3 * NS_PER_S), st.randoms())
def test_the_highest_line_that_has_begun_is_in_force_whatever_the_order_of_arrival(
    known: list[Line], at: int, order: random.Random
) -> None:
    unique = {one.version: one for one in known}
    shuffled = list(unique.values())
    order.shuffle(shuffled)
    timeline = Timeline(GROUP, 0, HOST.key)
    for one in shuffled:
        timeline.put(one, NOW - 3 * NS_PER_S)
    begun = [one for one in unique.values() if one.t0_ns <= at]
    assert timeline.at(at) == max(begun, key=lambda one: one.version, default=None)


@given(st.lists(lines, max_size=30), st.integers(0, 10))
def test_lines_rise_in_order_and_in_time_and_stay_few(known: list[Line], steps: int) -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    for count, one in enumerate(known):
        timeline.put(one, NOW + count * steps * NS_PER_S // 10)
        held = timeline.lines
        assert list(held) == sorted(held, key=lambda line: line.order)
        assert [one.t0_ns for one in held] == sorted({one.t0_ns for one in held})


def test_memory_stays_flat_under_a_flood_and_what_plays_plays_on() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    timeline.put(line(0), NOW)
    for version in range(1, 500):
        timeline.put(line(version, NOW + version * NS_PER_S, m0=version), NOW + 1)
    assert len(timeline.lines) == MAX_LINES
    assert timeline.at(NOW + 1) == line(0)
    assert timeline.at(NOW + 600 * NS_PER_S) == line(499, NOW + 499 * NS_PER_S, m0=499)


def test_around_a_switch_both_lines_answer_to_the_nanosecond() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    switch = NOW + NS_PER_S
    timeline.put(line(0), NOW)
    timeline.put(line(1, switch, m0=999_999), NOW)
    assert timeline.position_frames(switch - 1) == 44_099
    assert timeline.position_frames(switch) == 999_999
    assert timeline.after(NOW) == line(1, switch, m0=999_999)
    assert timeline.after(switch) is None


def test_nothing_is_played_before_the_first_line_nor_when_stopped() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    assert timeline.position_frames(NOW) is None
    timeline.put(line(0, NOW + 5), NOW)
    assert timeline.position_frames(NOW + 4) is None
    timeline.put(line(1, NOW + 50, state=State.STOPPED, track=NO_TRACK), NOW)
    assert timeline.position_frames(NOW + 49) == 0
    assert timeline.position_frames(NOW + 50) is None


def test_a_line_is_kept_a_while_for_what_the_device_still_plays() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    timeline.put(line(0), NOW)
    timeline.put(line(1, NOW + NS_PER_S), NOW)
    timeline.put(line(2, NOW + 2 * NS_PER_S), NOW + NS_PER_S + KEEP_NS - 1)
    assert timeline.at(NOW) == line(0)
    timeline.put(line(3, NOW + 9 * NS_PER_S), NOW + NS_PER_S + KEEP_NS)
    assert timeline.at(NOW) is None
    assert timeline.at(NOW + NS_PER_S) == line(1, NOW + NS_PER_S)


# what comes over the wire


def test_what_the_host_signed_is_news_once() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    signed = sign_line(line(1), HOST.sign)
    assert timeline.offer(signed, NOW) is Verdict.NEWS
    assert timeline.offer(signed, NOW) is Verdict.KNOWN
    assert timeline.at(NOW) == signed.line


def test_an_older_line_that_was_overtaken_is_not_news() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    assert timeline.offer(sign_line(line(5), HOST.sign), NOW) is Verdict.NEWS
    assert timeline.offer(sign_line(line(4, NOW, m0=1), HOST.sign), NOW) is Verdict.KNOWN
    assert timeline.offer(sign_line(line(4, NOW + 1, m0=1), HOST.sign), NOW) is Verdict.KNOWN
    assert timeline.lines == (line(5),)


def test_an_older_line_that_lost_its_way_still_fills_its_gap() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    assert timeline.offer(sign_line(line(2, NOW + NS_PER_S), HOST.sign), NOW) is Verdict.NEWS
    assert timeline.offer(sign_line(line(1), HOST.sign), NOW) is Verdict.NEWS
    assert timeline.at(NOW) == line(1)


def test_a_second_line_of_the_same_number_changes_nothing() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    timeline.offer(sign_line(line(1), HOST.sign), NOW)
    assert timeline.offer(sign_line(line(1, m0=5), HOST.sign), NOW) is Verdict.KNOWN
    assert timeline.at(NOW) == line(1)


@pytest.mark.parametrize(
    "changed",
    [
        {"m0_frames": 1},
        {"t0_ns": NOW + 1},
        {"state": State.PAUSED},
        {"track": OTHER},
        {"rate_hz": 48_000},
        {"version": 2},
        {"rate_div": 2},
    ],
)
def test_a_line_that_a_relay_changed_is_forged(changed: dict[str, object]) -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    signed = sign_line(line(1), HOST.sign)
    forged = msgspec.structs.replace(signed, line=msgspec.structs.replace(signed.line, **changed))
    assert timeline.offer(forged, NOW) is Verdict.FORGED
    assert timeline.lines == ()


def test_a_follower_cannot_write_lines() -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    assert timeline.offer(sign_line(line(1), MALLORY.sign), NOW) is Verdict.FORGED
    assert timeline.offer(msgspec.structs.replace(sign_line(line(1), HOST.sign), signature=b""), NOW) is Verdict.FORGED


@pytest.mark.parametrize(
    "nonsense",
    [
        line(1, NOW + MAX_AHEAD_NS + 1),
        line(1, m0=-1),
        line(1, m0=2**60),
        line(-1),
        line(1, track="no track id"),
        line(1, track=NO_TRACK),
        line(1, state=State.STOPPED),
        msgspec.structs.replace(line(1), rate_hz=0),
        msgspec.structs.replace(line(1), rate_hz=10**9),
        msgspec.structs.replace(line(1), rate_div=0),
        msgspec.structs.replace(line(1), group=GroupId("f" * 32)),
    ],
)
def test_nonsense_is_refused_though_the_host_signed_it(nonsense: Line) -> None:
    timeline = Timeline(GROUP, 0, HOST.key)
    assert timeline.offer(sign_line(nonsense, HOST.sign), NOW) is Verdict.FORGED
    assert timeline.lines == ()


def test_another_host_is_heard_only_in_its_epoch() -> None:
    timeline = Timeline(GROUP, 3, HOST.key)
    timeline.offer(sign_line(line(1, epoch=3), HOST.sign), NOW)
    claimed = sign_line(line(0, NOW + 1, epoch=4), MALLORY.sign)
    assert timeline.offer(claimed, NOW) is Verdict.NEW_EPOCH
    timeline.follow(4, MALLORY.key)
    assert timeline.position_frames(NOW + NS_PER_S) == 44_100
    assert timeline.offer(claimed, NOW) is Verdict.NEWS
    assert timeline.offer(sign_line(line(9, epoch=3), HOST.sign), NOW) is Verdict.OLD_EPOCH
    assert timeline.at(NOW + 1) == claimed.line


def test_a_rival_of_the_same_epoch_leaves_no_lines_behind() -> None:
    timeline = Timeline(GROUP, 4, MALLORY.key)
    for version in range(9):
        timeline.offer(sign_line(line(version, NOW + version, m0=5, epoch=4), MALLORY.sign), NOW)
    timeline.follow(4, HOST.key)
    assert timeline.position_frames(NOW + NS_PER_S + 8) == 44_105
    assert timeline.offer(sign_line(line(0, epoch=4), HOST.sign), NOW) is Verdict.NEWS
    assert timeline.lines == (line(0, epoch=4),)
