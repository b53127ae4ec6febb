"""The mass-loss rule."""

from hocket.control.massloss import MassLoss
from hocket.core.ids import NodeId


def lose(rule: MassLoss, count: int, now_s: float, first: int = 0) -> None:
    for number in range(first, first + count):
        rule.vanish(NodeId(f"n{number}"), now_s)


def test_over_a_third_freezes_for_one_window() -> None:
    rule = MassLoss(5.0)
    lose(rule, 4, 10.0)
    assert rule.judge(lambda: 12, 10.0) == 0
    lose(rule, 1, 10.5, first=4)
    assert rule.judge(lambda: 12, 11.0) == 5
    assert rule.is_frozen(15.9)
    assert not rule.is_frozen(16.0)


def test_what_vanishes_while_frozen_does_not_freeze_again() -> None:
    rule = MassLoss(5.0)
    lose(rule, 5, 10.0)
    assert rule.judge(lambda: 12, 10.0)
    lose(rule, 7, 12.0, first=5)
    assert rule.judge(lambda: 12, 12.0) == 0
    assert rule.judge(lambda: 12, 15.0) == 0
    assert not rule.is_frozen(15.0)


def test_losses_far_apart_are_no_mass() -> None:
    rule = MassLoss(5.0)
    for number in range(10):
        rule.vanish(NodeId(f"n{number}"), 3.0 * number)
        assert rule.judge(lambda: 8, 3.0 * number) == 0


def test_the_buried_still_count_the_returned_and_those_that_left_do_not() -> None:
    rule = MassLoss(5.0)
    lose(rule, 3, 0.0)
    rule.bury(NodeId("n0"))
    assert rule.judge(lambda: 7, 1.0) == 3  # 3 of the 8 that were here
    rule = MassLoss(5.0)
    lose(rule, 3, 0.0)
    rule.forget(NodeId("n0"))
    assert rule.judge(lambda: 3, 1.0) == 0


def test_a_home_with_two_nodes_never_freezes() -> None:
    rule = MassLoss(5.0)
    lose(rule, 2, 0.0)
    assert rule.judge(lambda: 2, 0.0) == 0
