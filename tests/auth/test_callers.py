"""One address cannot use up what is there for all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.auth.callers import LOGIN_BURST, LOGIN_REFILL_S, Callers, TooManyRequests
from hocket.core.errors import ErrorCode


def let_through(callers: Callers, host: str, times: int, now_s: float) -> int:
    count = 0
    for _ in range(times):
        try:
            callers.admit(host, now_s)
        except TooManyRequests:
            continue
        count += 1
    return count


def test_a_burst_passes_and_then_one_at_a_time() -> None:
    callers = Callers("log-ins", LOGIN_BURST, LOGIN_REFILL_S)
    assert let_through(callers, "10.0.0.1", 1000, 5.0) == LOGIN_BURST >= 100
    with pytest.raises(TooManyRequests, match="log-ins") as caught:
        callers.admit("10.0.0.1", 5.0)
    assert caught.value.code is ErrorCode.TOO_MANY_REQUESTS
    assert caught.value.hint
    callers.admit("10.0.0.1", 5.0 + caught.value.retry_s)
    assert let_through(callers, "10.0.0.1", 1000, 15.0) == pytest.approx(10.0 / LOGIN_REFILL_S, abs=2)


def test_others_are_not_held_up_by_one_who_asks_all_the_time() -> None:
    callers = Callers("joins", 3.0, 1.0)
    assert let_through(callers, "10.0.0.1", 50, 0.0) == 3
    assert let_through(callers, "10.0.0.2", 50, 0.0) == 3
    assert let_through(callers, "::ffff:10.0.0.1", 50, 0.0) == 0


def test_being_refused_prolongs_nothing() -> None:
    callers = Callers("joins", 1.0, 1.0)
    callers.admit("a", 0.0)
    for _ in range(100):
        with pytest.raises(TooManyRequests):
            callers.admit("a", 0.5)
    callers.admit("a", 1.0)


@given(st.lists(st.integers(0, 2**32 - 1), max_size=60))
def test_memory_is_bounded_however_many_addresses_ask(numbers: list[int]) -> None:
    callers = Callers("joins", 2.0, 1.0, max_addresses=8)
    for now_s, number in enumerate(numbers):
        callers.admit(f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", float(now_s))
        assert len(callers) <= 8
