"""The read-ahead planner: every byte once, nothing past the end, always complete."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from hocket.audio.readahead import Limits, Piece, Ranges, limits_for, plan
from hocket.core.sound import AudioFormat

CD = AudioFormat(44_100, 2, 16)

spans = st.tuples(st.integers(0, 300), st.integers(0, 80)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def as_set(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {byte for start, end in ranges for byte in range(start, end)}


@given(st.lists(st.tuples(st.booleans(), spans), max_size=30))
def test_ranges_behave_as_a_set_of_bytes(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges = Ranges()
    model: set[int] = set()
    for adding, (start, end) in steps:
        if adding:
            ranges.add(start, end)
            model |= set(range(start, end))
        else:
            ranges.remove(start, end)
            model -= set(range(start, end))
        assert as_set(ranges) == model
        assert ranges.size_bytes == len(model)
    edges = [edge for pair in ranges for edge in pair]
    assert edges == sorted(set(edges)), "ranges touch or overlap"


@given(st.lists(spans, max_size=10), spans)
def test_gaps_and_runs_match_the_set(held: list[tuple[int, int]], window: tuple[int, int]) -> None:
    ranges = Ranges(held)
    model = as_set(held)
    start, end = window
    assert as_set(ranges.gaps(start, end)) == set(range(start, end)) - model
    run_end = start
    while run_end in model:
        run_end += 1
    assert ranges.run_end(start) == run_end


@st.composite
def situations(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], list[Piece], int, int, Limits]:
    frame_bytes = draw(st.sampled_from([1, 2, 3, 4, 6, 8, 24, 32]))
    size_bytes = draw(st.integers(0, 200 * frame_bytes))
    frames = st.integers(0, max(0, size_bytes // frame_bytes))
    piece = draw(st.integers(1, 40)) * frame_bytes
    limits = Limits(
        ahead_bytes=draw(st.integers(1, 150)) * frame_bytes,
        first_piece_bytes=min(piece, draw(st.integers(1, 20)) * frame_bytes),
        piece_bytes=piece,
        max_in_flight=draw(st.integers(1, 5)),
    )
    pairs = draw(st.lists(st.tuples(frames, frames), max_size=6))
    held = [(min(pair) * frame_bytes, max(pair) * frame_bytes) for pair in pairs]
    asked = draw(st.lists(st.tuples(frames, st.integers(1, 20)), max_size=8))
    in_flight = [Piece(start * frame_bytes, length * frame_bytes) for start, length in asked]
    return draw(frames) * frame_bytes, held, in_flight, size_bytes, frame_bytes, limits


@given(situations())
def test_nothing_twice_and_nothing_past_the_end(
    situation: tuple[int, list[tuple[int, int]], list[Piece], int, int, Limits],
) -> None:
    position, held, in_flight, size_bytes, frame_bytes, limits = situation
    pieces = plan(position, held, in_flight, size_bytes, frame_bytes, limits)
    taken = as_set(held) | as_set((piece.offset_bytes, piece.end_bytes) for piece in in_flight)
    for piece in pieces:
        span = set(range(piece.offset_bytes, piece.end_bytes))
        assert span, "an empty piece"
        assert not span & taken, "asked twice"
        taken |= span
        assert piece.end_bytes <= size_bytes
        assert piece.offset_bytes % frame_bytes == piece.length_bytes % frame_bytes == 0
        assert piece.length_bytes <= limits.piece_bytes
        assert position <= piece.offset_bytes < position + limits.ahead_bytes
    assert pieces == sorted(pieces)
    horizon = min(position + limits.ahead_bytes, size_bytes // frame_bytes * frame_bytes)
    soon = [piece for piece in in_flight if piece.offset_bytes < horizon and piece.end_bytes > position]
    assert len(pieces) <= max(0, limits.max_in_flight - len(soon))


@given(
    st.integers(1, 3_000),
    st.sampled_from([1, 2, 4, 6, 24]),
    st.integers(0, 20),
    st.data(),
)
def test_any_order_of_arrival_losses_and_seeks_ends_complete(
    frames: int, frame_bytes: int, odd_bytes: int, data: st.DataObject
) -> None:
    limits = Limits(300 * frame_bytes, 20 * frame_bytes, 100 * frame_bytes, 3)
    size_bytes = frames * frame_bytes + odd_bytes % frame_bytes
    buffered = Ranges()
    in_flight: list[Piece] = []
    position = 0
    for _ in range(data.draw(st.integers(0, 25))):
        in_flight += plan(position, buffered, in_flight, size_bytes, frame_bytes, limits)
        happening = data.draw(st.sampled_from(["arrive", "arrive", "lose", "seek"]))
        if happening == "seek":
            position = data.draw(st.integers(0, frames)) * frame_bytes
        elif in_flight:
            piece = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
            if happening == "arrive":
                assert not as_set(buffered.gaps(0, size_bytes)).isdisjoint(range(piece.offset_bytes, piece.end_bytes))
                buffered.add(piece.offset_bytes, piece.end_bytes)
    position = 0
    steps = 0
    while position < frames * frame_bytes:
        in_flight += plan(position, buffered, in_flight, size_bytes, frame_bytes, limits)
        if in_flight:
            piece = in_flight.pop(0)
            buffered.add(piece.offset_bytes, piece.end_bytes)
        assert in_flight or buffered.run_end(position) > position, "stuck: nothing under way, nothing to play"
        position = buffered.run_end(position)
        steps += 1
        assert steps <= frames + 30
    assert list(buffered.gaps(0, frames * frame_bytes)) == []
    assert plan(position, buffered, in_flight, size_bytes, frame_bytes, limits) == []


def test_a_start_asks_for_little_first_and_doubles() -> None:
    limits = limits_for(CD)
    pieces = plan(0, (), (), 100_000_000, CD.bytes_per_frame, limits)
    assert [piece.length_bytes / CD.bytes_per_second for piece in pieces] == [0.2, 0.2, 0.4, 0.8]
    assert pieces[0].offset_bytes == 0


def test_with_seconds_in_hand_pieces_are_whole() -> None:
    limits = limits_for(CD)
    position = 5_000_000 // 4 * 4
    ready = position + limits.ahead_bytes - 4
    (piece,) = plan(position, [(0, ready)], (), 100_000_000, CD.bytes_per_frame, limits)
    assert piece == Piece(ready, limits.piece_bytes)
    assert plan(position, [(0, ready + 4)], (), 100_000_000, CD.bytes_per_frame, limits) == []


def test_what_a_seek_left_behind_does_not_delay_the_new_place() -> None:
    limits = limits_for(CD)
    old = plan(0, (), (), 100_000_000, CD.bytes_per_frame, limits)
    new = plan(50_000_000, (), old, 100_000_000, CD.bytes_per_frame, limits)
    assert len(new) == limits.max_in_flight
    newer = plan(80_000_000, (), old + new, 100_000_000, CD.bytes_per_frame, limits)
    assert newer == [], "scrubbing piles up requests without end"


def test_pieces_of_odd_frames_stay_whole_frames() -> None:
    surround = AudioFormat(192_000, 7, 24)
    limits = limits_for(surround)
    assert limits.piece_bytes % surround.bytes_per_frame == 0
    assert limits.piece_bytes <= 256 * 1024
    pieces = plan(21, (), (), 30_000_000, surround.bytes_per_frame, limits)
    assert all(piece.offset_bytes % 21 == piece.length_bytes % 21 == 0 for piece in pieces)


def test_an_empty_track_and_the_very_end_ask_for_nothing() -> None:
    limits = limits_for(CD)
    assert plan(0, (), (), 0, 4, limits) == []
    assert plan(0, (), (), 3, 4, limits) == []
    assert plan(400, (), (), 403, 4, limits) == []
