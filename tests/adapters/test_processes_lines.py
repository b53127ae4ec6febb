"""Lines out of a pipe's bytes."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.adapters.lines import LineSplitter


@given(st.binary(max_size=400), st.lists(st.integers(1, 20)))
def test_any_cut_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    whole = LineSplitter(max_line_bytes=30)
    expected = [*whole.feed(data), *whole.flush()]
    splitter, lines = LineSplitter(max_line_bytes=30), []
    for cut in cuts:
        lines += splitter.feed(data[:cut])
        data = data[cut:]
    assert [*lines, *splitter.feed(data), *splitter.flush()] == expected


def test_an_endless_line_costs_no_memory() -> None:
    splitter = LineSplitter(max_line_bytes=10)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    assert len(splitter._kept) == 10
    assert splitter.feed(b"\nok\n") == ["xxxxxxxxxx … (999990 bytes more)", "ok"]


def test_control_characters_never_reach_a_terminal() -> None:
    assert LineSplitter().feed("\x1b[31mred\a ünd\tmore\r\n".encode()) == ["�[31mred� ünd   more"]


def test_broken_utf_8_is_shown_as_such() -> None:
    assert LineSplitter().feed(b"a\xffb\n") == ["a�b"]
