"""Who is let in: real accounts, demo accounts, nobody else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.auth.accounts import LoginRefused, Rights, User, judge_login, judge_return
from hocket.auth.demo import DEMO_NAMES, demo_name, demo_user
from hocket.core.ids import UserName

ANNA = User(UserName("Anna"), "hash")


def test_the_right_password_logs_in() -> None:
    assert judge_login(ANNA, password_fits=True) is ANNA


def test_wrong_name_and_wrong_password_get_the_same_answer() -> None:
    answers = set()
    for user in (None, ANNA, User(UserName("Bert"), "hash", disabled=True)):
        with pytest.raises(LoginRefused) as caught:
            judge_login(user, password_fits=False)
        answers.add(str(caught.value))
    assert len(answers) == 1


def test_only_who_knows_the_password_learns_that_the_account_is_disabled() -> None:
    with pytest.raises(LoginRefused, match="disabled"):
        judge_login(User(UserName("Bert"), "hash", disabled=True), password_fits=True)


def test_an_account_without_the_right_to_listen_is_told_so() -> None:
    with pytest.raises(LoginRefused, match="may not listen"):
        judge_login(User(UserName("Ops"), "hash", Rights.OPERATE), password_fits=True)


def ask(
    name: str = "someone",
    real_users: int = 0,
    peer_host: str = "127.0.0.1",
    seen_at_home: bool = True,
    own_hosts: tuple[str, ...] = ("192.168.1.5", "fe80::1%eth0"),
    everywhere: bool = False,
) -> User | None:
    return demo_user(
        name,
        "hash",
        real_users=real_users,
        peer_host=peer_host,
        seen_at_home=seen_at_home,
        own_hosts=own_hosts,
        everywhere=everywhere,
    )


@pytest.mark.parametrize("name", ["Someone", "anotheruser", "FINALUSER"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "192.168.1.5", "fe80::1%eth1"])
def test_on_the_primes_own_machine_a_fresh_cluster_has_demo_accounts(name: str, host: str) -> None:
    user = ask(name, peer_host=host)
    assert user is not None
    assert user.name in DEMO_NAMES
    assert user.rights == Rights.LISTEN


@pytest.mark.parametrize("host", ["192.168.1.6", "10.0.0.1", "::2", "localhost", "", "unix"])
def test_from_elsewhere_a_demo_account_says_what_to_do(host: str) -> None:
    with pytest.raises(LoginRefused, match="users add NAME"):
        ask(peer_host=host)
    assert ask(peer_host=host, everywhere=True) is not None


def test_loopback_of_another_machine_is_elsewhere() -> None:
    with pytest.raises(LoginRefused):
        ask(peer_host="127.0.0.1", seen_at_home=False)
    assert ask(peer_host="192.168.1.5", seen_at_home=False) is not None


@given(st.integers(min_value=1), st.sampled_from(DEMO_NAMES), st.booleans(), st.booleans())
def test_one_real_account_ends_them_even_with_demo(count: int, name: str, home: bool, everywhere: bool) -> None:
    assert ask(name, real_users=count, seen_at_home=home, everywhere=everywhere) is None


def test_other_names_are_no_demo_accounts() -> None:
    assert demo_name("anybody") is None
    assert ask("anybody") is None
    assert ask("anybody", peer_host="10.0.0.1") is None


def test_a_session_goes_on_while_the_password_is_the_one_that_was_shown() -> None:
    account = msgspec.structs.replace(ANNA, generation=7)
    assert judge_return(account, 7) is account
    assert judge_return(account, 0) is account, "a ticket of an older node does not say"
    rehashed = msgspec.structs.replace(account, password_hash="in other words")
    assert judge_return(rehashed, 7) is rehashed


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (None, "was removed"),
        (User(ANNA.name, "hash", disabled=True, generation=7), "is disabled"),
        (User(ANNA.name, "hash", Rights.OPERATE, generation=7), "may not listen"),
        (User(ANNA.name, "hash", generation=8), "password of this account was changed"),
        (User(ANNA.name, "hash", generation=6), "password of this account was changed"),
    ],
)
def test_a_session_ends_with_what_its_account_was(account: User | None, reason: str) -> None:
    with pytest.raises(LoginRefused, match=reason) as caught:
        judge_return(account, 7)
    assert caught.value.hint
