"""The order in which tracks play."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.client.queue import PlayQueue, Repeat
from hocket.core.ids import TrackId
from hocket.core.track import Track


def _tracks(count: int) -> list[Track]:
    return [Track(TrackId(f"{number:064x}"), f"{number}.wav", str(number)) for number in range(count)]


def _queue(count: int, start: int = 0) -> PlayQueue:
    queue = PlayQueue(random.Random(7))
    queue.replace(_tracks(count), start)
    return queue


def _titles(queue: PlayQueue) -> list[str]:
    return [entry.track.title for entry in queue.entries]


def _rest(queue: PlayQueue) -> list[str]:
    """Titles from the current one on, as they would play; at most one round."""
    titles = [queue.current.track.title] if queue.current else []
    for _ in range(len(queue)):
        entry = queue.forward()
        if entry is None:
            break
        titles.append(entry.track.title)
    return titles


def test_in_order_to_the_end() -> None:
    queue = _queue(3, start=1)
    assert _rest(queue) == ["1", "2"]
    assert queue.peek() is None
    assert queue.current is not None
    assert queue.back() is not None
    assert queue.current.track.title == "1"


def test_nothing_in_it() -> None:
    queue = PlayQueue(random.Random(1))
    assert queue.replace([]) is None
    assert (queue.peek(), queue.forward(), queue.back(), queue.advance(), queue.current) == (None,) * 5
    queue.set_shuffle(True)
    queue.repeat = Repeat.ALL
    assert queue.forward() is None


def test_repeat_all_goes_round_both_ways() -> None:
    queue = _queue(3, start=2)
    queue.repeat = Repeat.ALL
    assert queue.peek() == queue.entries[0]
    assert queue.forward() == queue.entries[0]
    assert queue.back() == queue.entries[2]


def test_repeat_one_repeats_by_itself_but_lets_a_person_go_on() -> None:
    queue = _queue(2)
    queue.repeat = Repeat.ONE
    assert queue.peek() == queue.advance() == queue.entries[0]
    assert queue.forward() == queue.entries[1]


def test_play_next_and_add() -> None:
    queue = _queue(3)
    extra = _tracks(5)[3:]
    queue.add_next(extra[:1])
    queue.add(extra[1:])
    assert _titles(queue) == ["0", "3", "1", "2", "4"]
    assert _rest(queue) == ["0", "3", "1", "2", "4"]


def test_play_next_comes_next_even_when_shuffled() -> None:
    queue = _queue(20)
    queue.set_shuffle(True)
    queue.add_next(_tracks(21)[20:])
    following = queue.peek()
    assert following is not None
    assert following.track.title == "20"


def test_taking_out_what_plays_leads_to_the_one_after_it() -> None:
    queue = _queue(3, start=1)
    assert queue.current is not None
    queue.remove(queue.current.id)
    assert queue.peek() == queue.forward()
    assert queue.current.track.title == "2"
    queue = _queue(2)
    assert queue.current is not None
    queue.remove(queue.current.id)
    assert queue.forward() == queue.entries[0]


def test_moving_keeps_what_plays() -> None:
    queue = _queue(4, start=1)
    current = queue.current
    assert current is not None
    queue.move(current.id, 3)
    assert queue.current == current
    assert _titles(queue) == ["0", "2", "3", "1"]
    assert queue.peek() is None
    queue.move(current.id, -5)
    assert _titles(queue) == ["1", "0", "2", "3"]


def test_an_unknown_entry_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        _queue(1).remove(99)


@given(st.integers(1, 40), st.data())
def test_shuffle_plays_each_once_from_the_current_one_on_and_can_be_undone(count: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, count - 1))
    queue = _queue(count, start)
    queue.set_shuffle(True)
    assert queue.current == queue.entries[start]
    played = _rest(queue)
    assert sorted(played, key=int) == [str(number) for number in range(count)]
    assert played[0] == str(start)
    last = queue.current
    queue.set_shuffle(False)
    assert queue.current == last
    assert _rest(queue) == [str(number) for number in range(int(played[-1]), count)]


_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "next", "remove", "move", "forward", "back", "shuffle", "jump", "advance"]),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(_ACTIONS, st.sampled_from(list(Repeat)))
def test_whatever_is_done_every_entry_stays_in_both_orders(actions: list[tuple[str, int]], repeat: Repeat) -> None:
    queue = _queue(3)
    queue.repeat = repeat
    count = 3
    for action, number in actions:
        chosen = queue.entries[number % len(queue)].id if len(queue) else None
        match action:
            case "add":
                queue.add(_tracks(2))
                count += 2
            case "next":
                queue.add_next(_tracks(1))
                count += 1
            case "remove" if chosen is not None:
                queue.remove(chosen)
                count -= 1
            case "move" if chosen is not None:
                queue.move(chosen, number)
            case "jump" if chosen is not None:
                assert queue.jump(chosen) == queue.current
            case "shuffle":
                queue.set_shuffle(bool(number % 2))
            case "forward":
                queue.forward()
            case "back":
                queue.back()
            case "advance":
                expected = queue.peek()
                assert queue.advance() == expected
        assert len(queue) == count
        assert sorted(queue._order) == sorted(entry.id for entry in queue.entries)
        assert queue.current is None or queue.current in queue.entries
