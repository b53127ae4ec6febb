"""A join token is read whole or not at all, and lets in whom it should."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.auth.jointokens import (
    FINGERPRINT_BYTES,
    ID_BYTES,
    MAX_PRIMES,
    SECRET_BYTES,
    JoinedNode,
    JoinRequest,
    JoinToken,
    TokenRecord,
    TokenRefused,
    judge_join,
    new_token,
    reach_warning,
    record_of,
)
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode
from hocket.core.ids import NodeId, Role, node_id

RANDOM = bytes(range(ID_BYTES + SECRET_BYTES))
FINGERPRINT = "ab" * FINGERPRINT_BYTES
TOKEN = new_token([HostPort("192.168.1.5", 50001), HostPort("fe80::1", 50001)], FINGERPRINT, RANDOM)
TEXT = TOKEN.text()
PLANE = NodeId("plane-0123456789ab")
SPAWNED = node_id(Role.AUTH, bytes(6), spawned=True)
KEY = b"k" * 32
NOW_UNIX_S = 1_700_000_000
RECORD = record_of(TOKEN, uses=1, expires_unix_s=NOW_UNIX_S + 3600)

tokens = st.builds(
    JoinToken,
    st.lists(st.builds(HostPort, st.text(min_size=1, max_size=45), st.integers(1, 65535)), min_size=1, max_size=8).map(
        tuple
    ),
    st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
    st.binary(min_size=ID_BYTES, max_size=ID_BYTES),
    st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
)


@given(tokens)
def test_a_token_says_what_it_was_told(token: JoinToken) -> None:
    assert JoinToken.parse(token.text()) == token


def test_a_token_is_one_word_for_a_command_line() -> None:
    assert TEXT.startswith("hocket-join-1.")
    assert not set(TEXT) & set(" '\"$&|;<>()`\\*?[]#~!")
    usual = new_token([HostPort("192.168.1.5", 50001)], FINGERPRINT, RANDOM)
    assert len(usual.text()) < 135
    assert usual.fingerprint_hex == FINGERPRINT


def test_a_token_prints_without_its_secret() -> None:
    assert RANDOM[ID_BYTES:].hex() not in repr(TOKEN)
    assert str(RANDOM[ID_BYTES:]) not in repr(TOKEN)
    assert "192.168.1.5:50001" in repr(TOKEN)


def test_line_breaks_and_spaces_of_a_copied_token_do_not_matter() -> None:
    assert JoinToken.parse(f"  {TEXT[:40]}\n   {TEXT[40:]}\r\n") == TOKEN


@given(st.integers(0, len(TEXT) - 1))
def test_a_cut_token_says_so_and_how_much_is_missing(chars: int) -> None:
    with pytest.raises(TokenRefused, match="is cut off") as caught:
        JoinToken.parse(TEXT[:chars])
    assert caught.value.code is ErrorCode.TOKEN_REFUSED
    if chars > 25:
        assert f"of {len(TEXT)} characters" in caught.value.text


@given(st.integers(14, len(TEXT) - 2), st.characters(categories=["L", "N"], max_codepoint=127))
def test_a_mistyped_token_is_told_from_a_wrong_one(position: int, char: str) -> None:
    typed = TEXT[:position] + char + TEXT[position + 1 :]
    if typed == TEXT:
        return
    with pytest.raises(TokenRefused, match=r"changed on its way|is cut off"):
        JoinToken.parse(typed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TEXT + "AAAA", "changed on its way"),
        (TEXT[:20] + "ö" + TEXT[21:], "a character that no token has"),
        (TEXT[:20] + "=" + TEXT[21:], "a character that no token has"),
        (TEXT.replace("join-1.", "join-2."), "another version"),
        ("password123", "starts with hocket-join-"),
        ("hocket://192.168.1.5:50001", "starts with hocket-join-"),
        ("", "cut off"),
    ],
)
def test_what_is_no_token_says_why(text: str, reason: str) -> None:
    with pytest.raises(TokenRefused, match=reason) as caught:
        JoinToken.parse(text)
    assert caught.value.hint


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for typed in (text, TEXT[:14] + text):
        with contextlib.suppress(TokenRefused):
            JoinToken.parse(typed)


def test_a_token_that_lacks_something_makes_no_sense() -> None:
    empty = JoinToken((), TOKEN.fingerprint, TOKEN.id, TOKEN.secret)
    with pytest.raises(TokenRefused, match="makes no sense"):
        JoinToken.parse(empty.text())


def test_a_token_names_a_few_primes_at_most() -> None:
    many = new_token([HostPort(f"10.0.0.{i}", 1) for i in range(20)], FINGERPRINT, RANDOM)
    assert len(JoinToken.parse(many.text()).primes) == MAX_PRIMES


def test_a_token_takes_all_its_randomness() -> None:
    with pytest.raises(ValueError, match="random bytes"):
        new_token([], FINGERPRINT, b"")


def judge(
    node: NodeId = PLANE,
    public_key: bytes = KEY,
    secret: bytes = TOKEN.secret,
    token: TokenRecord | None = RECORD,
    known: JoinedNode | None = None,
    removed: bool = False,
    now_unix_s: int = NOW_UNIX_S,
) -> bool:
    return judge_join(JoinRequest(node, public_key, TOKEN.id, secret), token, known, removed, now_unix_s)


def used(times: int, uses: int = 1) -> TokenRecord:
    return TokenRecord(RECORD.id, RECORD.secret_hash, uses, times, RECORD.expires_unix_s)


def test_a_good_token_lets_a_machine_in_and_is_used_by_it() -> None:
    assert judge()
    assert judge(token=used(2, uses=3))


def test_the_same_machine_may_ask_again_for_an_answer_that_was_lost() -> None:
    known = JoinedNode(PLANE, KEY, RECORD.id)
    assert not judge(token=used(1), known=known)
    assert not judge(token=used(1), known=known, now_unix_s=NOW_UNIX_S + 7200)


def test_a_machine_that_joined_by_another_token_uses_this_one() -> None:
    assert judge(known=JoinedNode(PLANE, KEY, "another"))


def test_who_joined_by_such_an_id_before_they_were_set_apart_stays() -> None:
    assert judge(node=SPAWNED, known=JoinedNode(SPAWNED, KEY, "another"))


REFUSALS = [
    ({"token": None}, "does not know"),
    ({"secret": bytes(SECRET_BYTES)}, "is wrong"),
    ({"secret": b""}, "is wrong"),
    ({"now_unix_s": NOW_UNIX_S + 3600}, "ran out 0 s ago"),
    ({"now_unix_s": NOW_UNIX_S + 3600 + 600}, "ran out 10 min ago"),
    ({"now_unix_s": NOW_UNIX_S + 3600 + 86400}, "ran out 24 h ago"),
    ({"token": used(1)}, "good for once, and is used up"),
    ({"token": used(3, uses=3)}, "good for 3 times, and is used up"),
    ({"known": JoinedNode(PLANE, b"other", RECORD.id)}, "with another key"),
    ({"removed": True}, "was removed"),
    ({"node": NodeId("prime-0123456789ab")}, "nobody joins as prime"),
    ({"node": NodeId("operator-0123456789ab")}, "nobody joins as operator"),
    ({"node": SPAWNED}, "the prime's to give"),
]


@pytest.mark.parametrize(("case", "reason"), REFUSALS, ids=[reason for _, reason in REFUSALS])
def test_a_refusal_says_why_and_what_to_do(case: dict[str, object], reason: str) -> None:
    with pytest.raises(TokenRefused, match=reason) as caught:
        judge(**case)  # type: ignore[arg-type]
    assert caught.value.hint


@pytest.mark.parametrize("case", [case for case, _ in REFUSALS[3:]])
def test_who_does_not_know_the_secret_learns_nothing_else(case: dict[str, object]) -> None:
    with pytest.raises(TokenRefused, match="is wrong"):
        judge(**{**case, "secret": bytes(SECRET_BYTES)})  # type: ignore[arg-type]


def test_a_prime_that_only_this_machine_reaches_says_what_to_change() -> None:
    for only in ([HostPort("127.0.0.1", 50007)], [HostPort("::1", 50007), HostPort("localhost", 50007)]):
        assert "--listen 0.0.0.0:50007" in reach_warning(only)
    assert reach_warning([HostPort("127.0.0.1", 1), HostPort("192.168.1.5", 1)]) == ""
    assert "--listen" in reach_warning([])
