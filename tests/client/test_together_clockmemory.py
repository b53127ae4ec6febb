"""Who leaves a group and comes back knows its time at once, as long as it can be relied on."""

import pytest

from hocket.client.together import clockmemory, groupclock
from hocket.client.together.clockmemory import GOOD_DOUBT_NS, KEPT, ClockMemory
from hocket.client.together.groupclock import HELD_DOUBT_NS, GroupClock
from hocket.core.clock import NS_PER_S
from hocket.relay.clocksync import ClockLine
from hocket.relay.keys import GroupId

GROUP = GroupId("a" * 32)
LEARNT = ClockLine(NS_PER_S, 5 * NS_PER_S, 3e-5)


class Time:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 100 * NS_PER_S
        for module in (clockmemory, groupclock):
            monkeypatch.setattr(module, "time", self)

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def joining() -> GroupClock:
    clock = GroupClock()
    clock.begin()
    return clock


def test_the_time_is_known_again_at_once(time: Time) -> None:
    memory = ClockMemory()
    memory.keep(GROUP, GroupClock(LEARNT))
    time.now_ns += 10 * NS_PER_S
    clock = joining()
    memory.recall(GROUP, clock)
    assert clock.now_ns() == LEARNT.group(time.now_ns)
    assert clock.drift == LEARNT.drift
    assert HELD_DOUBT_NS < clock.noise_ns < GOOD_DOUBT_NS


def test_no_other_group_s_time_is_taken_for_it(time: Time) -> None:
    memory = ClockMemory()
    memory.keep(GROUP, GroupClock(LEARNT))
    clock = joining()
    memory.recall(GroupId("b" * 32), clock)
    assert clock.line is None


def test_after_long_it_is_learnt_anew(time: Time) -> None:
    memory = ClockMemory()
    memory.keep(GROUP, GroupClock(LEARNT))
    time.now_ns += 600 * NS_PER_S
    clock = joining()
    memory.recall(GROUP, clock)
    assert clock.line is None


def test_what_was_never_known_is_not_kept_and_an_older_time_forgotten(time: Time) -> None:
    memory = ClockMemory()
    memory.keep(GROUP, GroupClock(LEARNT))
    memory.keep(GROUP, GroupClock())
    clock = joining()
    memory.recall(GROUP, clock)
    assert clock.line is None


def test_only_the_last_groups_are_remembered(time: Time) -> None:
    memory = ClockMemory()
    groups = [GroupId(f"{number:032x}") for number in range(KEPT + 1)]
    for group in groups:
        memory.keep(group, GroupClock(LEARNT))
    known = []
    for group in groups:
        clock = joining()
        memory.recall(group, clock)
        known.append(clock.line is not None)
    assert known == [False] + [True] * KEPT
