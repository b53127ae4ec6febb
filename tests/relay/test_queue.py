import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import ErrorCode
from hocket.core.ids import TrackId, UserName
from hocket.relay.keys import GroupId
from hocket.relay.queue import (
    MAX_PER_PERSON,
    MAX_PLAYED,
    MAX_UPCOMING,
    Queue,
    QueueFull,
    SignedQueue,
    is_news,
    sign_queue,
)
from tests.relay.people import Person

EMPTY = Queue(GroupId("0" * 32))
ANNA, BEN = UserName("Anna"), UserName("Ben")
HOST, MALLORY = Person("host"), Person("mallory")


def track(number: int) -> TrackId:
    return TrackId(f"{number:064x}")


def numbers(queue: Queue) -> list[int]:
    return [entry.number for entry in queue.upcoming]


def queue_of(count: int) -> Queue:
    queue = EMPTY
    for number in range(count):
        queue = queue.add(track(number), ANNA, most=MAX_UPCOMING)
    return queue


def test_tracks_wait_in_order_and_next_up_goes_first() -> None:
    queue = EMPTY.add(track(1), ANNA).add(track(2), BEN).add(track(3), ANNA, at=0).add(track(4), BEN, at=1)
    assert [entry.track for entry in queue.upcoming] == [track(3), track(4), track(1), track(2)]
    assert queue.next_up is not None
    assert queue.next_up.by == ANNA
    assert queue.version == 4


def test_the_same_track_may_wait_twice_under_two_numbers() -> None:
    queue = EMPTY.add(track(1), ANNA).add(track(1), ANNA)
    assert numbers(queue.remove(1)) == [2]


def test_advance_and_go_back_walk_the_same_way() -> None:
    queue = queue_of(3).advance().advance()
    assert queue.current is not None
    assert queue.current.number == 2
    assert [entry.number for entry in queue.played] == [1]
    back = queue.go_back()
    assert back.current is not None
    assert back.current.number == 1
    assert numbers(back) == [2, 3]
    assert back.go_back() is back


def test_past_the_end_nothing_is_current() -> None:
    queue = queue_of(1).advance().advance()
    assert queue.current is None
    assert queue.advance().played == queue.played
    again = queue.go_back()
    assert again.current is not None
    assert numbers(again) == []


def test_play_now_leaves_the_waiting_ones() -> None:
    queue = queue_of(2).advance().play_now(track(9), BEN)
    assert queue.current is not None
    assert (queue.current.track, queue.current.by) == (track(9), BEN)
    assert numbers(queue) == [2]
    assert [entry.number for entry in queue.played] == [1]


def test_moves_go_where_they_are_told() -> None:
    queue = queue_of(4)
    assert numbers(queue.move(4, 0)) == [4, 1, 2, 3]
    assert numbers(queue.move(1, 99)) == [2, 3, 4, 1]
    assert numbers(queue.move(2, -7)) == [2, 1, 3, 4]
    assert queue.move(2, 1) is queue
    assert queue.move(77, 1) is queue


def test_what_changes_nothing_makes_no_new_version() -> None:
    queue = queue_of(2)
    assert queue.remove(99) is queue
    assert EMPTY.clear() is EMPTY
    assert numbers(queue.clear()) == []
    assert queue.clear().version == queue.version + 1


def test_a_full_queue_says_so() -> None:
    with pytest.raises(QueueFull, match=r"300 tracks.*wait") as refused:
        queue_of(MAX_UPCOMING).add(track(1), BEN)
    assert refused.value.code is ErrorCode.QUEUE_FULL


def test_nobody_fills_the_queue_alone() -> None:
    queue = queue_of(MAX_PER_PERSON)
    with pytest.raises(QueueFull, match="Anna has 50"):
        queue.add(track(1), ANNA)
    assert len(queue.add(track(1), BEN).upcoming) == MAX_PER_PERSON + 1


def test_even_the_longest_queue_fits_a_frame() -> None:
    queue = EMPTY
    for number in range(MAX_UPCOMING + MAX_PLAYED):
        if number >= MAX_UPCOMING:
            queue = queue.advance()
        queue = queue.add(track(number), UserName("x" * 64), most=MAX_UPCOMING)
    assert len(queue.played) == MAX_PLAYED - 1
    assert len(msgspec.msgpack.encode(sign_queue(queue, HOST.sign))) < 64 * 1024


@given(st.lists(st.tuples(st.sampled_from("armgbnc"), st.integers(0, 8), st.integers(0, 8)), max_size=60))
def test_no_entry_is_lost_or_doubled(steps: list[tuple[str, int, int]]) -> None:
    queue = EMPTY
    alive: set[int] = set()
    for what, first, second in steps:
        before = queue
        match what:
            case "a":
                queue = queue.add(track(first), ANNA, at=second)
                alive.add(before.next_number)
            case "n":
                queue = queue.play_now(track(first), ANNA)
                alive.add(before.next_number)
            case "r":
                alive -= {first} & set(numbers(queue))
                queue = queue.remove(first)
            case "m":
                queue = queue.move(first, second)
            case "g":
                queue = queue.advance()
            case "b":
                queue = queue.go_back()
            case "c":
                alive -= set(numbers(queue))
                queue = queue.clear()
        held = [entry.number for entry in (*queue.played, *queue.upcoming)]
        held += [queue.current.number] if queue.current else []
        assert len(held) == len(set(held))
        assert set(held) == alive
        assert queue.version == before.version + (queue is not before)


# on the wire


def test_a_newer_queue_of_the_host_is_news_once() -> None:
    signed = sign_queue(queue_of(3), HOST.sign)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(signed), type=SignedQueue) == signed
    assert is_news(EMPTY, signed, 0, HOST.key)
    assert not is_news(signed.queue, signed, 0, HOST.key)
    assert not is_news(queue_of(4), signed, 0, HOST.key)


def test_what_others_sign_or_change_is_no_news() -> None:
    signed = sign_queue(queue_of(3), HOST.sign)
    assert not is_news(EMPTY, sign_queue(queue_of(3), MALLORY.sign), 0, HOST.key)
    assert not is_news(EMPTY, SignedQueue(queue_of(4), signed.signature), 0, HOST.key)
    assert not is_news(EMPTY, signed, 1, HOST.key)
    assert not is_news(Queue(GroupId("1" * 32)), signed, 0, HOST.key)


def test_a_successor_has_the_queue_whole() -> None:
    queue = queue_of(3).advance()
    inherited = queue.succeed(1)
    assert (inherited.current, inherited.upcoming) == (queue.current, queue.upcoming)
    assert is_news(queue, sign_queue(inherited, MALLORY.sign), 1, MALLORY.key)
