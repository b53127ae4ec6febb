from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.relay.clocksync import ExchangeSchedule
from hocket.relay.limits import (
    CHUNKS,
    COMMANDS,
    MAX_BACKLOG_BYTES,
    MAX_BACKLOG_NS,
    OFFENCES,
    Allowance,
    Buckets,
    Patience,
    TokenBucket,
    Verdict,
)
from hocket.relay.timeline import KEEP_NS, MAX_LINES

NOW = 10**18
allowances = st.builds(Allowance, st.sampled_from([1, 2, 4, 5, 10, 20, 100]), st.integers(1, 20))


def test_a_bucket_gives_a_burst_and_then_its_rate_to_the_nanosecond() -> None:
    bucket = TokenBucket(Allowance(per_s=4, burst=3))
    assert [bucket.take(NOW) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(NOW + NS_PER_S // 4 - 1)
    assert bucket.take(NOW + NS_PER_S // 4)
    assert not bucket.take(NOW + NS_PER_S // 4)
    assert not bucket.is_full(NOW + NS_PER_S - 1)
    assert bucket.is_full(NOW + NS_PER_S)
    assert [bucket.take(NOW + 9 * NS_PER_S) for _ in range(4)] == [True, True, True, False]


@given(allowances, st.lists(st.integers(0, NS_PER_S), max_size=60))
def test_a_bucket_is_the_textbook_one(allowance: Allowance, waits: list[int]) -> None:
    bucket = TokenBucket(allowance)
    tokens, now_ns = Fraction(allowance.burst), NOW
    for wait_ns in waits:
        now_ns += wait_ns
        tokens = min(Fraction(allowance.burst), tokens + Fraction(wait_ns * allowance.per_s, NS_PER_S))
        assert bucket.take(now_ns) is (tokens >= 1)
        tokens -= tokens >= 1


def test_a_clock_that_goes_back_an_hour_locks_nobody_out() -> None:
    bucket = TokenBucket(Allowance(per_s=1, burst=2))
    assert bucket.take(NOW)
    past = NOW - 3_600 * NS_PER_S
    assert not bucket.take(past)
    assert bucket.take(past + NS_PER_S)
    assert bucket.take(past + 2 * NS_PER_S)


def test_each_key_has_its_own_bucket() -> None:
    buckets = Buckets(Allowance(1, 1), most=10)
    assert buckets.take("a", NOW)
    assert buckets.take("b", NOW)
    assert not buckets.take("a", NOW)


def test_buckets_are_bounded_and_full_ones_make_room() -> None:
    buckets = Buckets(Allowance(1, 1), most=10)
    for number in range(10):
        assert buckets.take(number, NOW)
    assert not buckets.take("one more", NOW)
    assert len(buckets) == 10
    assert buckets.take("one more", NOW + NS_PER_S)
    assert len(buckets) == 1


def test_an_honest_clock_is_never_refused() -> None:
    patience, schedule = Patience(), ExchangeSchedule(NOW)
    while schedule.next_ns < NOW + 60 * NS_PER_S:
        now_ns = schedule.next_ns
        schedule.due(now_ns)
        assert patience.time_question(now_ns) is Verdict.SERVE


def test_commands_fit_the_timeline() -> None:
    assert COMMANDS.burst + COMMANDS.per_s * KEEP_NS // NS_PER_S <= MAX_LINES


@pytest.mark.parametrize(("ask", "allowance"), [("command", COMMANDS), ("chunk", CHUNKS)])
def test_a_flood_is_refused_and_then_cut(ask: str, allowance: Allowance) -> None:
    patience = Patience()
    verdicts = [getattr(patience, ask)(NOW) for _ in range(allowance.burst + OFFENCES.burst + 1)]
    assert verdicts[: allowance.burst] == [Verdict.SERVE] * allowance.burst
    assert set(verdicts[allowance.burst : -1]) == {Verdict.REFUSE}
    assert verdicts[-1] is Verdict.CUT


def test_a_flood_of_questions_leaves_commands_alone() -> None:
    patience = Patience()
    for _ in range(250):
        patience.time_question(NOW)
    assert patience.command(NOW) is Verdict.SERVE


def test_whoever_is_behind_for_more_than_two_seconds_is_cut() -> None:
    patience = Patience()
    assert not patience.is_too_slow(MAX_BACKLOG_BYTES + 1, NOW)
    assert not patience.is_too_slow(MAX_BACKLOG_BYTES + 1, NOW + MAX_BACKLOG_NS)
    assert patience.is_too_slow(MAX_BACKLOG_BYTES + 1, NOW + MAX_BACKLOG_NS + 1)


def test_whoever_catches_up_in_between_is_not() -> None:
    patience = Patience()
    patience.is_too_slow(MAX_BACKLOG_BYTES + 1, NOW)
    assert not patience.is_too_slow(MAX_BACKLOG_BYTES, NOW + NS_PER_S)
    assert not patience.is_too_slow(10**9, NOW + MAX_BACKLOG_NS + 1)
