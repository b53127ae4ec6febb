"""The group's time across a change of host: it neither jumps nor runs away."""

import random
import time
from itertools import pairwise
from typing import cast

import pytest

from hocket.adapters.peers import PeerLink
from hocket.client.together import groupclock
from hocket.client.together.groupclock import HELD_DOUBT_NS, PATIENCE_NS, GroupClock
from hocket.core.clock import NS_PER_S
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
    """A line of 20 +- 10 ms, 50 questions a second, to a host that is `ahead_ns` ahead of this machine."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, ahead_ns: int, clock: GroupClock | None = None, delay_ms: float = 20.0
    ) -> None:
        self.now_ns = HOUR_NS
        monkeypatch.setattr(groupclock, "time", self)
        self.clock = clock or GroupClock(ClockLine(HOUR_NS, HOUR_NS))
        self.clock.begin()
        self._ahead_ns = ahead_ns
        self._delay_ms = delay_ms
        self._luck = random.Random(4)
        self._asked = AskTime(0)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def send_time(self, question: AskTime) -> None:
        self._asked = question

    def ahead_ns(self) -> int:
        """An exchange later: how far the clock believes the host to be ahead."""
        self.exchange()
        line = self.clock.line
        assert line is not None
        return line.group(line.local_ns) - line.local_ns

    def exchange(self) -> None:
        sent_ns = self.now_ns
        self.clock.hurry()
        self.clock.ask(cast(PeerLink, self))
        there_ns, back_ns = (round(self._luck.uniform(0.5, 1.5) * self._delay_ms * 1e6) for _ in range(2))
        told_ns = sent_ns + there_ns + self._ahead_ns
        self.now_ns += 20_000_000
        self.clock.take(TimeIs(self._asked.number, told_ns, told_ns), sent_ns + there_ns + back_ns)


def test_a_successor_s_time_is_taken_over_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What both were off: never more than that, and no more of it at once than its own young estimate is worth."""
    apart_ns = 150_000
    line = Line(monkeypatch, apart_ns)
    ahead = []
    for _ in range(1_500):
        ahead.append(line.ahead_ns())
        assert not line.clock.is_settling or len(ahead) > 500  # the music goes on as it is
    assert max(map(abs, ahead[:20])) < HELD_DOUBT_NS
    assert max(abs(after - before) for before, after in pairwise(ahead)) < 2 * HELD_DOUBT_NS
    assert all(-HELD_DOUBT_NS < one < apart_ns + HELD_DOUBT_NS for one in ahead)
    assert abs(ahead[-1] - apart_ns) < HELD_DOUBT_NS


def test_a_host_that_says_another_time_altogether_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, HOUR_NS)
    ahead = [line.ahead_ns() for _ in range(100)]
    assert ahead[0] == 0  # one answer is nothing to go by
    assert abs(ahead[-1] - HOUR_NS) < 2_000_000


def test_it_says_when_it_will_be_known_at_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, HOUR_NS, GroupClock())
    line.exchange()
    before_ns = line.clock.ready_in_ns
    line.exchange()
    assert 0 < line.clock.ready_in_ns < before_ns < PATIENCE_NS + NS_PER_S // 10  # Line's answers are told ahead
    assert line.clock.line is None
    line.now_ns += before_ns + 1
    assert line.clock.ready_in_ns == 0
    assert line.clock.line is not None


def test_over_a_short_line_it_is_known_in_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(monkeypatch, HOUR_NS, GroupClock(), delay_ms=1.0)
    line.exchange()
    assert line.clock.line is None
    assert line.clock.ready_in_ns == 0
