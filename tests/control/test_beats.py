"""When nodes beat: in few moments, in time, and for ever in the same one."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.control.beats import MOMENTS, next_beat_in_s

times = st.floats(0.0, 1e7)
intervals = st.floats(0.05, 60.0)


def moment(now_s: float, interval_s: float) -> float:
    return (now_s + next_beat_in_s(now_s, interval_s)) * MOMENTS / interval_s


@given(times, intervals)
def test_the_next_beat_comes_about_an_interval_later(now_s: float, interval_s: float) -> None:
    late_s = next_beat_in_s(now_s, interval_s) - interval_s
    assert abs(late_s) <= interval_s / MOMENTS / 2 + 1e-6


@given(times, intervals)
def test_nodes_beat_at_few_moments(now_s: float, interval_s: float) -> None:
    at = moment(now_s, interval_s)
    assert abs(at - round(at)) < 1e-4


@given(st.integers(0, 10**6), intervals, st.lists(st.floats(0.0, 0.45), min_size=1, max_size=30))
def test_a_node_stays_in_its_moment_whatever_its_line_does(first: int, interval_s: float, delays: list[float]) -> None:
    apart_s = interval_s / MOMENTS
    due_s = first * apart_s
    for beat, delay in enumerate(delays, 1):
        heard_s = due_s + delay * apart_s
        due_s = heard_s + next_beat_in_s(heard_s, interval_s)
        assert abs(due_s / apart_s - (first + beat * MOMENTS)) < 1e-4


def test_nodes_that_came_one_by_one_meet_in_ten_moments() -> None:
    nodes = 350
    due_s = {round(now_s + next_beat_in_s(now_s, 2.0), 6) for now_s in (2.0 * node / nodes for node in range(nodes))}
    assert len(due_s) <= MOMENTS + 1
