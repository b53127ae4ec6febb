"""Pieces come in any order and go out in one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hocket.client.pieces import Pieces

FRAME = 4
FRAMES = 200
DATA = bytes(number % 251 for number in range(FRAME * FRAMES))


@given(st.data())
def test_what_goes_out_is_what_came_in_from_the_position_on(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, FRAMES - 1), max_size=20)) | {0, FRAMES})
    spans = [(start * FRAME, end * FRAME) for start, end in pairwise(cuts)]
    order = data.draw(st.permutations(spans))
    position = data.draw(st.integers(0, FRAMES)) * FRAME
    pieces = Pieces(FRAME, position)
    out = b""
    for start, end in order:
        pieces.add(start, DATA[start:end])
        for size in data.draw(st.lists(st.integers(0, 300), max_size=2)):
            ready = pieces.ready_bytes
            taken = pieces.take(size)
            assert len(taken) <= min(size, ready)
            assert len(taken) % FRAME == 0
            out += taken
            assert pieces.position_bytes == position + len(out)
    while taken := pieces.take(10**6):
        out += taken
    assert out == DATA[position:]
    assert list(pieces) == []


@given(st.integers(0, FRAMES), st.integers(0, FRAMES), st.integers(1, FRAMES))
def test_a_seek_keeps_only_what_lies_ahead(start: int, target: int, keep: int) -> None:
    pieces = Pieces(FRAME, start * FRAME)
    for first in range(0, len(DATA), 40):
        pieces.add(first, DATA[first : first + 40])
    pieces.seek(target * FRAME, keep * FRAME)
    held = list(pieces)
    assert all(end > target * FRAME and first < (target + keep) * FRAME for first, end in held)
    if target >= start and target < FRAMES:
        assert pieces.ready_bytes >= min(keep * FRAME, len(DATA) - target * FRAME)
    out = bytes(pieces.take(8))
    assert out == DATA[target * FRAME :][: len(out)]


def test_the_same_piece_twice_is_one() -> None:
    pieces = Pieces(FRAME)
    pieces.add(0, DATA[:40])
    pieces.add(0, DATA[:40])
    assert pieces.ready_bytes == 40
    pieces.take(40)
    pieces.add(0, DATA[:40])  # too late
    assert list(pieces) == []
