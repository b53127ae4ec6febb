from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.relay.ring import BURST_NS, MAX_CONTROL_BYTES, MAX_TIME_REPLIES, Bursts, Cursor, Ring

AUDIO, CONTROL, TIME = b"A", b"C", b"T"


def frame(kind: bytes, number: int, body_bytes: int = 20) -> bytes:
    """A frame that tells where it ends and whose it is."""
    return kind + number.to_bytes(4, "big") + body_bytes.to_bytes(2, "big") + bytes([number % 256]) * body_bytes


def parse(stream: bytes) -> list[tuple[bytes, int]]:
    """Whole frames of a stream; fails on anything else but a frame that is cut at the very end."""
    found = []
    while len(stream) >= 7:
        size = 7 + int.from_bytes(stream[5:7], "big")
        if len(stream) < size:
            break
        kind, number = stream[:1], int.from_bytes(stream[1:5], "big")
        assert stream[:size] == frame(kind, number, size - 7)
        found.append((kind, number))
        stream = stream[size:]
    return found


def pump(cursor: Cursor, limit: int = 1 << 20) -> bytes:
    """All that a friend with a fast line gets now."""
    got = b""
    while chunk := bytes(cursor.next_bytes(limit)):
        cursor.consumed(len(chunk))
        got += chunk
    return got


def ring_of(frames: int, capacity: int = 1 << 20) -> Ring:
    ring = Ring(capacity)
    for number in range(frames):
        ring.push(frame(AUDIO, number))
    ring.release()
    return ring


def test_a_friend_gets_what_comes_after_it_came() -> None:
    ring = ring_of(3)
    cursor = Cursor(ring)
    assert cursor.next_bytes(100) == b""
    ring.push(frame(AUDIO, 3))
    ring.push(frame(AUDIO, 4))
    ring.release()
    assert parse(pump(cursor)) == [(AUDIO, 3), (AUDIO, 4)]


def test_frames_wait_for_their_burst() -> None:
    ring = Ring(1_000)
    cursor = Cursor(ring)
    ring.push(frame(AUDIO, 0))
    assert cursor.next_buffers(1_000) == []
    assert cursor.backlog_bytes == 0
    ring.release()
    assert cursor.backlog_bytes == 27
    assert parse(pump(cursor)) == [(AUDIO, 0)]


def test_a_newcomer_may_start_earlier_to_fill_its_buffer() -> None:
    ring = ring_of(10)
    assert parse(pump(Cursor(ring, behind_bytes=27 * 4 + 5))) == [(AUDIO, n) for n in (6, 7, 8, 9)]
    assert len(parse(pump(Cursor(ring, behind_bytes=10**9)))) == 10
    small = ring_of(100, capacity=270)
    assert len(parse(pump(Cursor(small, behind_bytes=10**9)))) == 5


def test_a_frame_that_fits_is_not_copied() -> None:
    ring = Ring(1_000)
    cursor = Cursor(ring)
    original = frame(AUDIO, 0)
    ring.push(original)
    ring.release()
    assert cursor.next_bytes(27) is original
    part = cursor.next_bytes(10)
    assert isinstance(part, memoryview)
    assert part.obj is original


def test_control_goes_ahead_of_audio_and_time_ahead_of_control() -> None:
    ring = Ring(1_000)
    cursor = Cursor(ring)
    ring.push(frame(AUDIO, 0))
    ring.release()
    cursor.push_control(frame(CONTROL, 1))
    cursor.push_time(frame(TIME, 2))
    cursor.push_control(frame(CONTROL, 3))
    assert parse(pump(cursor)) == [(TIME, 2), (CONTROL, 1), (CONTROL, 3), (AUDIO, 0)]


def test_a_frame_that_has_begun_is_finished_first() -> None:
    ring = Ring(1_000)
    cursor = Cursor(ring)
    for number in range(2):
        ring.push(frame(AUDIO, number))
    ring.release()
    first = bytes(cursor.next_bytes(1))
    cursor.consumed(1)
    cursor.push_time(frame(TIME, 9))
    assert parse(first + pump(cursor)) == [(AUDIO, 0), (TIME, 9), (AUDIO, 1)]


def test_what_was_offered_but_not_begun_is_overtaken() -> None:
    ring = Ring(1_000)
    cursor = Cursor(ring)
    for number in range(3):
        ring.push(frame(AUDIO, number))
    ring.release()
    offered = cursor.next_buffers(1_000)
    assert len(offered) == 3
    cursor.push_time(frame(TIME, 9))
    cursor.consumed(27)
    assert parse(bytes(offered[0]) + pump(cursor)) == [(AUDIO, 0), (TIME, 9), (AUDIO, 1), (AUDIO, 2)]


def test_old_answers_to_time_make_room_for_new_ones() -> None:
    cursor = Cursor(Ring(1_000))
    for number in range(20):
        cursor.push_time(frame(TIME, number))
    assert parse(pump(cursor)) == [(TIME, n) for n in range(20 - MAX_TIME_REPLIES, 20)]


def test_an_answer_that_was_pushed_out_while_it_was_offered_goes_out_once() -> None:
    cursor = Cursor(Ring(1_000))
    for number in range(MAX_TIME_REPLIES):
        cursor.push_time(frame(TIME, number))
    sent = bytes(cursor.next_bytes(30))
    cursor.push_time(frame(TIME, 100))
    cursor.consumed(30)
    assert parse(sent + pump(cursor)) == [(TIME, n) for n in range(MAX_TIME_REPLIES)] + [(TIME, 100)]


def test_whoever_lets_control_pile_up_is_told_on() -> None:
    cursor = Cursor(Ring(1_000))
    pushed = 0
    while cursor.push_control(frame(CONTROL, pushed, 1_000)):
        pushed += 1
    assert pushed == MAX_CONTROL_BYTES // 1_007
    assert cursor.backlog_bytes == pushed * 1_007
    pump(cursor)
    assert cursor.push_control(frame(CONTROL, 0, 1_000))


def test_past_half_a_ring_behind_a_friend_jumps_to_live() -> None:
    ring = Ring(27 * 10)
    cursor = Cursor(ring)
    for number in range(5):
        ring.push(frame(AUDIO, number))
    ring.release()
    assert len(cursor.next_buffers(10_000)) == 5
    ring.push(frame(AUDIO, 5))
    ring.release()
    assert cursor.next_buffers(10_000) == []
    assert (cursor.jumps, cursor.skipped_frames) == (1, 6)
    ring.push(frame(AUDIO, 6))
    ring.release()
    assert parse(pump(cursor)) == [(AUDIO, 6)]


def test_a_friend_that_stalls_in_a_frame_still_gets_the_rest_of_it() -> None:
    ring = Ring(27 * 10)
    cursor = Cursor(ring)
    ring.push(frame(AUDIO, 0))
    ring.release()
    got = bytes(cursor.next_bytes(11))
    cursor.consumed(11)
    for number in range(1, 1_000):
        ring.push(frame(AUDIO, number))
        ring.release()
    ring.push(frame(AUDIO, 1_000))
    got += pump(cursor)
    ring.release()
    assert parse(got + pump(cursor)) == [(AUDIO, 0), (AUDIO, 1_000)]


def test_more_than_was_offered_cannot_be_consumed() -> None:
    cursor = Cursor(ring_of(1), behind_bytes=100)
    cursor.next_bytes(10)
    with pytest.raises(ValueError, match="1 bytes more"):
        cursor.consumed(28)


@pytest.mark.parametrize("size", [0, 501])
def test_a_frame_that_would_fill_the_ring_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"a frame of {size} bytes"):
        Ring(1_000).push(bytes(size))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 60)),
        st.tuples(st.just("burst"), st.just(0)),
        st.tuples(st.just("control"), st.integers(1, 60)),
        st.tuples(st.just("time"), st.integers(1, 20)),
        st.tuples(st.just("offer"), st.integers(1, 300)),
        st.tuples(st.just("take"), st.integers(0, 300)),
    ),
    max_size=120,
)


@settings(max_examples=300)
@given(steps)
def test_whatever_happens_a_friend_gets_whole_frames_in_order(steps: list[tuple[str, int]]) -> None:
    ring = Ring(1_000)
    slow, eager = Cursor(ring), Cursor(ring)
    got, offered = b"", b""
    eager_got = b""
    counts = {AUDIO: 0, CONTROL: 0, TIME: 0}
    for what, size in steps:
        match what:
            case "push":
                ring.push(frame(AUDIO, counts[AUDIO], size))
                counts[AUDIO] += 1
            case "burst":
                ring.release()
            case "control":
                assert slow.push_control(frame(CONTROL, counts[CONTROL], size))
                counts[CONTROL] += 1
            case "time":
                slow.push_time(frame(TIME, counts[TIME], size))
                counts[TIME] += 1
            case "offer":
                offered = bytes(slow.next_bytes(size))
                assert len(offered) <= size
            case "take":
                taken = min(size, len(offered))
                slow.consumed(taken)
                got += offered[:taken]
                offered = b""
        eager_got += pump(eager)
        assert ring.size_bytes <= 1_000
        assert slow.backlog_bytes <= 1_000 + MAX_CONTROL_BYTES + MAX_TIME_REPLIES * 27 + 67
    frames = parse(got + pump(slow))
    assert pump(slow) == b""
    for kind in counts:
        numbers = [number for found, number in frames if found == kind]
        assert all(later > earlier for earlier, later in pairwise(numbers))
        if kind == CONTROL:
            assert numbers == list(range(counts[kind]))
    audio = [number for kind, number in frames if kind == AUDIO]
    assert len(audio) + slow.skipped_frames == ring.live
    assert len(parse(eager_got)) + eager.skipped_frames == ring.live
    assert eager.skipped_frames <= slow.skipped_frames


def test_one_stalled_friend_changes_nothing_for_the_others() -> None:
    alone, together = Ring(4_000), Ring(4_000)
    lone = Cursor(alone)
    friends = [Cursor(together) for _ in range(8)]
    lone_got = b""
    others = [b""] * 7
    for number in range(2_000):
        for ring in (alone, together):
            ring.push(frame(AUDIO, number, number % 50))
            if number % 5 == 4:
                ring.release()
        lone_got += pump(lone)
        others = [got + pump(friend) for got, friend in zip(others, friends[:7], strict=True)]
        friends[7].push_time(frame(TIME, number))
        friends[7].next_buffers(100)
    assert all(got == lone_got for got in others)
    assert together.size_bytes == alone.size_bytes <= 4_000


def test_bursts_come_five_times_a_second_and_are_not_made_up_for() -> None:
    bursts = Bursts(7)
    assert bursts.due(7)
    assert not bursts.due(7 + BURST_NS - 1)
    assert bursts.due(7 + BURST_NS)
    assert bursts.due(7 + 10 * BURST_NS + 3)
    assert bursts.next_ns == 7 + 11 * BURST_NS


def test_one_frame_at_a_time_in_the_order_of_their_weight() -> None:
    ring = Ring(1000)
    cursor = Cursor(ring)
    numbers = [ring.push(bytes([n]) * 10) for n in range(3)]
    ring.release()
    cursor.push_control(b"control")
    cursor.push_time(b"time")
    assert [cursor.next_frame() for _ in range(3)] == [b"time", b"control", bytes(10)]
    assert not cursor.will_send(numbers[0])
    assert cursor.will_send(numbers[1])
    cursor.leave_out(numbers[1])
    assert not cursor.will_send(numbers[1])
    assert [cursor.next_frame(), cursor.next_frame()] == [bytes([2]) * 10, None]
    cursor.leave_out(numbers[0])
    assert cursor.next_frame() is None, "nobody goes back"


@given(st.lists(st.tuples(st.sampled_from(["push", "release", "send", "leave out"]), st.integers(0, 30)), max_size=60))
def test_what_is_left_out_is_not_sent_and_all_else_is_in_order(steps: list[tuple[str, int]]) -> None:
    ring = Ring(10_000)
    cursor = Cursor(ring)
    out: set[int] = set()
    sent: list[int] = []
    pushed = 0
    for what, number in [*steps, ("release", 0), *[("send", 0)] * 60]:
        match what:
            case "push":
                assert ring.push(bytes([pushed])) == pushed
                pushed += 1
            case "release":
                ring.release()
            case "leave out" if cursor.will_send(number):
                cursor.leave_out(number)
                assert not cursor.will_send(number)
                out.add(number)
            case "send":
                frame = cursor.next_frame()
                sent += [] if frame is None else [frame[0]]
    assert sent == [number for number in range(pushed) if number not in out]
    assert cursor.behind_bytes == 0
