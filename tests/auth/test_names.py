"""Names that are kept, names that are one, passwords that are refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.auth.names import (
    MAX_KEY_CHARS,
    MAX_NAME_CHARS,
    MAX_PASSWORD_BYTES,
    BadName,
    BadPassword,
    check_password,
    check_user_name,
    name_key,
    password_bytes,
)
from hocket.core.errors import ErrorCode


@pytest.mark.parametrize(
    "name", ["Someone", "Zoë", "Anna Maria", "名前", "a", "x" * MAX_NAME_CHARS, "نام\u200cها", "👩\u200d👧"]
)
def test_a_usual_name_is_kept_as_it_is(name: str) -> None:
    assert check_user_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("\u200c\u200d", "empty"),
        (" Anna", "starts or ends with a space"),
        ("Anna ", "starts or ends with a space"),
        ("x" * 65, "65 characters"),
        ("x" * 1_000_000, "1000000 characters"),
        ("a\nb", "U+000A"),
        ("a\x00b", "U+0000"),
        ("a\u202eb", "right-to-left override"),
        ("a\u00a0b", "no-break space"),
        ("a\ud800b", "U+D800"),
        ("\ufdfa" * 20, "ligatures"),
    ],
)
def test_a_bad_name_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(BadName, match=reason.replace("+", r"\+")) as caught:
        check_user_name(name)
    assert caught.value.code is ErrorCode.BAD_NAME
    assert caught.value.hint


def test_names_are_composed_before_they_are_measured() -> None:
    decomposed = unicodedata.normalize("NFD", "ë" * MAX_NAME_CHARS)
    assert len(decomposed) == 2 * MAX_NAME_CHARS
    assert check_user_name(decomposed) == "ë" * MAX_NAME_CHARS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Someone", "sOMEONE"),
        ("Zoë", "ZOE\u0308"),
        ("Straße", "STRASSE"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("ﬁnal", "final"),
        ("Ａnna", "anna"),
        ("نام\u200cها", "نامها"),
    ],
)
def test_names_that_look_alike_are_one_account(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@given(st.text(max_size=80))
def test_a_name_that_passes_is_stable_and_bounded(text: str) -> None:
    try:
        name = check_user_name(text)
    except BadName:
        return
    assert check_user_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert 1 <= len(name) <= MAX_NAME_CHARS
    assert name_key(name) == name_key(text)
    assert 1 <= len(name_key(name)) <= MAX_KEY_CHARS


@given(st.text())
def test_a_key_is_its_own_key_whatever_was_typed(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


@given(st.text(st.characters(codec=None)))
def test_any_key_can_be_stored(text: str) -> None:
    assert name_key(text).encode("utf-8").isascii() in (True, False)
    assert "\x00" not in name_key(text)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "0 characters"),
        ("seven77", "7 characters"),
        ("x" * (MAX_PASSWORD_BYTES + 1), "1025 bytes"),
        ("ë" * 600, "1200 bytes"),
        ("password\n", "control character"),
        ("password\ud800", "control character"),
        ("ANNA MARIA", "is the user name"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(password: str, reason: str) -> None:
    with pytest.raises(BadPassword, match=reason) as caught:
        check_password(password, "Anna Maria")
    assert caught.value.code is ErrorCode.BAD_PASSWORD
    assert password not in str(caught.value) or not password


@pytest.mark.parametrize("password", ["eight888", "four words in a row", "x" * MAX_PASSWORD_BYTES, "пароль из слов"])
def test_a_usual_password_may_be_taken(password: str) -> None:
    check_password(password, "Anna Maria")


def test_a_password_is_the_same_however_its_accents_are_typed() -> None:
    assert password_bytes("Zoe\u0308 sings") == password_bytes("Zoë sings")


@given(st.text())
def test_any_typed_password_can_be_checked(password: str) -> None:
    assert isinstance(password_bytes(password), bytes)
