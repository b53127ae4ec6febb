"""Losses of a line."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.relay.losses import LOOK_BACK, PPM, Losses


def test_the_share_of_what_was_sent_again() -> None:
    losses = Losses()
    assert losses.take(1_000, 0) == 0
    assert losses.take(1_000, 0) == 0  # nothing was sent
    assert losses.take(11_000, 100) == 10_000


def test_what_is_long_past_counts_no_more() -> None:
    losses = Losses()
    losses.take(0, 0)
    assert losses.take(1_000, 500) == PPM // 2
    for second in range(1, LOOK_BACK + 1):
        found = losses.take(1_000 + 1_000 * second, 500)
    assert found == 0


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), max_size=50))
def test_it_is_a_share(steps: list[tuple[int, int]]) -> None:
    losses, sent, again = Losses(), 0, 0
    for more, more_again in steps:
        sent, again = sent + more, again + min(more, more_again)
        assert 0 <= losses.take(sent, again) <= PPM
