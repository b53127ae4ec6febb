"""The liveness machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.control.lease import Command, Event, State, new_lease
from hocket.core.machine import IllegalTransition


@pytest.mark.parametrize(
    ("events", "end", "last"),
    [
        ([Event.HEARD], State.ALIVE, Command.NOTHING),
        ([Event.EOF], State.SUSPECT, Command.PROBE),
        ([Event.SILENT], State.SUSPECT, Command.PROBE),
        ([Event.SILENT, Event.EOF], State.SUSPECT, Command.NOTHING),
        ([Event.EOF, Event.HEARD], State.ALIVE, Command.NOTHING),
        ([Event.EOF, Event.PROBE_FAILED], State.LOST, Command.CONDEMN),
        ([Event.EOF, Event.SILENT], State.LOST, Command.CONDEMN),
        ([Event.EOF, Event.PROBE_OK], State.REPRIEVED, Command.NOTHING),
        ([Event.EOF, Event.PROBE_OK, Event.SILENT], State.LOST, Command.CONDEMN),
        ([Event.EOF, Event.PROBE_OK, Event.HEARD], State.ALIVE, Command.NOTHING),
        ([Event.EOF, Event.SILENT, Event.HEARD], State.ALIVE, Command.NOTHING),
        ([Event.EOF, Event.SILENT, Event.PROBE_OK], State.REPRIEVED, Command.NOTHING),
        ([Event.EOF, Event.SILENT, Event.BURIED], State.DEAD, Command.RETIRE),
        ([Event.LEFT], State.DEAD, Command.RETIRE),
    ],
)
def test_a_heard_node_goes_through(events: list[Event], end: State, last: Command) -> None:
    lease = new_lease(State.ALIVE)
    commands = [lease.feed(event) for event in events]
    assert lease.state is end
    assert commands[-1] is last


def test_an_ordered_node_that_never_comes_is_condemned_without_a_probe() -> None:
    lease = new_lease(State.EXPECTED)
    assert lease.feed(Event.SILENT) is Command.CONDEMN


def test_the_dead_stay_dead() -> None:
    for event in Event:
        lease = new_lease(State.ALIVE)
        lease.feed(Event.LEFT)
        with pytest.raises(IllegalTransition, match="DEAD"):
            lease.feed(event)


@given(st.lists(st.sampled_from([event for event in Event if event not in (Event.LEFT, Event.BURIED)])))
def test_a_registered_node_is_condemned_only_after_a_probe(events: list[Event]) -> None:
    lease = new_lease(State.ALIVE)
    probed = False
    for event in events:
        command = lease.feed(event)
        if command is Command.PROBE:
            probed = True
        if event is Event.HEARD:
            assert lease.state is State.ALIVE
            probed = False
        if command is Command.CONDEMN:
            assert probed
