"""Guessing gets slow; owners get in."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hocket.auth.attempts import (
    ACCOUNT_BURST,
    ADDRESS_BURST,
    FREE_TRIES,
    HALVING_S,
    MAX_UNJUDGED,
    MAX_WAIT_S,
    UNJUDGED_S,
    Attempts,
    TooManyAttempts,
    address_key,
)
from hocket.core.errors import ErrorCode


def wrong(attempts: Attempts, account: str, host: str, now_s: float) -> bool:
    """One wrong password, if it is let through."""
    try:
        attempts.admit(account, host, now_s)
    except TooManyAttempts:
        return False
    attempts.failed(account, host, now_s)
    return True


def wait_s(attempts: Attempts, account: str, host: str, now_s: float) -> float:
    """Admit, or tell how long to wait."""
    try:
        attempts.admit(account, host, now_s)
    except TooManyAttempts as error:
        return error.retry_s
    return 0.0


def test_after_free_tries_the_wait_doubles_and_says_how_long() -> None:
    attempts = Attempts()
    for _ in range(FREE_TRIES):
        assert wrong(attempts, "anna", "10.0.0.1", 0.0)
    now_s = 0.0
    for expected_s in (1.0, 2.0, 4.0, 8.0):
        with pytest.raises(TooManyAttempts, match="wait") as caught:
            attempts.admit("anna", "10.0.0.1", now_s)
        assert caught.value.retry_s == expected_s
        assert caught.value.code is ErrorCode.TOO_MANY_ATTEMPTS
        now_s += expected_s
        assert wrong(attempts, "anna", "10.0.0.1", now_s)


def test_the_wait_has_an_end_and_the_right_password_ends_it() -> None:
    attempts = Attempts()
    now_s = 0.0
    for _ in range(40):
        now_s += MAX_WAIT_S
        assert wrong(attempts, "anna", "10.0.0.1", now_s)
    now_s += MAX_WAIT_S
    attempts.admit("anna", "10.0.0.1", now_s)
    attempts.succeeded("anna", "10.0.0.1", now_s)
    for _ in range(FREE_TRIES):
        assert wrong(attempts, "anna", "10.0.0.1", now_s)


def test_mistakes_fade() -> None:
    attempts = Attempts()
    for _ in range(FREE_TRIES):
        wrong(attempts, "anna", "10.0.0.1", 0.0)
    assert not wrong(attempts, "anna", "10.0.0.1", 0.0)
    assert wrong(attempts, "anna", "10.0.0.1", 2 * HALVING_S)
    assert wrong(attempts, "anna", "10.0.0.1", 2 * HALVING_S)


def test_many_accounts_from_one_address_meet_the_limit_of_the_address() -> None:
    attempts = Attempts()
    tried = sum(wrong(attempts, f"user{i}", "10.0.0.1", 0.0) for i in range(1000))
    assert tried == ADDRESS_BURST
    with pytest.raises(TooManyAttempts, match="from your address"):
        attempts.admit("new", "10.0.0.1", 0.0)
    attempts.admit("new", "10.0.0.2", 0.0)


def test_one_account_from_many_addresses_meets_the_limit_of_the_account() -> None:
    attempts = Attempts()
    hosts = [f"10.0.{i}.1" for i in range(100)]
    first_round = sum(wrong(attempts, "anna", host, 0.0) for host in hosts)
    second_round = sum(wrong(attempts, "anna", host, 0.0) for host in hosts)
    assert first_round == len(hosts)  # an address without a mistake on record may be the owner's
    assert second_round == 0
    assert len(hosts) > ACCOUNT_BURST


def test_an_attack_from_elsewhere_never_keeps_the_owner_out() -> None:
    attempts = Attempts()
    now_s = 0.0
    for second in range(400):
        now_s = float(second)
        for host in range(50):
            wrong(attempts, "anna", f"10.1.0.{host}", now_s)
    attempts.admit("anna", "192.168.1.7", now_s)
    attempts.succeeded("anna", "192.168.1.7", now_s)


def test_a_class_that_shares_an_account_logs_in_at_once() -> None:
    attempts = Attempts()
    for _ in range(100):
        attempts.admit("class", "10.0.0.1", 0.0)
    for _ in range(100):
        attempts.succeeded("class", "10.0.0.1", 1.0)
    assert len(attempts) == 0


def test_guessing_in_parallel_gains_one_burst_only() -> None:
    attempts = Attempts()
    admitted = 0
    for _ in range(1000):
        try:
            attempts.admit("anna", "10.0.0.1", 0.0)
        except TooManyAttempts:
            break
        admitted += 1
    assert admitted == MAX_UNJUDGED
    for _ in range(admitted):
        attempts.failed("anna", "10.0.0.1", 1.0)
    with pytest.raises(TooManyAttempts) as caught:
        attempts.admit("anna", "10.0.0.1", 2.0)
    assert caught.value.retry_s == pytest.approx(MAX_WAIT_S - 1.0)
    later_s = 1.0 + MAX_WAIT_S
    attempts.admit("anna", "10.0.0.1", later_s)
    with pytest.raises(TooManyAttempts, match="at once"):
        attempts.admit("anna", "10.0.0.1", later_s)


def test_an_attempt_whose_auth_node_died_is_forgotten() -> None:
    attempts = Attempts()
    for _ in range(MAX_UNJUDGED):
        attempts.admit("anna", "10.0.0.1", 0.0)
    with pytest.raises(TooManyAttempts):
        attempts.admit("anna", "10.0.0.1", UNJUDGED_S - 1)
    attempts.admit("anna", "10.0.0.1", UNJUDGED_S)


def test_an_own_account_does_not_wipe_what_was_tried_on_others() -> None:
    attempts = Attempts()
    for i in range(int(ADDRESS_BURST)):
        wrong(attempts, f"user{i}", "10.0.0.1", 0.0)
        attempts.succeeded("mallory", "10.0.0.1", 0.0)
    assert not wrong(attempts, "one more", "10.0.0.1", 0.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10.0.0.1", "::ffff:10.0.0.1"),
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_addresses_of_one_customer_are_one(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


def test_other_addresses_are_not() -> None:
    hosts = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1", "no address", ""]
    assert len({address_key(host) for host in hosts}) == len(hosts)


_STEP = st.tuples(
    st.sampled_from(["admit", "failed", "succeeded", "wrong"]),
    st.integers(0, 20).map(lambda n: f"user{n}"),
    st.integers(0, 20).map(lambda n: f"10.0.0.{n}"),
    st.floats(0.0, 1000.0),
)


@given(st.lists(_STEP, max_size=200))
@settings(max_examples=60)
def test_memory_is_bounded_and_a_quiet_address_always_gets_in(steps: Sequence[tuple[str, str, str, float]]) -> None:
    attempts = Attempts(max_entries=5)
    now_s = 0.0
    for what, account, host, pause_s in steps:
        now_s += pause_s
        if what == "wrong":
            wrong(attempts, account, host, now_s)
        elif what == "admit":
            assert 0 <= wait_s(attempts, account, host, now_s) <= MAX_WAIT_S
        else:
            getattr(attempts, what)(account, host, now_s)
        assert len(attempts) <= 15
        attempts.admit(account, "192.168.1.7", now_s)
        attempts.succeeded(account, "192.168.1.7", now_s)


@given(st.lists(_STEP, max_size=60))
@example([("wrong", "user0", "10.0.0.0", 0.0)] * 3)
@settings(max_examples=60)
def test_waiting_as_told_is_enough_while_nobody_else_interferes(steps: Sequence[tuple[str, str, str, float]]) -> None:
    attempts = Attempts()
    now_s = 0.0
    for what, account, host, pause_s in steps:
        now_s += pause_s
        if what == "wrong":
            wrong(attempts, account, host, now_s)
    for _, account, host, _ in steps:
        waits = 0
        while (pause_s := wait_s(attempts, account, host, now_s)) > 0:
            now_s += pause_s + 1e-6
            waits += 1
        assert waits <= 3, "the pair's wait, the address's, the account's"
        attempts.succeeded(account, host, now_s)
