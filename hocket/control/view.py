"""What the prime knows of its cluster, as values: the input of every decision and of `status`."""

from enum import StrEnum

import msgspec

from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role

NOWHERE = HostPort("", 0)


class NodeState(StrEnum):
    """As `status` shows it."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    SUSPECT = "suspect"


class NodeRecord(msgspec.Struct, frozen=True):
    """One node as the registry holds it. Times are the prime's monotonic seconds."""

    node_id: NodeId
    role: Role
    parent: NodeId  # the control node that it runs under; a control node's own id
    state: NodeState
    capacity: int  # sessions, streams, or nodes under a control node
    since_s: float  # when it was ordered or first heard
    address: HostPort = NOWHERE
    pid: int = 0
    load: int = 0
    held: int = 0  # promised to demands that are not yet part of the load
    retired_s: float | None = None  # when it was last told to end
    idle_since_s: float | None = None  # nobody on it since; None while it is used
    blocked: tuple[tuple[Role, float], ...] = ()  # kinds that crash under this control node, and until when to wait
    tracks: int = 0  # that a control node's music folder holds

    @property
    def free(self) -> int:
        """Places that nobody has and nobody was promised."""
        return max(0, self.capacity - self.load - self.held)

    def blocked_until_s(self, role: Role) -> float:
        """Before this no node of that kind is ordered from this control node."""
        return dict(self.blocked).get(role, 0.0)

    @property
    def retiring(self) -> bool:
        """Whether it was told to end."""
        return self.retired_s is not None

    @property
    def is_control(self) -> bool:
        return self.role is Role.PRIME or self.role is Role.PLANE

    @property
    def used(self) -> int:
        return self.load + self.held


class ClusterView(msgspec.Struct, frozen=True):
    """All nodes at one moment."""

    nodes: tuple[NodeRecord, ...]
    now_s: float
    revision: int = 0


class Limits(msgspec.Struct, frozen=True):
    """What the cluster's owner allows a node that is spawned from now on."""

    max_users: int
    max_streams: int
    idle_s: float

    def capacity(self, role: Role) -> int:
        """Of an authentication or streaming node."""
        return self.max_users if role is Role.AUTH else self.max_streams


class Timing(msgspec.Struct, frozen=True):
    """How patient the registry is, in seconds."""

    lease_s: float  # without a heartbeat before a node is suspected
    probe_s: float = 2.0  # for an answer to a probe
    settle_s: float = 1.0  # between suspicion and removal at least: time to see whether many go at once
    ready_s: float = 20.0  # for an ordered node to register
    retry_s: float = 0.5  # before a refused registration is worth another try
