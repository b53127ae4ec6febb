"""The registry: who is here, alive, under whom."""

import pytest

from hocket.control.actions import Action, Frozen, LeaseNumber, Probe, RegistrationRefused, Removed
from hocket.control.registry import Registry
from hocket.control.view import NodeState
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role
from tests.control.kit import PRIME, TIMING, intro, join, registry

PLANE = NodeId("plane-1")
AUTH = NodeId("auth-1")
FILE = NodeId("file-1")


def removed(actions: tuple[Action, ...]) -> list[str]:
    return [action.record.node_id for action in actions if isinstance(action, Removed)]


def probes(actions: tuple[Action, ...]) -> list[Probe]:
    return [action for action in actions if isinstance(action, Probe)]


def state(reg: Registry, node_id: str) -> NodeState:
    found = reg.get(NodeId(node_id))
    assert found is not None
    return found.state


def keep_alive(reg: Registry, leases: dict[NodeId, LeaseNumber], until_s: float, now_s: float) -> float:
    """Heartbeats of these nodes once a second; asserts that nothing else happens."""
    while now_s < until_s:
        now_s += 1.0
        for node_id, number in leases.items():
            assert reg.heartbeat(node_id, number, 0, now_s)
        assert reg.tick(now_s) == ()
    return now_s


def test_a_node_that_heartbeats_stays() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    keep_alive(reg, {AUTH: number}, 1000.0, 0.0)
    assert state(reg, AUTH) is NodeState.READY
    assert reg.counters(AUTH).heartbeats == 1000


def test_silence_is_suspected_probed_and_removed() -> None:
    reg = registry()
    join(reg, AUTH, Role.AUTH, PRIME)
    assert reg.tick(4.9) == ()
    [probe] = probes(reg.tick(5.0))
    assert state(reg, AUTH) is NodeState.SUSPECT
    assert reg.probe_failed(AUTH, probe.number, "connection refused", 5.1) == ()
    assert reg.tick(5.9) == ()
    [gone] = reg.tick(6.0)
    assert isinstance(gone, Removed)
    assert gone.why == "no heartbeat, connection refused"
    assert AUTH not in reg


def test_an_unanswered_probe_ends_by_itself() -> None:
    reg = registry()
    join(reg, AUTH, Role.AUTH, PRIME)
    reg.tick(5.0)
    assert reg.tick(6.9) == ()
    assert removed(reg.tick(7.0)) == [AUTH]


def test_eof_is_suspected_at_once_and_a_return_forgives() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    [probe] = reg.connection_lost(AUTH, number, 1.0)
    assert isinstance(probe, Probe)
    assert not reg.heartbeat(AUTH, number, 0, 1.1)  # what that connection still says counts no more
    fresh = join(reg, AUTH, Role.AUTH, PRIME, now_s=1.2)
    assert fresh > number
    assert state(reg, AUTH) is NodeState.READY
    assert reg.probe_failed(AUTH, probe.number, "late", 1.3) == ()
    assert state(reg, AUTH) is NodeState.READY


def test_a_newer_connection_replaces_the_older_whose_end_means_nothing() -> None:
    reg = registry()
    old = join(reg, AUTH, Role.AUTH, PRIME)
    new = join(reg, AUTH, Role.AUTH, PRIME, now_s=1.0)
    assert new > old
    assert reg.connection_lost(AUTH, old, 1.1) == ()
    assert state(reg, AUTH) is NodeState.READY
    assert not reg.heartbeat(AUTH, old, 0, 1.2)
    assert reg.heartbeat(AUTH, new, 0, 1.2)


def test_an_answered_probe_buys_one_lease() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    [probe] = probes(reg.connection_lost(AUTH, number, 1.0))
    reg.probe_answered(AUTH, probe.number, 1.5)
    assert reg.tick(6.4) == ()
    [gone] = reg.tick(6.5)
    assert isinstance(gone, Removed)
    assert "did not come back" in gone.why


def test_a_probe_of_an_earlier_life_decides_nothing() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    [old] = probes(reg.connection_lost(AUTH, number, 1.0))
    reg.leave(AUTH, "goodbye", 1.1)
    number = join(reg, AUTH, Role.AUTH, PRIME, now_s=1.2)
    reg.connection_lost(AUTH, number, 1.3)
    reg.probe_failed(AUTH, old.number, "late", 1.4)
    assert reg.tick(2.9) == ()


@pytest.mark.parametrize("shared_host", ["127.0.0.1"])
def test_a_lost_plane_takes_exactly_its_own_though_all_share_one_ip(shared_host: str) -> None:
    reg = registry()
    join(reg, AUTH, Role.AUTH, PRIME)
    planes: dict[str, LeaseNumber] = {}
    leases = {}
    for plane in ("plane-1", "plane-2"):
        planes[plane] = reg.register(intro(plane, Role.PLANE, host=shared_host, capacity=6), 0.0)
        for number in range(2):
            node = NodeId(f"file-{plane}-{number}")
            leases[node] = reg.register(intro(node, Role.FILE, plane, host=shared_host), 0.0)
    [probe] = probes(reg.connection_lost(NodeId("plane-1"), planes["plane-1"], 1.0))
    reg.probe_failed(probe.node_id, probe.number, "refused", 1.1)
    assert removed(reg.tick(2.0)) == ["plane-1", "file-plane-1-0", "file-plane-1-1"]
    assert {node.node_id for node in reg.view(2.0).nodes} == {
        PRIME,
        AUTH,
        "plane-2",
        "file-plane-2-0",
        "file-plane-2-1",
    }


def test_a_cut_off_plane_comes_back_with_its_nodes_in_any_order() -> None:
    reg = registry()
    join(reg, PLANE, Role.PLANE)
    join(reg, FILE, Role.FILE, PLANE)
    for now_s in (5.0, 7.0):
        reg.tick(now_s)
    assert PLANE not in reg
    with pytest.raises(RegistrationRefused) as refused:
        join(reg, FILE, Role.FILE, PLANE, now_s=20.0)
    assert refused.value.code is ErrorCode.PARENT_MISSING
    assert refused.value.retry_s == TIMING.retry_s
    join(reg, PLANE, Role.PLANE, now_s=20.1)
    join(reg, FILE, Role.FILE, PLANE, now_s=20.5)
    assert reg.children(PLANE) == {FILE}


def test_a_copied_data_folder_is_told_from_a_restart() -> None:
    reg = registry()
    number = reg.register(intro(PLANE, Role.PLANE, boot="original"), 0.0)
    copy = intro(PLANE, Role.PLANE, boot="copy")
    with pytest.raises(RegistrationRefused) as first:
        reg.register(copy, 0.5)
    assert first.value.code is ErrorCode.ID_IN_USE
    assert first.value.retry_s > 0
    reg.heartbeat(PLANE, number, 0, 1.0)
    with pytest.raises(RegistrationRefused) as second:
        reg.register(copy, 1.1)
    assert second.value.code is ErrorCode.ID_COPIED
    assert second.value.retry_s == 0.0
    assert "copied" in str(second.value)
    assert reg.counters(PLANE).copies_refused == 1
    assert reg.heartbeat(PLANE, number, 0, 1.2)


def test_a_restart_after_a_power_cut_gets_in_when_the_old_lease_ends() -> None:
    reg = registry()
    reg.register(intro(PLANE, Role.PLANE, boot="before"), 0.0)
    restarted, now_s, refusals = intro(PLANE, Role.PLANE, boot="after"), 1.0, []
    while True:
        reg.tick(now_s)
        try:
            reg.register(restarted, now_s)
            break
        except RegistrationRefused as error:
            refusals.append(error.code)
            now_s += error.retry_s
    assert now_s <= TIMING.lease_s
    assert set(refusals) == {ErrorCode.ID_IN_USE}


def test_a_restart_after_kill_9_gets_in_at_once() -> None:
    reg = registry()
    number = reg.register(intro(PLANE, Role.PLANE, boot="before"), 0.0)
    reg.connection_lost(PLANE, number, 1.0)
    assert reg.register(intro(PLANE, Role.PLANE, boot="after"), 1.0) > number


def test_an_ordered_node_starts_counts_and_never_comes() -> None:
    reg = registry(max_load=1)
    reg.expect(AUTH, Role.AUTH, PRIME, 2, 0.0)
    assert state(reg, AUTH) is NodeState.STARTING
    with pytest.raises(HocketError) as full:
        reg.expect(FILE, Role.FILE, PRIME, 2, 0.0)
    assert full.value.code is ErrorCode.NODE_FULL
    [gone] = reg.tick(TIMING.ready_s)
    assert isinstance(gone, Removed)
    assert gone.why == "it never came up"
    reg.expect(FILE, Role.FILE, PRIME, 2, 21.0)


def test_an_ordered_node_becomes_ready_and_its_idle_time_starts_then() -> None:
    reg = registry()
    reg.expect(AUTH, Role.AUTH, PRIME, 2, 0.0)
    join(reg, AUTH, Role.AUTH, PRIME, now_s=3.0)
    node = reg.get(AUTH)
    assert node is not None
    assert (node.state, node.idle_since_s) == (NodeState.READY, 3.0)


@pytest.mark.parametrize(
    ("node", "role", "parent"),
    [
        (AUTH, Role.FILE, PRIME),  # another role than before
        (AUTH, Role.AUTH, PLANE),  # another control node than before
        (PRIME, Role.PRIME, None),  # the prime's own id
        (NodeId("prime-2"), Role.PRIME, None),
        (NodeId("plane-9"), Role.PLANE, PRIME),  # planes run under nobody
        (NodeId("x"), Role.LISTENER, PRIME),
    ],
)
def test_what_may_not_register(node: NodeId, role: Role, parent: NodeId | None) -> None:
    reg = registry()
    join(reg, PLANE, Role.PLANE)
    join(reg, AUTH, Role.AUTH, PRIME)
    with pytest.raises(RegistrationRefused) as refused:
        join(reg, node, role, parent, now_s=1.0)
    assert refused.value.code is ErrorCode.NOT_ALLOWED


def test_no_more_nodes_under_a_control_node_than_it_has_slots() -> None:
    reg = registry(max_load=1)
    join(reg, AUTH, Role.AUTH, PRIME)
    with pytest.raises(RegistrationRefused) as full:
        join(reg, FILE, Role.FILE, PRIME)
    assert full.value.code is ErrorCode.NODE_FULL
    assert reg.children(PRIME) == {AUTH}


def test_mass_loss_freezes_removals_for_one_lease() -> None:
    reg = registry(max_load=10)
    leases = {NodeId(f"file-{number}"): join(reg, f"file-{number}", Role.FILE, PRIME) for number in range(9)}
    lost = [NodeId(f"file-{number}") for number in range(4)]
    for node_id in lost:
        [probe] = probes(reg.connection_lost(node_id, leases[node_id], 1.0))
        reg.probe_failed(node_id, probe.number, "unreachable", 1.1)
    staying = {node_id: number for node_id, number in leases.items() if node_id not in lost}
    [frozen] = reg.tick(1.2)
    assert frozen == Frozen(4, 1.2 + TIMING.lease_s)
    assert isinstance(frozen, Frozen)
    keep_alive(reg, staying, 5.2, 1.2)
    join(reg, lost[0], Role.FILE, PRIME, now_s=5.3)  # who comes back meanwhile is forgiven
    for node_id, number in staying.items():
        reg.heartbeat(node_id, number, 0, 6.0)
    assert sorted(removed(reg.tick(frozen.until_s))) == lost[1:]
    assert not reg.is_frozen(frozen.until_s)


def test_a_blip_of_many_connections_is_no_mass_loss() -> None:
    reg = registry(max_load=10)
    leases = {NodeId(f"file-{number}"): join(reg, f"file-{number}", Role.FILE, PRIME) for number in range(8)}
    for node_id, number in leases.items():
        reg.connection_lost(node_id, number, 1.0)
        join(reg, node_id, Role.FILE, PRIME, now_s=1.1)
    assert reg.tick(1.2) == ()


def test_a_third_is_a_third_of_all_that_were_here_the_removed_included() -> None:
    reg = registry(max_load=20)
    leases = {f"file-{number:02}": join(reg, f"file-{number:02}", Role.FILE, PRIME) for number in range(20)}

    def cut(names: list[str], now_s: float) -> None:
        for name in names:
            [probe] = probes(reg.connection_lost(NodeId(name), leases[name], now_s))
            reg.probe_failed(NodeId(name), probe.number, "refused", now_s)

    names = sorted(leases)
    cut(names[:4], 1.0)
    assert removed(reg.tick(2.0)) == names[:4]
    cut(names[4:6], 2.1)
    assert removed(reg.tick(3.1)) == names[4:6]  # 6 of 20, though only 14 are left
    cut(names[6:7], 3.2)
    assert reg.tick(4.2) == (Frozen(7, 4.2 + TIMING.lease_s),)


def test_a_loss_that_is_certain_is_never_frozen() -> None:
    reg = registry(max_load=10)
    for number in range(6):
        join(reg, f"file-{number}", Role.FILE, PRIME)
    for number in range(5):
        assert removed(reg.leave(NodeId(f"file-{number}"), "its process ended", 1.0)) == [f"file-{number}"]
    assert reg.tick(1.1) == ()


def test_a_retired_node_that_hangs_up_is_gone_without_suspicion() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    reg.retire(AUTH, 1.0)
    assert removed(reg.connection_lost(AUTH, number, 1.1)) == [AUTH]


def test_draining_a_plane_drains_what_runs_under_it_and_what_returns_there() -> None:
    reg = registry()
    join(reg, PLANE, Role.PLANE)
    join(reg, FILE, Role.FILE, PLANE)
    assert reg.drain(PLANE, 1.0) == (PLANE, FILE)
    assert reg.drain(PLANE, 1.1) == ()
    join(reg, AUTH, Role.AUTH, PLANE, now_s=1.2)
    assert {state(reg, node) for node in (PLANE, FILE, AUTH)} == {NodeState.DRAINING}
    with pytest.raises(HocketError) as refused:
        reg.drain(PRIME, 1.3)
    assert refused.value.code is ErrorCode.NOT_ALLOWED


def test_a_node_may_drain_itself_by_its_heartbeat() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    assert reg.heartbeat(AUTH, number, 0, 1.0, draining=True)
    assert state(reg, AUTH) is NodeState.DRAINING


def test_holds_take_places_end_by_themselves_and_outlive_no_node() -> None:
    reg = registry()
    reg.register(intro(AUTH, Role.AUTH, PRIME, capacity=2), 0.0)
    first = reg.hold(AUTH, 3.0, 0.0)
    second = reg.hold(AUTH, 3.0, 0.0)
    with pytest.raises(HocketError) as full:
        reg.hold(AUTH, 3.0, 0.0)
    assert full.value.code is ErrorCode.NODE_FULL
    reg.release(first, 1.0, load=1)
    reg.release(first, 1.0)
    node = reg.get(AUTH)
    assert node is not None
    assert (node.load, node.held, node.free) == (1, 1, 0)
    reg.tick(3.0)
    node = reg.get(AUTH)
    assert node is not None
    assert (node.load, node.held, node.free) == (1, 0, 1)
    third = reg.hold(AUTH, 9.0, 3.0)
    reg.leave(AUTH, "gone", 3.1)
    reg.register(intro(AUTH, Role.AUTH, PRIME, capacity=2), 3.2)
    reg.release(third, 3.3)
    reg.release(second, 3.3)
    node = reg.get(AUTH)
    assert node is not None
    assert node.held == 0


def test_idle_time_runs_only_while_nobody_is_on_the_node() -> None:
    reg = registry()
    number = reg.register(intro(AUTH, Role.AUTH, PRIME), 0.0)

    def idle_since() -> float | None:
        node = reg.get(AUTH)
        assert node is not None
        return node.idle_since_s

    assert idle_since() == 0.0
    hold = reg.hold(AUTH, 9.0, 2.0)
    assert idle_since() is None
    reg.release(hold, 3.0, load=1)
    assert idle_since() is None
    reg.heartbeat(AUTH, number, 0, 4.0)
    assert idle_since() == 4.0
    reg.heartbeat(AUTH, number, 0, 5.0)
    assert idle_since() == 4.0


def test_a_control_node_s_load_is_counted_not_believed() -> None:
    reg = registry()
    number = reg.register(intro(PLANE, Role.PLANE, load=99, capacity=6), 0.0)
    join(reg, FILE, Role.FILE, PLANE)
    reg.heartbeat(PLANE, number, 42, 1.0)
    node = reg.get(PLANE)
    assert node is not None
    assert node.load == 1


def test_a_kind_that_crashes_is_blocked_alone_and_per_control_node() -> None:
    reg = registry()
    join(reg, PLANE, Role.PLANE)
    reg.block_spawns(PLANE, Role.FILE, 9.0, 1.0)
    reg.block_spawns(PLANE, Role.AUTH, 5.0, 2.0)
    reg.block_spawns(PLANE, Role.FILE, 12.0, 6.0)
    node = reg.get(PLANE)
    prime = reg.get(PRIME)
    assert node is not None
    assert prime is not None
    assert node.blocked == ((Role.FILE, 12.0),)
    assert (node.blocked_until_s(Role.FILE), node.blocked_until_s(Role.AUTH), prime.blocked) == (12.0, 0.0, ())


def test_the_revision_moves_with_every_visible_change_and_with_no_other() -> None:
    reg = registry()
    number = join(reg, AUTH, Role.AUTH, PRIME)
    before = reg.revision
    reg.heartbeat(AUTH, number, 0, 1.0)
    reg.tick(1.0)
    assert reg.revision == before
    reg.heartbeat(AUTH, number, 1, 2.0)
    assert reg.revision > before


def test_a_node_that_is_not_here_is_a_clear_error() -> None:
    reg = registry()
    with pytest.raises(HocketError) as missing:
        reg.drain(NodeId("file-9"), 0.0)
    assert missing.value.code is ErrorCode.NODE_MISSING
    assert reg.leave(NodeId("file-9"), "", 0.0) == ()
    assert reg.leave(PRIME, "", 0.0) == ()
    assert not reg.heartbeat(NodeId("file-9"), LeaseNumber(1), 0, 0.0)
