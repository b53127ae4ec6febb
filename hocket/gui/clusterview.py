"""The cluster as the window shows it: machines, nodes, and how it went over the last minutes. No Qt, no clock."""

from collections import deque

import msgspec

from hocket.client.engine import Snapshot
from hocket.core.ids import Role
from hocket.gui import texts
from hocket.wire.messages.operator import NodeStatus, Status

HISTORY_S = 300.0
_CONTROLS = (Role.PRIME, Role.PLANE)
_TONES = {"ready": "good", "starting": "warn", "draining": "warn", "waiting": "warn"}


class NodeRow(msgspec.Struct, frozen=True):
    """One node in words. `tone` of its state: good, warn or bad."""

    id: str
    role: str
    icon: str
    state: str
    tone: str
    load: str
    filled: float  # 0 to 1
    rate: str
    up: str
    address: str
    why: str = ""
    can_drain: bool = False


class Machine(msgspec.Struct, frozen=True):
    """A control node and what runs under it."""

    node: NodeRow
    nodes: tuple[NodeRow, ...]


class ClusterView(msgspec.Struct, frozen=True):
    """All that the page says. Without a status (no operator): only where this listener is."""

    here: tuple[tuple[str, str], ...] = ()
    machines: tuple[Machine, ...] = ()
    listeners: int = 0
    missing_copies: int = 0
    bytes_per_s: float = 0.0
    problems: tuple[str, ...] = ()
    has_status: bool = False


def where_you_are(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """Which nodes serve this listener."""
    reach = texts.REACHABLE if snapshot.prime_reachable else texts.UNREACHABLE
    return (
        (texts.YOU_ARE_AT, f"{snapshot.prime} ({reach})"),
        (texts.YOUR_SESSION, snapshot.auth_node or texts.NONE),
        (texts.YOUR_STREAM, snapshot.stream_node or texts.NONE),
    )


def cluster_view(snapshot: Snapshot, status: Status | None) -> ClusterView:
    """The page's content."""
    here = where_you_are(snapshot)
    if status is None:
        return ClusterView(here)
    problems = status.problems
    if status.scan_total:
        problems = (*problems, texts.scanning(status.scan_done, status.scan_total))
    return ClusterView(
        here,
        machines_of(status),
        status.listeners,
        status.missing_copies,
        throughput(status),
        problems,
        has_status=True,
    )


def throughput(status: Status) -> float:
    """Bytes a second of all nodes together."""
    return sum(node.sent_bytes_per_s for node in status.nodes if node.role not in _CONTROLS)


def machines_of(status: Status) -> tuple[Machine, ...]:
    """Nodes below the control node that they run under; those of an unknown one below the prime."""
    controls = [node for node in status.nodes if node.role in _CONTROLS]
    known = {node.id for node in controls}
    machines = []
    for control in controls:
        below = [
            _row(node)
            for node in status.nodes
            if node.role not in _CONTROLS
            and (node.plane == control.id or (node.plane not in known and control.id == status.prime))
        ]
        machines.append(Machine(_row(control), tuple(below)))
    return tuple(machines)


def _row(node: NodeStatus) -> NodeRow:
    return NodeRow(
        id=node.id,
        role=texts.ROLES.get(node.role.value, node.role.value),
        icon={Role.PRIME: "crown", Role.PLANE: "cluster", Role.AUTH: "key"}.get(node.role, "disc"),
        state=texts.STATES.get(node.state, node.state),
        tone=_TONES.get(node.state, "bad"),
        load=texts.load(node.load, node.capacity) if node.capacity else "",
        filled=min(1.0, node.load / node.capacity) if node.capacity else 0.0,
        rate=texts.megabytes_per_s(node.sent_bytes_per_s) if node.role is Role.FILE else "",
        up=texts.up_since(node.up_s),
        address=str(node.address) if node.address.host else "",
        why="\n".join(node.last_lines),
        can_drain=node.role is not Role.PRIME and node.state == "ready",
    )


class History:
    """Points of the last minutes, for the plots. `now_s` is any clock that only goes forward."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float, int]] = deque()

    def add(self, now_s: float, bytes_per_s: float, listeners: int) -> None:
        self._points.append((now_s, bytes_per_s, listeners))
        while self._points and self._points[0][0] < now_s - HISTORY_S:
            self._points.popleft()

    def clear(self) -> None:
        self._points.clear()

    def series(self) -> tuple[list[float], list[float], list[int]]:
        """(seconds before the last point, MB/s, listeners)"""
        if not self._points:
            return [], [], []
        last_s = self._points[-1][0]
        return (
            [now_s - last_s for now_s, _, _ in self._points],
            [rate / 1e6 for _, rate, _ in self._points],
            [listeners for _, _, listeners in self._points],
        )
