"""One child's life, and what a control node knows of all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.control.backoff import BackoffRule
from hocket.control.children import Child, Command, State
from hocket.control.supervision import TROUBLE_S, Supervision
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role

RULE = BackoffRule(base_s=1.0, cap_s=30.0, healthy_s=10.0)


def child(now_s: float = 0.0) -> Child:
    return Child(NodeId("file-1"), Role.FILE, now_s, ready_timeout_s=20.0, stop_grace_s=3.0)


def test_a_good_life() -> None:
    one = child()
    assert (one.shown, one.deadline_s) == ("starting", 20.0)
    assert one.ready(1.0) is Command.ANNOUNCE
    assert (one.shown, one.deadline_s) == ("ready", None)
    assert one.healthy_s(5.0) == 4.0
    assert one.stop(6.0) is Command.TERMINATE
    assert (one.shown, one.deadline_s) == ("stopping", 9.0)
    assert one.ended("ended with exit code 0", 7.0, clean=True) is Command.REPORT
    assert (one.shown, one.why, one.healthy_s(99.0)) == ("stopped", "ended with exit code 0", 6.0)
    assert one.stop(8.0) is Command.NOTHING


def test_never_ready() -> None:
    one = child()
    assert one.late(19.9) is Command.NOTHING
    assert one.late(20.0) is Command.KILL
    assert one.ready(20.1) is Command.NOTHING
    assert one.stop(20.2) is Command.NOTHING
    assert one.ended("was ended by SIGKILL", 20.3, clean=False) is Command.REPORT
    assert one.crashed
    assert one.why == "not ready within 20 s, was ended by SIGKILL"
    assert one.healthy_s(30.0) == 0.0


def test_an_end_before_readiness_is_a_crash_whatever_the_exit_code() -> None:
    one = child()
    one.ended("ended with exit code 0", 1.0, clean=True)
    assert one.crashed
    assert one.why == "ended with exit code 0 before it was ready"


def test_stopped_while_starting_is_no_crash() -> None:
    one = child()
    assert one.stop(1.0) is Command.TERMINATE
    assert one.ready(1.5) is Command.NOTHING
    assert one.late(4.0) is Command.KILL
    one.ended("was ended by SIGKILL", 4.1, clean=False)
    assert not one.crashed
    assert one.why == "did not end within 3 s, was ended by SIGKILL"


@given(st.lists(st.sampled_from(["ready", "stop", "late", "line"]), max_size=30), st.booleans())
def test_any_order_of_events_ends_in_one_report_and_at_most_one_kill(steps: list[str], clean: bool) -> None:
    one, now_s, commands = child(), 0.0, []
    for step in steps:
        now_s += 2.5
        match step:
            case "ready":
                commands.append(one.ready(now_s))
            case "stop":
                commands.append(one.stop(now_s))
            case "late":
                commands.append(one.late(now_s))
            case _:
                one.line(f"at {now_s}")
    commands.append(one.ended("over", now_s, clean=clean))
    assert commands.count(Command.REPORT) == 1
    assert commands.count(Command.KILL) <= 1
    assert commands.count(Command.TERMINATE) <= 1
    assert one.state in (State.ENDED, State.CRASHED)
    assert one.is_over
    assert one.deadline_s is None
    assert len(one.last_lines) <= 40


def admit(supervision: Supervision, number: int, now_s: float, role: Role = Role.FILE) -> Child:
    return supervision.admit(NodeId(f"{role}-{number}"), role, now_s, ready_timeout_s=20.0, stop_grace_s=3.0)


def crash(supervision: Supervision, number: int, now_s: float, ran_s: float = 0.0) -> float:
    one = admit(supervision, number, now_s)
    if ran_s:
        one.ready(now_s)
    one.line("Traceback")
    one.ended("was ended by SIGSEGV", now_s + ran_s, clean=False)
    return supervision.remove(one, now_s + ran_s, jitter=0.999999)


def test_slots_are_never_exceeded() -> None:
    supervision = Supervision(2, RULE)
    first = admit(supervision, 1, 0.0)
    admit(supervision, 2, 0.0)
    with pytest.raises(HocketError) as full:
        admit(supervision, 3, 0.0)
    assert full.value.code is ErrorCode.NODE_FULL
    with pytest.raises(ValueError, match="still starting"):
        supervision.remove(first, 1.0, 0.0)
    first.ended("", 1.0, clean=True)
    supervision.remove(first, 1.0, 0.0)
    admit(supervision, 3, 1.0)
    with pytest.raises(HocketError) as twice:
        admit(supervision, 3, 1.0)
    assert twice.value.code is ErrorCode.ID_IN_USE


def test_a_crash_loop_waits_longer_and_longer_and_says_why() -> None:
    supervision, now_s, waits = Supervision(6, RULE), 0.0, []
    for number in range(6):
        not_before_s = crash(supervision, number, now_s)
        waits.append(round(max(0.0, not_before_s - now_s)))
        now_s = max(now_s, not_before_s)
    assert waits == [0, 1, 2, 4, 8, 16]
    with pytest.raises(HocketError) as waiting:
        admit(supervision, 9, now_s - 1.0)
    assert waiting.value.code is ErrorCode.BACKING_OFF
    assert waiting.value.retry_s == pytest.approx(1.0)
    assert waiting.value.text == "file-5 was ended by SIGSEGV before it was ready"
    [row] = supervision.status(now_s - 1.0)
    assert (row.state, row.failures, row.last_lines) == ("waiting", 6, ("Traceback",))
    assert row.retry_s == pytest.approx(1.0)
    [row] = supervision.status(now_s + 1.0)
    assert row.state == "crashed"
    admit(supervision, 9, now_s - 1.0, Role.AUTH)  # the other role is not to blame


def test_a_healthy_child_ends_the_row_of_failures() -> None:
    supervision = Supervision(6, RULE)
    not_before_s = 0.0
    for number in range(3):
        not_before_s = crash(supervision, number, not_before_s)
    one = admit(supervision, 7, not_before_s)
    one.ready(not_before_s)
    supervision.tick(not_before_s + 9.9)
    assert len(supervision.status(not_before_s + 9.9)) == 2
    supervision.tick(not_before_s + 10.0)
    [row] = supervision.status(not_before_s + 10.0)
    assert row.state == "ready"


def test_a_child_that_was_healthy_before_the_loop_proves_nothing() -> None:
    supervision = Supervision(6, RULE)
    admit(supervision, 1, 0.0).ready(0.0)
    crash(supervision, 2, 5.0)
    supervision.tick(100.0)
    assert len(supervision.status(100.0)) == 2
    supervision.tick(5.0 + TROUBLE_S)
    assert len(supervision.status(5.0 + TROUBLE_S)) == 1


def test_one_kill_of_a_healthy_child_costs_no_wait() -> None:
    supervision = Supervision(6, RULE)
    assert crash(supervision, 1, 0.0, ran_s=60.0) <= 60.0
    assert crash(supervision, 2, 60.0, ran_s=60.0) <= 120.0
