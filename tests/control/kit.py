"""Small makers of nodes for the tests of the control floor."""

from hocket.control.actions import Introduction, LeaseNumber
from hocket.control.registry import Registry
from hocket.control.view import ClusterView, Limits, NodeRecord, NodeState, Timing
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role

PRIME = NodeId("prime-000000000000")
TIMING = Timing(lease_s=5.0, probe_s=2.0, settle_s=1.0, ready_s=20.0, retry_s=0.5)
LIMITS = Limits(max_users=2, max_streams=10, idle_s=60.0)


def intro(
    node_id: str,
    role: Role,
    parent: str | None = None,
    *,
    boot: str = "b1",
    capacity: int = 2,
    load: int = 0,
    host: str = "127.0.0.1",
    tracks: int = 0,
) -> Introduction:
    own = parent if parent is not None else node_id
    return Introduction(
        NodeId(node_id), role, NodeId(own), boot, HostPort(host, 4000), 4711, capacity, load=load, tracks=tracks
    )


def registry(max_load: int = 6, now_s: float = 0.0, timing: Timing = TIMING) -> Registry:
    return Registry(intro(PRIME, Role.PRIME, capacity=max_load), timing, now_s)


def join(
    reg: Registry, node_id: str, role: Role, parent: str | None = None, now_s: float = 0.0, capacity: int = 6
) -> LeaseNumber:
    return reg.register(intro(node_id, role, parent, capacity=capacity), now_s)


def record(
    node_id: str,
    role: Role,
    parent: str | None = None,
    *,
    state: NodeState = NodeState.READY,
    capacity: int = 2,
    load: int = 0,
    held: int = 0,
    since_s: float = 0.0,
    idle_since_s: float | None = None,
    blocked: tuple[tuple[Role, float], ...] = (),
    tracks: int = 0,
    retired_s: float | None = None,
) -> NodeRecord:
    own = parent if parent is not None else node_id
    return NodeRecord(
        NodeId(node_id),
        role,
        NodeId(own),
        state,
        capacity,
        since_s,
        load=load,
        held=held,
        idle_since_s=idle_since_s,
        blocked=blocked,
        tracks=tracks,
        retired_s=retired_s,
    )


def view(*nodes: NodeRecord, now_s: float = 0.0) -> ClusterView:
    return ClusterView(nodes, now_s)
