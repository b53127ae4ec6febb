"""The whole control plane through thousands of seeded random steps, checked at each of them (`World`)."""

import pytest

from hocket.control.view import NodeState
from hocket.core.ids import NodeId, Role
from tests.control.simulator import World
from tests.control.simvalues import GRACE_S, LIMITS, PRIME, TIMING

STEPS = 600


def storm(seed: int) -> World:
    """Five minutes of people and mischief."""
    world = World(seed)
    for _ in range(STEPS):
        world.run(world.random.uniform(0.05, 1.5))
        if world.random.random() < 0.5:
            world.arrive(world.random.uniform(1.0, 60.0))
        if world.random.random() < 0.25:
            world.mischief()
    return world


def registered(world: World) -> dict[NodeId, NodeState]:
    return {record.node_id: record.state for record in world.registry.view(world.now_s).nodes}


@pytest.mark.parametrize("seed", range(8))
def test_through_a_storm_and_into_calm(seed: int) -> None:
    world = storm(seed)
    assert world.silent_removals

    world.heal()
    world.run(GRACE_S + 30.0)
    calm = registered(world)
    assert set(calm.values()) <= {NodeState.READY, NodeState.STARTING, NodeState.DRAINING}
    assert {node for node in calm if node.startswith(("prime", "plane"))} == set(world.controls)

    everybody = [world.arrive(120.0) for _ in range(12)]
    world.run(20.0)
    for user in everybody:
        assert user.auth is not None, f"user {user.number} found no seat"
        assert user.auth.alive
        assert user.file is not None, f"user {user.number} found no stream"
        assert user.file.alive

    world.run(120.0 + 60.0 + LIMITS.idle_s + GRACE_S)
    assert set(registered(world)) == set(world.controls)
    assert not [worker.node_id for worker in world.workers if worker.alive]


def test_one_seed_gives_one_story() -> None:
    assert storm(3).trace == storm(3).trace
    assert storm(3).trace != storm(4).trace


def test_on_a_perfect_day_nobody_is_ever_suspected_or_removed_but_for_idleness() -> None:
    world = World(1, faults=0.0)
    for _ in range(300):
        world.run(0.5)
        if world.random.random() < 0.3:
            world.arrive(world.random.uniform(1.0, 30.0))
        assert not world.suspected_s
    world.run(30.0 + LIMITS.idle_s + 5.0)
    assert set(registered(world)) == set(world.controls)
    assert {removed.why for _, removed in world.removals} == {"retired"}
    assert not world.freezes


def test_a_plane_that_is_cut_off_and_healed_keeps_its_nodes_and_their_streams() -> None:
    world = World(2, planes=1, max_load=2, faults=0.0)
    people = [world.arrive(500.0) for _ in range(7)]
    world.run(10.0)
    plane = world.controls[NodeId("plane-0")]
    there = [worker for worker in world.workers if worker.parent == "plane-0"]
    assert there
    heard = {worker.node_id: set(worker.users) for worker in there}
    plane.cut = True
    world.run(TIMING.lease_s + TIMING.probe_s + 2 * TIMING.lease_s)
    assert NodeId("plane-0") not in world.registry
    plane.cut = False
    world.run(5.0)
    assert {worker.node_id: set(worker.users) for worker in there} == heard
    assert world.registry.children(NodeId("plane-0")) == set(heard)
    assert all(user.auth is not None for user in people)


def test_a_plane_that_dies_takes_its_own_nodes_and_no_others() -> None:
    world = World(5, planes=3, max_load=2, faults=0.0)
    for _ in range(20):
        world.arrive(500.0)
    world.run(10.0)
    own = world.registry.children(NodeId("plane-1"))
    others = set(registered(world)) - own - {NodeId("plane-1")}
    assert own
    world.kill_control(world.controls[NodeId("plane-1")], back_after_s=300.0)
    world.run(TIMING.lease_s + 1.0)
    assert {removed.record.node_id for _, removed in world.removals} == {*own, NodeId("plane-1")}
    assert others <= set(registered(world))


def test_when_all_planes_are_cut_off_at_once_the_prime_suspects_itself() -> None:
    world = World(6, planes=6, max_load=3, faults=0.0)
    world.run(3.0)
    for node_id, control in world.controls.items():
        control.cut = node_id != PRIME
    world.run(TIMING.lease_s + TIMING.probe_s + 1.5)
    assert world.freezes
    assert set(world.controls) <= set(registered(world))  # silent for longer than lease and probe allow
    for control in world.controls.values():
        control.cut = False
    world.run(5.0)
    assert not world.removals
    assert set(registered(world).values()) == {NodeState.READY}


def test_the_prime_is_killed_and_everyone_is_back_within_seconds() -> None:
    world = World(7, planes=2, max_load=3, faults=0.0)
    people = [world.arrive(500.0) for _ in range(9)]
    world.run(10.0)
    before = set(registered(world))
    seats = {user.number: user.auth.node_id for user in people if user.auth}
    world.kill_prime(back_after_s=2.0)
    world.run(5.0)
    assert set(registered(world)) == before
    assert {user.number: user.auth.node_id for user in people if user.auth} == seats
    records = [record for record in world.registry.view(world.now_s).nodes if record.role is Role.AUTH]
    assert sum(record.load for record in records) == len(people)
