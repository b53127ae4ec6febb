"""The cluster's page without Qt."""

from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role
from hocket.gui import texts
from hocket.gui.clusterview import HISTORY_S, History, cluster_view
from hocket.wire.messages.operator import NodeStatus, Status
from tests.gui.test_view import LISTENING

HERE = HostPort("10.0.0.1", 50001)


def node(name: str, role: Role, plane: str, state: str = "ready", load: int = 0, rate: float = 0.0) -> NodeStatus:
    return NodeStatus(NodeId(name), role, NodeId(plane), HERE, state, load, 4, 1, sent_bytes_per_s=rate, up_s=3700.0)


STATUS = Status(
    NodeId("prime-1"), HERE, 12, 1, 3, 2,
    (
        node("prime-1", Role.PRIME, "prime-1", load=2),
        node("auth-1", Role.AUTH, "prime-1", load=3),
        node("file-1", Role.FILE, "prime-1", rate=2e6),
        node("plane-1", Role.PLANE, "plane-1", "suspect"),
        node("file-2", Role.FILE, "plane-1", "draining", rate=1e6),
        node("file-3", Role.FILE, "plane-gone", "crashed"),
    ),
    10.0, ("a problem",), 5, 10,
)  # fmt: skip


def test_nodes_stand_below_their_machine() -> None:
    view = cluster_view(LISTENING, STATUS)
    assert [(m.node.id, [n.id for n in m.nodes]) for m in view.machines] == [
        ("prime-1", ["auth-1", "file-1", "file-3"]),
        ("plane-1", ["file-2"]),
    ]
    assert (view.listeners, view.missing_copies, view.bytes_per_s) == (3, 2, 3e6)
    assert view.problems == ("a problem", texts.scanning(5, 10))


def test_only_what_is_ready_and_no_prime_can_be_drained() -> None:
    view = cluster_view(LISTENING, STATUS)
    rows = {row.id: row for machine in view.machines for row in (machine.node, *machine.nodes)}
    assert {name for name, row in rows.items() if row.can_drain} == {"auth-1", "file-1"}
    assert (rows["file-2"].tone, rows["plane-1"].tone, rows["auth-1"].tone) == ("warn", "bad", "good")
    assert rows["auth-1"].load == "3 of 4"
    assert rows["auth-1"].up == "up 1 h 1 min"


def test_without_the_right_to_operate_only_ones_own_place_is_shown() -> None:
    view = cluster_view(LISTENING, None)
    assert not view.has_status
    assert not view.machines
    assert dict(view.here)[texts.YOUR_STREAM] == "file-1"


def test_history_forgets_what_is_too_old() -> None:
    history = History()
    for second in range(int(HISTORY_S) + 100):
        history.add(1000.0 + second, second * 1e6, second)
    seconds, rates, listeners = history.series()
    assert seconds[0] == -HISTORY_S
    assert seconds[-1] == 0.0
    assert rates[-1] == listeners[-1] == int(HISTORY_S) + 99
    history.clear()
    assert history.series() == ([], [], [])
