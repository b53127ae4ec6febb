"""Cluster time, state machines and bounded stories."""

from enum import Enum, auto

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.core.clustertime import BETTER_FOR_S, ClusterTime
from hocket.core.machine import IllegalTransition, Machine
from hocket.core.story import STORY_LENGTH, Story


class State(Enum):
    OPEN = auto()
    SHUT = auto()


class Event(Enum):
    PUSH = auto()
    LOCK = auto()


TABLE = {(State.SHUT, Event.PUSH): (State.OPEN, "creak"), (State.OPEN, Event.PUSH): (State.SHUT, "bang")}


@given(st.integers(0, 2_000_000_000), st.floats(0, 1e6), st.floats(0, 2), st.floats(0, 1), st.floats(0, 1000))
def test_the_midpoint_is_off_by_half_a_round_trip_at_most(
    cluster_s: int, sent_s: float, there_s: float, back_s: float, later_s: float
) -> None:
    time = ClusterTime()
    assert not time.is_known
    heard_ns = cluster_s * NS_PER_S  # what the prime's clock said when it answered
    time.heard(heard_ns, sent_s, sent_s + there_s + back_s)
    truth_ns = heard_ns + round((back_s + later_s) * NS_PER_S)
    estimate_ns = time.now_ns(sent_s + there_s + back_s + later_s)
    assert abs(estimate_ns - truth_ns) <= (there_s + back_s) / 2 * NS_PER_S + 1000


def test_a_worse_reading_does_not_replace_a_fresh_better_one() -> None:
    time = ClusterTime()
    time.heard(1_000 * NS_PER_S, 10.0, 10.001)
    time.heard(2_000 * NS_PER_S, 11.0, 12.0)
    assert time.now_ns(10.0005) == pytest.approx(1_000 * NS_PER_S, abs=1000)
    time.heard(2_000 * NS_PER_S, 10.0 + BETTER_FOR_S, 11.0 + BETTER_FOR_S)
    assert time.now_ns(10.5 + BETTER_FOR_S) == pytest.approx(2_000 * NS_PER_S, abs=1000)


def test_a_machine_follows_its_table_and_nothing_else() -> None:
    door: Machine[State, Event, str] = Machine(TABLE, State.SHUT)
    assert [door.feed(Event.PUSH), door.feed(Event.PUSH)] == ["creak", "bang"]
    with pytest.raises(IllegalTransition) as caught:
        door.feed(Event.LOCK)
    assert "LOCK in SHUT" in caught.value.text
    assert "SHUT PUSH" in caught.value.text, "the story is told"
    assert door.state is State.SHUT


def test_a_story_keeps_its_end_and_counts_the_rest() -> None:
    story = Story()
    for number in range(STORY_LENGTH + 8):
        story.note(str(number))
    assert len(story.events) == STORY_LENGTH
    assert story.events[-1] == str(STORY_LENGTH + 7)
    assert str(story).startswith("(8 earlier) > 8 > ")
