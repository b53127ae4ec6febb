"""Simultaneous open as decisions: who dials when, and when it is given up."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.core.machine import IllegalTransition, Machine
from hocket.relay.punch import _NEXT, DIAL_NS, LIMIT_NS, MAX_DIALS, MAX_WAIT_NS, REST_NS, Command, Event, Punch, State

WAIT_NS = NS_PER_S // 5


def test_it_dials_at_the_moment_and_not_before() -> None:
    punch = Punch(0, WAIT_NS)
    assert punch.next_ns == WAIT_NS
    assert punch.tick(WAIT_NS - 1) is Command.NOTHING
    assert punch.tick(WAIT_NS) is Command.DIAL
    assert punch.next_ns == WAIT_NS + DIAL_NS


@pytest.mark.parametrize(("wait_ns", "at_ns"), [(-(10**18), 0), (0, 0), (10**18, MAX_WAIT_NS)])
def test_a_clock_that_is_wrong_delays_nobody_for_long(wait_ns: int, at_ns: int) -> None:
    assert Punch(0, wait_ns).tick(at_ns) is Command.DIAL


def test_silence_is_dialled_through_again() -> None:
    punch = Punch(0, 0)
    punch.tick(0)
    assert punch.tick(DIAL_NS - 1) is Command.NOTHING
    assert punch.tick(DIAL_NS) is Command.DIAL_ANEW


def test_after_a_refusal_it_rests() -> None:
    punch = Punch(0, 0)
    punch.tick(0)
    assert punch.refused(5) is Command.HANG_UP
    assert punch.tick(5 + REST_NS - 1) is Command.NOTHING
    assert punch.tick(5 + REST_NS) is Command.DIAL
    assert punch.refused(6 + REST_NS) is Command.HANG_UP


def test_an_answer_ends_it_and_a_second_one_is_hung_up_on() -> None:
    punch = Punch(0, 0)
    punch.tick(0)
    assert punch.answered() is Command.KEEP
    assert punch.state is State.THROUGH
    assert punch.answered() is Command.HANG_UP
    assert punch.refused(9) is Command.NOTHING
    assert punch.tick(10 * LIMIT_NS) is Command.NOTHING


def test_the_other_may_be_early() -> None:
    assert Punch(0, WAIT_NS).answered() is Command.KEEP


def test_it_ends_in_time() -> None:
    punch = Punch(0, 0)
    now_ns, commands = 0, []
    while punch.state not in (State.THROUGH, State.CLOSED):
        commands.append(punch.tick(now_ns))
        now_ns = punch.next_ns
    assert commands[-1] is Command.GIVE_UP
    assert set(commands[1:-1]) == {Command.DIAL_ANEW}
    assert now_ns <= LIMIT_NS + DIAL_NS


STEPS: list[Callable[[Punch, int], object]] = [
    lambda punch, now_ns: punch.tick(now_ns),
    lambda punch, now_ns: punch.refused(now_ns),
    lambda punch, now_ns: punch.tick(punch.next_ns),
]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2 * NS_PER_S)), max_size=60))
def test_whatever_happens_a_third_party_is_dialled_a_few_times_at_most(
    steps: list[tuple[Callable[[Punch, int], object], int]],
) -> None:
    punch, now_ns = Punch(0, 0), 0
    for step, more_ns in steps:
        now_ns += more_ns
        step(punch, now_ns)
    assert punch.dials <= MAX_DIALS
    if now_ns > LIMIT_NS + MAX_WAIT_NS:
        punch.tick(now_ns)
        assert punch.state is State.CLOSED


def test_the_table_knows_every_event_that_can_come() -> None:
    may_be_late = {State.WAITING, State.DIALLING, State.RESTING}
    assert {state for state, event in _NEXT if event is Event.LATE} == may_be_late
    assert {state for state, event in _NEXT if event is Event.ANSWERED} == may_be_late
    for ended in (State.THROUGH, State.CLOSED):
        for event in Event:
            with pytest.raises(IllegalTransition):
                Machine(_NEXT, ended).feed(event)
