"""Shares of a thin line: whatever is asked for, music and the rest fit into it."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.relay.allotment import (
    ANSWER_BYTES,
    MAX_ANSWERS_PER_S,
    MAX_QUESTION_NS,
    PULSE_BYTES,
    REPORT_BYTES,
    Purse,
    newcomers,
    pulses_fit,
    question_ns,
    reports_per_s,
    spare_bps,
)
from hocket.relay.ring import BURST_NS
from hocket.relay.tree import fan_out

UPLOADS = st.integers(500_000, 1_000_000_000)
RATES = st.integers(64_000, 6_000_000)


@given(UPLOADS, RATES, st.integers(1, 256))
def test_music_and_clocks_fit_into_the_line(upload_bps: int, stream_bps: int, friends: int) -> None:
    fed = min(friends, fan_out(upload_bps, stream_bps))
    spare = spare_bps(upload_bps, fed, stream_bps)
    wait_ns = question_ns(spare, friends)
    if wait_ns < MAX_QUESTION_NS:
        clocks_bps = friends * 8 * ANSWER_BYTES * NS_PER_S / max(1, wait_ns)
        assert not wait_ns or clocks_bps <= spare * 1.01
    assert fed * stream_bps + spare <= upload_bps


@given(st.integers(1, 256))
def test_a_line_without_a_limit_is_bounded_by_the_processor(friends: int) -> None:
    assert spare_bps(0, friends, 1_411_200) == 0
    assert question_ns(0, friends) == friends * NS_PER_S // MAX_ANSWERS_PER_S


@given(UPLOADS, st.integers(1, 256))
def test_more_friends_are_told_less_of_one_another(upload_bps: int, friends: int) -> None:
    assert reports_per_s(upload_bps, friends + 1) < reports_per_s(upload_bps, friends)


@given(UPLOADS, st.integers(1, 256))
def test_what_is_told_of_newcomers_takes_a_fifth_of_what_is_spare(spare: int, friends: int) -> None:
    told = newcomers(spare, friends, 1.0)
    assert told * friends * 8 * REPORT_BYTES <= spare / 5 * 1.001
    assert newcomers(spare, friends, 0.0) == 0.0
    assert newcomers(0, friends, 0.0) >= 256


@given(UPLOADS, st.lists(st.tuples(st.integers(1, NS_PER_S), st.integers(1, 20_000)), max_size=100))
def test_a_purse_gives_no_more_than_the_line_carries(upload_bps: int, turns: list[tuple[int, int]]) -> None:
    now_ns = sent = control = music = 0
    purse = Purse(0)
    for passed_ns, size_bytes in turns:
        now_ns += passed_ns
        control += 100
        sent += 100
        purse.fill(upload_bps, sent, now_ns)
        if purse.has_some:
            purse.spend(size_bytes)
            music += size_bytes
            sent += size_bytes * 105 // 100
    most = upload_bps * (now_ns + BURST_NS) / (8 * NS_PER_S)
    assert music <= max(0, most - control) + 20_000 or music <= 20_000


@given(UPLOADS, st.integers(1, 256))
def test_pulses_go_to_all_where_they_fit(spare: int, friends: int) -> None:
    every_ns = NS_PER_S // 4
    assert pulses_fit(0, friends, every_ns)
    if pulses_fit(spare, friends, every_ns):
        assert 4 * friends * 8 * PULSE_BYTES <= spare
