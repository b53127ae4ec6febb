"""The group's time across a change of host: it neither jumps nor runs away."""

import time

import pytest

from hocket.client.together.groupclock import GroupClock
from hocket.relay.clocksync import ClockLine
from hocket.wire.messages.together import AskTime

HOUR_NS = 3_600_000_000_000


def test_the_first_host_tells_its_own_time() -> None:
    answer = GroupClock.own().answer(AskTime(7), 1000)
    assert answer is not None
    assert (answer.number, answer.received_ns) == (7, 1000)
    assert answer.sent_ns <= time.monotonic_ns()


def test_who_knows_no_time_tells_none() -> None:
    assert GroupClock().answer(AskTime(1), 1000) is None
    assert GroupClock().now_ns() is None


@pytest.mark.parametrize("drift", [-2e-4, 0.0, 1e-5])
def test_a_successor_goes_on_at_its_own_speed_from_the_same_moment(drift: float) -> None:
    before = ClockLine(time.monotonic_ns(), HOUR_NS, drift)
    clock = GroupClock(before)
    clock.lead()
    assert clock.line is not None
    assert clock.drift == 0.0
    now_ns = time.monotonic_ns()
    assert abs(clock.line.group(now_ns) - before.group(now_ns)) < 1e6 * 2e-4 * 1000 + 1000


def test_an_answer_that_was_not_asked_for_changes_nothing() -> None:
    clock = GroupClock(ClockLine(0, HOUR_NS))
    clock.begin()
    answer = GroupClock.own().answer(AskTime(99), 5)
    assert answer is not None
    assert not clock.take(answer, 10)
    assert clock.line == ClockLine(0, HOUR_NS)
