"""Quotes at a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.app.quotes import unquoted


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ('"Paper Boats"', "Paper Boats"),
        ("'Paper Boats'", "Paper Boats"),
        ("Don't Stop", "Don't Stop"),
        ("Don't Stop Won't Stop", "Don't Stop Won't Stop"),
        ('"Don\'t Stop"', "Don't Stop"),
        ("'Don't Stop'", "Don't Stop"),
        ("'Til I Die", "'Til I Die"),
        (r'"The \"Song\" \\ B"', 'The "Song" \\ B'),
        ('7" Single', '7" Single'),
        ('"Paper Boats', '"Paper Boats'),
        ('"Paper" boats', "Paper boats"),
        ('""', ""),
        ("", ""),
    ],
)
def test_what_is_meant(typed: str, meant: str) -> None:
    assert unquoted(typed) == meant


@given(st.text(st.sampled_from("ab'\"\\ é"), max_size=12))
def test_whatever_is_called_so_can_be_quoted(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    assert unquoted(f'"{escaped}"') == name
