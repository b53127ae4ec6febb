"""Where demands go."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hocket.control.scheduler import Full, NoHolder, Place, Spawn, Wait, place_login, place_play, tidy, warm_play
from hocket.control.view import ClusterView, Limits, NodeRecord, NodeState
from hocket.core.errors import ErrorCode
from hocket.core.ids import NodeId, Role
from tests.control.kit import LIMITS, PRIME, record, view

PRIME_NODE = record(PRIME, Role.PRIME, capacity=6)


def plane(number: int, load: int = 0, **fields: object) -> NodeRecord:
    return record(f"plane-{number}", Role.PLANE, capacity=6, load=load, **fields)  # type: ignore[arg-type]


def test_the_node_with_the_most_room_gets_the_login() -> None:
    nodes = [record(f"auth-{load}", Role.AUTH, PRIME, capacity=5, load=load) for load in (3, 1, 2, 5)]
    assert place_login(view(PRIME_NODE, *nodes), LIMITS) == Place(NodeId("auth-1"))


def test_what_is_promised_counts_like_what_is_taken() -> None:
    nodes = [record("auth-1", Role.AUTH, PRIME, load=0, held=2), record("auth-2", Role.AUTH, PRIME, load=1)]
    assert place_login(view(PRIME_NODE, *nodes), LIMITS) == Place(NodeId("auth-2"))


def test_nothing_goes_to_nodes_that_drain_or_are_suspect_or_whose_control_node_is() -> None:
    nodes = [
        record("auth-1", Role.AUTH, PRIME, state=NodeState.DRAINING),
        record("auth-2", Role.AUTH, PRIME, state=NodeState.SUSPECT),
        plane(1, state=NodeState.SUSPECT),
        record("auth-3", Role.AUTH, "plane-1"),
        plane(2, state=NodeState.DRAINING),
        record("auth-4", Role.AUTH, "plane-2"),
    ]
    assert place_login(view(PRIME_NODE, *nodes), LIMITS) == Spawn(Role.AUTH, PRIME, 2)


def test_a_node_that_just_failed_the_listener_is_avoided() -> None:
    nodes = [record("auth-1", Role.AUTH, PRIME), record("auth-2", Role.AUTH, PRIME, load=1)]
    assert place_login(view(PRIME_NODE, *nodes), LIMITS, avoid=[NodeId("auth-1")]) == Place(NodeId("auth-2"))


def test_a_starting_node_s_free_places_are_waited_for_before_another_is_spawned() -> None:
    starting = record("auth-1", Role.AUTH, PRIME, state=NodeState.STARTING, held=1)
    assert place_login(view(PRIME_NODE, starting), LIMITS) == Wait(NodeId("auth-1"))
    full = record("auth-1", Role.AUTH, PRIME, state=NodeState.STARTING, held=2)
    assert place_login(view(PRIME_NODE, full), LIMITS) == Spawn(Role.AUTH, PRIME, 2)


def test_the_prime_s_slots_first_then_the_planes_evenly() -> None:
    assert place_login(view(PRIME_NODE, plane(1)), LIMITS) == Spawn(Role.AUTH, PRIME, 2)
    full = record(PRIME, Role.PRIME, capacity=6, load=6)
    assert place_login(view(full, plane(1, 2), plane(2, 1), plane(3, 1)), LIMITS) == Spawn(
        Role.AUTH, NodeId("plane-2"), 2
    )


def test_streaming_goes_where_the_library_is_whole() -> None:
    empty = record(PRIME, Role.PRIME, capacity=6, tracks=0)
    assert place_play(view(empty, plane(1, tracks=5), plane(2, tracks=9)), LIMITS, None) == Spawn(
        Role.FILE, NodeId("plane-2"), 10
    )
    assert place_login(view(empty, plane(1, tracks=9)), LIMITS) == Spawn(Role.AUTH, PRIME, 2)


def test_a_track_is_streamed_from_its_holders_only() -> None:
    here = record("file-1", Role.FILE, PRIME, capacity=9)
    there = record("file-2", Role.FILE, "plane-1", capacity=5)
    everything = view(PRIME_NODE, plane(1), plane(2), here, there)
    assert place_play(everything, LIMITS, {NodeId("plane-1")}) == Place(NodeId("file-2"))
    assert place_play(everything, LIMITS, {NodeId("plane-2")}) == Spawn(Role.FILE, NodeId("plane-2"), 10)
    assert place_play(everything, LIMITS, {NodeId("plane-9")}) == NoHolder()
    assert place_play(everything, LIMITS, frozenset()) == NoHolder()
    assert place_play(everything, LIMITS, None) == Place(NodeId("file-1"))


def test_where_a_track_lives_counts_and_not_how_much_else_is_there() -> None:
    full = record(PRIME, Role.PRIME, capacity=1, load=1, tracks=9)
    machines = view(full, plane(1, 2, tracks=9), plane(2, 1, tracks=1), plane(3, 0, tracks=9))
    holders = {NodeId("plane-1"), NodeId("plane-2")}
    assert place_play(machines, LIMITS, holders) == Spawn(Role.FILE, NodeId("plane-2"), 10)


def test_machines_with_room_but_without_the_track_are_of_no_use() -> None:
    taken = record("file-1", Role.FILE, "plane-1", capacity=1, load=1)
    crowded = view(PRIME_NODE, plane(1, 6), plane(2), taken)
    refused = place_play(crowded, LIMITS, {NodeId("plane-1")})
    assert isinstance(refused, Full)
    assert refused.text.endswith("the track is on plane-1 only")
    assert "--replicas" in refused.hint
    assert isinstance(place_play(crowded, LIMITS, None), Spawn)


def test_the_last_slot_goes_only_to_a_kind_that_has_no_node() -> None:
    two_slots = record(PRIME, Role.PRIME, capacity=2, load=1)
    auth = record("auth-1", Role.AUTH, PRIME, load=2)
    refused = place_login(view(two_slots, auth), LIMITS)
    assert isinstance(refused, Full)
    assert "kept for the other kind" in refused.text
    assert place_play(view(two_slots, auth), LIMITS, None) == Spawn(Role.FILE, PRIME, 10)
    other_way = record("file-1", Role.FILE, PRIME, capacity=1, load=1)
    assert isinstance(place_play(view(two_slots, other_way), LIMITS, None), Full)
    assert place_login(view(two_slots, other_way), LIMITS) == Spawn(Role.AUTH, PRIME, 2)


def test_a_kind_whose_only_node_hangs_on_a_suspect_plane_still_gets_its_slot_kept() -> None:
    one_left = record(PRIME, Role.PRIME, capacity=2, load=1)
    nodes = [
        record("auth-1", Role.AUTH, PRIME, load=2),
        plane(1, 1, state=NodeState.SUSPECT),
        record("file-1", Role.FILE, "plane-1"),
    ]
    assert isinstance(place_login(view(one_left, *nodes), LIMITS), Full)


def test_full_says_what_is_full_and_what_to_do() -> None:
    full = place_login(
        view(
            record(PRIME, Role.PRIME, capacity=2, load=2),
            record("auth-1", Role.AUTH, PRIME, load=2),
            record("file-1", Role.FILE, PRIME),
        ),
        LIMITS,
    )
    assert isinstance(full, Full)
    error = full.error()
    assert error.code is ErrorCode.CLUSTER_FULL
    assert str(error) == (
        "no authentication node has room (2 of 2 places on 1 taken) and no slot is free for one more (2 of 2 in use): "
        "add a machine (`controlNODE.py token`, then `planeNODE.py --join TOKEN` there) "
        "or raise --max-users or --max-load"
    )


def test_a_control_node_whose_children_crash_is_passed_over_or_waited_for() -> None:
    crashing = record(PRIME, Role.PRIME, capacity=6, blocked=((Role.AUTH, 107.5),))
    assert place_login(view(crashing, plane(1), now_s=100.0), LIMITS) == Spawn(Role.AUTH, NodeId("plane-1"), 2)
    wait = place_login(view(crashing, now_s=100.0), LIMITS)
    assert isinstance(wait, Full)
    assert wait.retry_s == 7.5
    assert place_login(view(crashing, now_s=107.5), LIMITS) == Spawn(Role.AUTH, PRIME, 2)
    assert place_play(view(crashing, now_s=100.0), LIMITS, None) == Spawn(Role.FILE, PRIME, 10)


def test_a_login_warms_a_streaming_node_only_if_none_is_there() -> None:
    assert warm_play(view(PRIME_NODE), LIMITS) == Spawn(Role.FILE, PRIME, 10)
    assert warm_play(view(PRIME_NODE, record("file-1", Role.FILE, PRIME)), LIMITS) is None
    starting = record("file-1", Role.FILE, PRIME, state=NodeState.STARTING)
    assert warm_play(view(PRIME_NODE, starting), LIMITS) is None
    assert warm_play(view(record(PRIME, Role.PRIME, capacity=1, load=1)), LIMITS) is None


def retired(cluster: ClusterView) -> list[str]:
    return [retire.node_id for retire in tidy(cluster, LIMITS)]


def test_what_nobody_used_for_idle_s_retires() -> None:
    nodes = [
        record("auth-1", Role.AUTH, PRIME, idle_since_s=0.0),
        record("file-1", Role.FILE, PRIME, idle_since_s=0.0),
        record("file-2", Role.FILE, PRIME, idle_since_s=1.0),
        record("auth-2", Role.AUTH, PRIME, idle_since_s=0.0, state=NodeState.STARTING),
        record("auth-3", Role.AUTH, PRIME, idle_since_s=0.0, state=NodeState.SUSPECT),
    ]
    assert retired(view(PRIME_NODE, *nodes, now_s=60.0)) == ["auth-1", "file-1"]
    assert retired(view(PRIME_NODE, *nodes, now_s=59.9)) == []


def test_one_streaming_node_stays_while_somebody_is_logged_in() -> None:
    nodes = [
        record("auth-1", Role.AUTH, PRIME, load=1),
        record("file-1", Role.FILE, PRIME, idle_since_s=0.0, since_s=5.0),
        record("file-2", Role.FILE, PRIME, idle_since_s=0.0, since_s=4.0),
    ]
    assert retired(view(PRIME_NODE, *nodes, now_s=99.0)) == ["file-1"]
    used = record("file-3", Role.FILE, PRIME, load=1)
    assert retired(view(PRIME_NODE, *nodes, used, now_s=99.0)) == ["file-1", "file-2"]


def test_a_drained_node_goes_when_it_is_empty_a_plane_when_its_nodes_are_gone() -> None:
    draining = NodeState.DRAINING
    nodes = [
        plane(1, 1, state=draining),
        record("file-1", Role.FILE, "plane-1", load=1, state=draining),
        plane(2, 0, state=draining),
        record("file-2", Role.FILE, PRIME, state=draining),
    ]
    assert retired(view(PRIME_NODE, *nodes)) == ["plane-2", "file-2"]


def test_a_node_that_did_not_end_is_told_again() -> None:
    told = [
        record("file-1", Role.FILE, PRIME, state=NodeState.DRAINING, load=1, retired_s=5.0),
        record("file-2", Role.FILE, PRIME, state=NodeState.SUSPECT, retired_s=5.0),
        record("file-3", Role.FILE, PRIME, state=NodeState.DRAINING, retired_s=6.0),
    ]
    assert retired(view(PRIME_NODE, *told, now_s=15.0)) == ["file-1"]


@st.composite
def clusters(draw: st.DrawFn) -> ClusterView:
    """Any cluster, also ones that should not exist."""
    controls = [PRIME, *(f"plane-{number}" for number in range(draw(st.integers(0, 3))))]
    states = st.sampled_from(list(NodeState))
    nodes = [
        record(
            f"{role}-{number}",
            role,
            draw(st.sampled_from(controls)),
            state=draw(states),
            capacity=draw(st.integers(1, 3)),
            load=draw(st.integers(0, 3)),
            held=draw(st.integers(0, 2)),
            since_s=draw(st.floats(0, 100)),
            idle_since_s=draw(st.none() | st.floats(0, 100)),
        )
        for number, role in enumerate(draw(st.lists(st.sampled_from([Role.AUTH, Role.FILE]), max_size=8)))
    ]
    for control in controls:
        children = sum(node.parent == control for node in nodes)
        nodes.append(
            record(
                control,
                Role.PRIME if control == PRIME else Role.PLANE,
                state=NodeState.READY if control == PRIME else draw(states),
                capacity=draw(st.integers(0, 6)),
                load=children,
                blocked=((draw(st.sampled_from([Role.AUTH, Role.FILE])), draw(st.sampled_from([0.0, 150.0]))),),
                tracks=draw(st.integers(0, 2)),
            )
        )
    return ClusterView(tuple(draw(st.permutations(nodes))), 100.0)


@given(clusters(), st.sampled_from([Role.AUTH, Role.FILE]))
@settings(max_examples=150, deadline=None)
def test_no_answer_overbooks_or_spawns_where_there_is_room(cluster: ClusterView, role: Role) -> None:
    answer = place_login(cluster, LIMITS) if role is Role.AUTH else place_play(cluster, LIMITS, None)
    nodes = {node.node_id: node for node in cluster.nodes}
    usable = [
        node
        for node in cluster.nodes
        if node.role is role and node.free and nodes[node.parent].state is NodeState.READY
    ]
    if isinstance(answer, Place):
        assert nodes[answer.node_id] in usable
        assert nodes[answer.node_id].state is NodeState.READY
    elif isinstance(answer, Wait):
        assert nodes[answer.node_id] in usable
        assert nodes[answer.node_id].state is NodeState.STARTING
        assert not [node for node in usable if node.state is NodeState.READY]
    else:
        assert not [node for node in usable if node.state in (NodeState.READY, NodeState.STARTING)]
    if isinstance(answer, Spawn):
        control = nodes[answer.control_id]
        assert control.load < control.capacity
        assert control.blocked_until_s(role) <= cluster.now_s


@given(clusters(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_nodes_decides_nothing(cluster: ClusterView, random: object) -> None:
    nodes = list(cluster.nodes)
    random.shuffle(nodes)  # type: ignore[attr-defined]
    shuffled = ClusterView(tuple(nodes), cluster.now_s)
    assert place_login(cluster, LIMITS) == place_login(shuffled, LIMITS)
    assert place_play(cluster, LIMITS, None) == place_play(shuffled, LIMITS, None)
    assert set(tidy(cluster, LIMITS)) == set(tidy(shuffled, LIMITS))


@given(clusters())
@settings(max_examples=60, deadline=None)
def test_tidy_never_touches_what_is_used(cluster: ClusterView) -> None:
    nodes = {node.node_id: node for node in cluster.nodes}
    for retire in tidy(cluster, Limits(max_users=2, max_streams=10, idle_s=0.0)):
        assert not nodes[retire.node_id].used
        assert nodes[retire.node_id].role is not Role.PRIME
