"""A node that cannot be told to drain keeps nobody else from being told."""

import asyncio
from typing import Any, cast

import pytest

from hocket.control.view import NodeRecord
from hocket.core.errors import HocketError, NotReachable
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.desk import Desk
from hocket.nodes.prime.members import Members
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.nodes import Drain
from hocket.wire.messages.operator import DrainNode
from tests.control.kit import join, registry

PLANE = NodeId("plane-000000000001")
CHILDREN = [NodeId(f"file-{number:012x}") for number in range(3)]


class Line:
    """As much of a Link as Desk uses."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers
        self.asked: list[Message] = []

    async def request(self, message: Message, reply: type[Message], timeout_s: float) -> Message:
        self.asked.append(message)
        if not self.answers:
            raise NotReachable("it did not answer")
        return Done()


class Nodes:
    """As much of Members as Desk uses: a plane with three streaming nodes."""

    def __init__(self, silent: NodeId) -> None:
        self.registry = registry()
        join(self.registry, PLANE, Role.PLANE)
        for child in CHILDREN:
            join(self.registry, child, Role.FILE, PLANE)
        self.lines = {node: Line(node != silent) for node in (PLANE, *CHILDREN)}

    def now_s(self) -> float:
        return 0.0

    def wake(self) -> None: ...

    def link(self, node: NodeId) -> Line:
        return self.lines[node]

    def record(self, node: NodeId) -> NodeRecord | None:
        return self.registry.get(node)

    def desk(self) -> Desk:
        unused: Any = None
        return Desk(cast(Members, self), unused, unused, unused, unused, "")

    def drain(self) -> None:
        asyncio.run(self.desk().drain(DrainNode(PLANE)))

    def told(self) -> set[NodeId]:
        return {node for node, line in self.lines.items() if any(isinstance(each, Drain) for each in line.asked)}


@pytest.mark.parametrize("silent", CHILDREN)
def test_a_silent_child_holds_up_nobody(silent: NodeId) -> None:
    nodes = Nodes(silent)
    nodes.drain()
    assert nodes.told() == {PLANE, *CHILDREN}


def test_who_asks_learns_that_the_node_itself_was_not_told_and_may_ask_again() -> None:
    nodes = Nodes(PLANE)
    with pytest.raises(HocketError):
        nodes.drain()
    assert nodes.told() == {PLANE, *CHILDREN}
    nodes.lines[PLANE].answers = True
    nodes.drain()
    assert len(nodes.lines[PLANE].asked) == 2


def test_a_node_that_was_away_when_it_was_drained_is_told_when_it_is_back() -> None:
    nodes = Nodes(CHILDREN[0])
    asyncio.run(nodes.desk().remind(CHILDREN[0]))
    assert nodes.told() == set(), "nobody drains yet"
    nodes.drain()
    back = nodes.lines[CHILDREN[0]]
    back.asked.clear()
    for back.answers in (False, True):
        asyncio.run(nodes.desk().remind(CHILDREN[0]))
    assert [type(message) for message in back.asked] == [Drain, Drain]
