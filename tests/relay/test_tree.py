import random
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.relay.keys import PeerId
from hocket.relay.tree import BACKUPS, MAX_DEPTH, MAX_FAN_OUT, Move, Peer, Tree, fan_out, is_path, plan

STREAM = 160_000
HOST = PeerId("host")


def peer(number: int, slots: int = 0, rtt_ms: float = 50.0) -> Peer:
    """A follower whose line carries so many streams."""
    return Peer(PeerId(f"p{number:04}"), slots * STREAM * 5 // 4, rtt_ms)


def host(slots: int) -> Peer:
    return Peer(HOST, slots * STREAM * 5 // 4, 0.0)


def check(tree: Tree, slots: dict[PeerId, int]) -> None:
    """No loop, nobody forgotten, nobody overloaded."""
    parents = tree.parents
    assert set(parents) | {HOST} == set(slots)
    for one in parents:
        path = tree.path_to(one)
        assert is_path(one, path)
        assert tree.depth_of(one) == len(path)
    for parent, room in slots.items():
        assert sum(known == parent for known in parents.values()) <= room


def follow(parents: dict[PeerId, PeerId | None], moves: Sequence[Move], gone: PeerId | None = None) -> None:
    """What the followers themselves know after some moves."""
    assert len({move.peer for move in moves}) == len(moves)
    if gone is not None:
        del parents[gone]
    for move in moves:
        assert parents.get(move.peer, move.peer) != move.parent
        parents[move.peer] = move.parent


@pytest.mark.parametrize(
    ("upload", "stream", "slots"),
    [(1_000_000, 160_000, 5), (999_999, 160_000, 4), (0, 1, 0), (10**12, 1, MAX_FAN_OUT), (-5, 10, 0)],
)
def test_a_line_carries_four_fifths_of_itself(upload: int, stream: int, slots: int) -> None:
    assert fan_out(upload, stream) == slots


def test_a_path_with_oneself_or_a_loop_in_it_is_none() -> None:
    a, b = PeerId("a"), PeerId("b")
    assert is_path(a, [HOST, b])
    assert not is_path(a, [HOST, a, b])
    assert not is_path(a, [HOST, b, b])
    assert not is_path(a, [PeerId(str(n)) for n in range(MAX_DEPTH + 1)])


def test_84_followers_of_a_host_with_1_mbit_fit_into_three_levels() -> None:
    followers = [Peer(PeerId(f"p{n}"), 1_000_000, 10.0 + n) for n in range(84)]
    tree = plan(Peer(HOST, 1_000_000), followers, STREAM)
    assert tree.depth == 3
    levels = [tree.depth_of(one.id) for one in followers]
    assert [levels.count(level) for level in (1, 2, 3)] == [5, 25, 54]
    assert None not in tree.parents.values()
    assert {one.id for one in followers[:5]} == {one for one in tree.parents if tree.depth_of(one) == 1}


def test_the_strong_stand_on_top_whenever_they_come() -> None:
    tree = Tree(host(2), STREAM)
    for number in range(2):
        assert tree.join(peer(number)) == [Move(peer(number).id, HOST)]
    assert tree.join(peer(2, slots=5)) == [Move(peer(0).id, peer(2).id), Move(peer(2).id, HOST)]
    assert tree.parents == {peer(0).id: peer(2).id, peer(1).id: HOST, peer(2).id: HOST}


def test_where_nobody_has_room_one_fetches_elsewhere_and_serves_on() -> None:
    tree = Tree(host(0), STREAM)
    assert tree.join(peer(0)) == [Move(peer(0).id, None)]
    tree.join(peer(1, slots=1))
    assert tree.parents == {peer(0).id: peer(1).id, peer(1).id: None}
    tree.join(peer(2, slots=9))
    assert list(tree.parents.values()).count(None) == 1
    assert tree.depth == 2


def test_who_is_there_already_cannot_join() -> None:
    tree = plan(host(1), [peer(0)], STREAM)
    with pytest.raises(ValueError, match="already"):
        tree.join(peer(0))
    with pytest.raises(ValueError, match="already"):
        tree.join(host(1))


def test_a_stranger_that_leaves_changes_nothing() -> None:
    assert plan(host(1), [peer(0)], STREAM).leave(PeerId("stranger")) == []


def test_a_leaf_that_leaves_moves_nobody() -> None:
    tree = plan(host(2), [peer(n, 2) for n in range(6)], STREAM)
    leaf = next(one for one in tree.parents if tree.depth_of(one) == 2)
    assert tree.leave(leaf) == []


def test_a_relay_that_leaves_moves_its_children_and_one_heir() -> None:
    tree = plan(host(3), [peer(n, 3) for n in range(12)], STREAM)
    relay = next(one for one in tree.parents if tree.depth_of(one) == 1)
    orphans = {one for one, parent in tree.parents.items() if parent == relay}
    moves = tree.leave(relay)
    assert orphans <= {move.peer for move in moves}
    assert len(moves) == len(orphans | {move.peer for move in moves}) <= len(orphans) + 1
    assert tree.depth == 2


def test_a_near_parent_is_preferred() -> None:
    east = [peer(n, 4, rtt_ms=100.0) for n in range(2)]
    tree = plan(host(2), east, STREAM)
    for number, near in ((10, east[0]), (11, east[1]), (12, east[0])):
        newcomer = peer(number, rtt_ms=100.0)
        tree.join(newcomer)
        for one in east:
            tree.measured(newcomer.id, one.id, 5.0 if one is near else 200.0)
    tree.draw_nearer()
    for number, near in ((10, east[0]), (11, east[1]), (12, east[0])):
        assert tree.parents[peer(number).id] == near.id


def test_a_small_gain_moves_nobody() -> None:
    relays = [peer(n, 2, rtt_ms=10.0) for n in range(2)]
    tree = plan(host(2), [*relays, peer(5, rtt_ms=10.0)], STREAM)
    for one in relays:
        tree.measured(peer(5).id, one.id, 15.0 + (tree.parents[peer(5).id] == one.id))
    assert tree.draw_nearer() == []


def test_nobody_is_moved_for_a_guess() -> None:
    relays = [peer(n, 2, rtt_ms=10.0) for n in range(2)]
    tree = plan(host(2), [*relays, peer(5, rtt_ms=200.0)], STREAM)
    other = next(one.id for one in relays if one.id != tree.parents[peer(5).id])
    tree.measured(peer(5).id, other, 1.0)
    assert tree.draw_nearer() == []


def test_who_lies_about_distances_moves_nobody_to_a_farther_parent() -> None:
    relays = [peer(n, 1, rtt_ms=10.0) for n in range(2)]
    tree = plan(host(2), [*relays, peer(5), peer(6)], STREAM)
    liar, honest = peer(5).id, peer(6).id
    before = tree.parents
    for one in relays:
        tree.measured(liar, one.id, 900.0 if before[liar] == one.id else 0.0)
        tree.measured(honest, one.id, 5.0 if before[honest] == one.id else 6.0)
    assert tree.draw_nearer() == []
    tree.measured(honest, before[liar] or HOST, 4.0)
    assert len(tree.draw_nearer()) == 2, "both gain by their own word"


def test_who_rests_is_not_moved() -> None:
    relays = [peer(n, 2, rtt_ms=10.0) for n in range(2)]
    tree = plan(host(2), [*relays, peer(5)], STREAM)
    for one in relays:
        tree.measured(peer(5).id, one.id, 100.0 if tree.parents[peer(5).id] == one.id else 1.0)
    assert tree.draw_nearer(resting={peer(5).id}) == []
    assert len(tree.draw_nearer()) == 1


@given(st.integers(1, 4), st.integers(1, 12), st.randoms(use_true_random=False))
def test_two_islands_find_together_and_come_to_rest(relays: int, leaves: int, chance: random.Random) -> None:
    island = {peer(n).id: chance.random() < 0.5 for n in range(relays + leaves)}
    peers = [peer(n, 4 if n < relays else 0, 80.0 if island[peer(n).id] else 1.0) for n in range(relays + leaves)]
    chance.shuffle(peers)
    tree = Tree(host(relays), STREAM)
    for one in peers:
        tree.join(one)
    for one in peers:
        for other in tree.possible_parents(one.id):
            tree.measured(one.id, other, 1.0 if island[one.id] == island[other] else 80.0)
    depth = tree.depth
    rounds = 0
    while tree.draw_nearer():
        rounds += 1
        assert rounds < 100, "it never comes to rest"
    assert tree.depth == depth
    parents = tree.parents
    for child, parent in parents.items():
        near = [p for p in tree.possible_parents(child) if island[p] == island[child]]
        if parent is not None and parent != HOST and island[parent] != island[child]:
            there = [at for at, known in parents.items() if known in near]
            assert len(there) == 4 * len(near), "a near parent has room"
            assert all(island[at] == island[child] for at in there), "a stranger to the island sits there"


def test_a_weaker_line_gives_up_children() -> None:
    tree = plan(host(1), [peer(0, 3), peer(1), peer(2), peer(3)], STREAM)
    moves = tree.update(peer(0, 1))
    assert [move.parent for move in moves].count(None) == 2
    assert list(tree.parents.values()).count(peer(0).id) == 1
    assert {move.parent for move in tree.update(host(3))} == {HOST}


def test_a_track_of_a_higher_rate_fits_fewer() -> None:
    tree = plan(host(4), [peer(n, 4) for n in range(16)], STREAM)
    assert tree.depth == 2
    tree.set_stream_rate(STREAM * 2)
    assert tree.depth == 4
    assert None not in tree.parents.values()
    tree.set_stream_rate(STREAM)
    assert tree.depth == 2


def test_a_backup_never_hangs_below_the_parent_that_is_lost() -> None:
    tree = plan(host(2), [peer(n, 3) for n in range(20)], STREAM)
    for one, parent in tree.parents.items():
        assert parent is not None
        for backup in tree.backups(one):
            assert backup != parent
            assert parent == HOST or parent not in (tree.path_to(backup) if backup != HOST else [])


def test_deep_followers_have_backups_with_room_first() -> None:
    tree = plan(host(3), [peer(n, 3) for n in range(14)], STREAM)
    deepest = [one for one in tree.parents if tree.depth_of(one) == 2]
    for one in deepest:
        backups = tree.backups(one)
        assert len(backups) == BACKUPS
        room = [sum(parent == backup for parent in tree.parents.values()) < 3 for backup in backups]
        assert room == sorted(room, reverse=True)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=25), st.integers(0, 3), st.randoms())
def test_all_may_go_to_any_backup_at_once_without_a_loop(slots: list[int], room: int, chance: random.Random) -> None:
    tree = plan(host(room), [peer(n, each) for n, each in enumerate(slots)], STREAM)
    parents = tree.parents
    for one in list(parents):
        parents[one] = chance.choice([*tree.backups(one), parents[one]])
    for one in parents:
        seen = []
        at: PeerId | None = one
        while at is not None and at != HOST:
            assert at not in seen
            seen.append(at)
            at = parents[at]


def flattest(slots: list[int], room: int) -> tuple[int, int]:
    """Fewest unserved and, with those, least depth: by trying every assignment of parents."""
    best = (len(slots) + 1, 0)
    for parents in product(range(-2, len(slots)), repeat=len(slots)):  # -2 nobody, -1 the host
        if any(parents.count(n) > each for n, each in [(-1, room), *enumerate(slots)]):
            continue
        depths = []
        for one in range(len(slots)):
            depth, at = 1, parents[one]
            while at >= 0 and depth <= len(slots):
                depth, at = depth + 1, parents[at]
            depths.append(depth)
        if max(depths) <= len(slots):
            best = min(best, (parents.count(-2), max(depths)))
    return best


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 3))
def test_no_tree_is_flatter_or_serves_more(slots: list[int], room: int) -> None:
    tree = Tree(host(room), STREAM)
    for number, each in enumerate(slots):
        tree.join(peer(number, each))
    assert (list(tree.parents.values()).count(None), tree.depth) == flattest(slots, room)


steps = st.lists(
    st.tuples(st.sampled_from("jjjluhrmn"), st.integers(0, 30), st.integers(0, 4), st.floats(1, 300)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(0, 4))
def test_whatever_happens_the_tree_is_sound_and_as_flat_as_one_planned_anew(
    steps: list[tuple[str, int, int, float]], room: int
) -> None:
    tree = Tree(host(room), STREAM)
    slots = {HOST: room}
    known: dict[PeerId, PeerId | None] = {}
    for what, number, each, rtt_ms in steps:
        one = peer(number, each, rtt_ms)
        gone = None
        moves: list[Move] = []
        match what:
            case "j" if one.id not in slots:
                moves = tree.join(one)
                slots[one.id] = each
            case "l" if one.id in slots:
                moves, gone = tree.leave(one.id), one.id
                del slots[one.id]
            case "u" if one.id in slots:
                moves = tree.update(one)
                slots[one.id] = each
            case "h":
                moves = tree.update(host(each))
                slots[HOST] = each
            case "r":
                tree.measured(one.id, peer(each).id, rtt_ms)
            case "n":
                depth = tree.depth
                moves = tree.draw_nearer()
                assert tree.depth == depth
        follow(known, moves, gone)
        assert known == tree.parents
        check(tree, slots)
    anew = plan(host(slots[HOST]), [peer(int(one[1:]), each) for one, each in slots.items() if one != HOST], STREAM)
    unserved = list(tree.parents.values()).count(None)
    assert unserved == list(anew.parents.values()).count(None)
    assert tree.depth == anew.depth


def test_coming_and_going_moves_few() -> None:
    chance = random.Random(5)
    tree = plan(host(5), [peer(n, 5) for n in range(60)], STREAM)
    present = list(range(60))
    moves = 0
    for number in range(60, 460):
        leaver = present.pop(chance.randrange(len(present)))
        children = sum(parent == peer(leaver).id for parent in tree.parents.values())
        moved = tree.leave(peer(leaver).id)
        assert len(moved) <= children + 1
        joined = tree.join(peer(number, chance.choice([0, 5, 5, 5])))
        present.append(number)
        moves += len(moved) + len(joined) - 1 - children
    assert moves / 400 < 0.4
