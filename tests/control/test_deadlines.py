"""Deadlines against a plain dictionary."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.control.deadlines import Deadlines

_KEYS = st.sampled_from("abcde")
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), _KEYS, st.integers(0, 30)),
        st.tuples(st.just("drop"), _KEYS, st.just(0)),
        st.tuples(st.just("due"), st.just(""), st.integers(0, 10)),
    ),
    max_size=60,
)


@given(_STEPS)
def test_they_come_due_exactly_when_a_plain_dictionary_says(steps: list[tuple[str, str, int]]) -> None:
    deadlines: Deadlines[str] = Deadlines()
    model: dict[str, float] = {}
    now_s = 0.0
    for what, key, number in steps:
        if what == "set":
            deadlines.set(key, now_s + number)
            model[key] = now_s + number
        elif what == "drop":
            deadlines.drop(key)
            model.pop(key, None)
        else:
            now_s += number
            expected = {key for key, at_s in model.items() if at_s <= now_s}
            due = deadlines.due(now_s)
            assert len(due) == len(set(due))
            assert set(due) == expected
            for key in expected:
                del model[key]
        assert len(deadlines) == len(model)
        assert deadlines.next_s <= min(model.values(), default=float("inf"))


def test_a_million_moves_later_do_not_grow_the_heap() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for second in range(1000):
        for key in range(10):
            deadlines.set(key, second + 5.0)
        assert deadlines.due(float(second)) == []
    assert len(deadlines._heap) == 10
