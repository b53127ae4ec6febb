"""Which authentication nodes listeners are told to try while no prime runs."""

import pytest

from hocket.control.view import ClusterView, NodeRecord, NodeState
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.kin import others_of, places_of
from hocket.wire.limits import MAX_OTHER_AUTHS
from hocket.wire.messages.login import AuthAt

HERE, THERE = NodeId("prime-0"), NodeId("plane-0")


def record(number: int, parent: NodeId, state: NodeState = NodeState.READY, role: Role = Role.AUTH) -> NodeRecord:
    return NodeRecord(
        NodeId(f"{role.value}-{number:03}"), role, parent, state, 5, 0.0, address=HostPort("10.0.0.5", 50000 + number)
    )


def told(node: NodeId, *records: NodeRecord, config: PrimeConfig | None = None) -> list[AuthAt]:
    return list(others_of(node, places_of(ClusterView(records, 0.0), config or PrimeConfig())))


def test_other_machines_come_first() -> None:
    near, own, far = record(1, HERE), record(2, HERE), record(3, THERE)
    assert [each.node for each in told(own.node_id, near, own, far)] == [far.node_id, near.node_id]


@pytest.mark.parametrize("state", [NodeState.STARTING, NodeState.DRAINING, NodeState.SUSPECT])
def test_only_those_that_take_anybody_are_told(state: NodeState) -> None:
    own = record(1, HERE)
    assert told(own.node_id, own, record(2, THERE, state), record(3, THERE, role=Role.FILE)) == []


def test_no_more_are_told_than_a_message_holds() -> None:
    records = [record(number, THERE) for number in range(5 * MAX_OTHER_AUTHS)]
    assert len(told(records[0].node_id, *records)) == MAX_OTHER_AUTHS


def test_others_are_told_the_advertised_host() -> None:
    config = PrimeConfig(listen=HostPort("10.0.0.5", 1), advertise="music.example")
    own, other = record(1, HERE), record(2, THERE)
    assert told(own.node_id, own, other, config=config) == [
        AuthAt(other.node_id, HostPort("music.example", other.address.port))
    ]
