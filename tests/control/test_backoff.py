"""Crash-loop back-off."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hocket.control.backoff import Backoff, BackoffRule

RULE = BackoffRule(base_s=0.5, cap_s=30.0, healthy_s=10.0)


def test_one_crash_costs_nothing_a_loop_ever_more_up_to_the_cap() -> None:
    backoff, now_s, waits = Backoff(), 0.0, []
    for _ in range(10):
        backoff = backoff.failed(RULE, now_s, 0.0, jitter=0.999999)
        waits.append(round(backoff.wait_s(now_s), 3))
        now_s += backoff.wait_s(now_s)
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_healthy_time_forgives() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff = backoff.failed(RULE, 0.0, 0.0, jitter=0.5)
    later_s = 100.0
    assert backoff.failed(RULE, later_s, ran_healthy_s=10.0, jitter=0.5).wait_s(later_s) == 0.0
    assert backoff.failed(RULE, later_s, ran_healthy_s=9.9, jitter=0.5).wait_s(later_s) > 5.0


def test_the_loss_of_a_healthy_one_does_not_shorten_a_loop_s_wait() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff = backoff.failed(RULE, 0.0, 0.0, jitter=0.5)
    assert backoff.failed(RULE, 1.0, ran_healthy_s=50.0, jitter=0.0).not_before_s >= backoff.not_before_s


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 20), st.floats(0, 0.999)), max_size=2000))
def test_the_wait_is_bounded_and_never_moves_back(steps: list[tuple[float, float, float]]) -> None:
    backoff, now_s = Backoff(), 0.0
    for pause_s, healthy_s, jitter in steps:
        now_s += pause_s
        before = backoff
        backoff = backoff.failed(RULE, now_s, healthy_s, jitter)
        assert before.not_before_s <= backoff.not_before_s <= now_s + RULE.cap_s
        assert backoff.failures >= 1


def test_a_night_of_crashes_does_not_overflow() -> None:
    backoff = Backoff(failures=10**6)
    assert backoff.failed(RULE, 0.0, 0.0, jitter=0.0).wait_s(0.0) == 15.0


def test_jitter_spreads_at_least_over_half_the_delay() -> None:
    waits = [RULE.delay_s(6, jitter / 10) for jitter in range(10)]
    assert all(a < b for a, b in itertools.pairwise(waits))
    assert waits[0] == 4.0
    assert waits[-1] < 8.0
