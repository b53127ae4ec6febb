"""The group's time across a change of host: it neither jumps nor runs away."""

import random
import time
from typing import cast

import pytest

from hocket.adapters.peers import PeerLink

from hocket.client.together.groupclock import HELD_DOUBT_NS, GroupClock
from hocket.relay.clocksync import ClockLine
from hocket.wire.messages.together import AskTime, TimeIs

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


class Line:
    """A line of 20 +- 10 ms to a host that is `ahead_ns` ahead of this machine; time passes as it is asked."""

    def __init__(self, clock: GroupClock, ahead_ns: int) -> None:
        self._clock = clock
        self._ahead_ns = ahead_ns
        self._luck = random.Random(4)
        self._asked: list[AskTime] = []

    def send_time(self, question: AskTime) -> None:
        self._asked.append(question)

    def exchange(self) -> None:
        self._clock.hurry()
        self._clock.ask(cast(PeerLink, self))
        sent_ns = self._clock._open[self._asked[-1].number]
        there_ns, back_ns = (round(self._luck.uniform(10e6, 30e6)) for _ in range(2))
        met_ns = sent_ns + there_ns
        told_ns = met_ns + self._ahead_ns
        self._clock.take(TimeIs(self._asked[-1].number, told_ns, told_ns), met_ns + back_ns)


def test_a_successor_s_time_is_taken_over_step_by_step() -> None:
    """What both were off: never more than that, and no more of it at once than its own young estimate is worth."""
    apart_ns = 150_000
    clock = GroupClock(ClockLine(time.monotonic_ns(), time.monotonic_ns()))
    clock.begin()
    line = Line(clock, apart_ns)
    before: list[int] = []
    for _ in range(1_500):
        line.exchange()
        assert clock.line is not None
        before.append(clock.line.group(clock.line.local_ns) - clock.line.local_ns)
        assert not clock.is_settling  # the music goes on as it is
    first = before[:20]
    assert max(abs(one - before[0]) for one in first) < HELD_DOUBT_NS
    assert all(-HELD_DOUBT_NS < one < apart_ns + 2 * HELD_DOUBT_NS for one in before)
    assert abs(before[-1] - apart_ns) < 75_000


def test_a_host_that_says_another_time_altogether_is_believed() -> None:
    clock = GroupClock(ClockLine(time.monotonic_ns(), time.monotonic_ns()))
    clock.begin()
    line = Line(clock, HOUR_NS)
    for _ in range(50):
        line.exchange()
    assert clock.line is not None
    assert abs(clock.line.group(clock.line.local_ns) - clock.line.local_ns - HOUR_NS) < 5_000_000
