"""The registry's I/O shell over real sockets: what becomes of a node that falls silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from hocket.adapters import link as links
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import node_client_context, server_context
from hocket.control.actions import Introduction
from hocket.control.view import NodeRecord, NodeState
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.members import Members
from hocket.wire.message import Message
from hocket.wire.messages.common import Ping, Pong
from hocket.wire.messages.nodes import Heartbeat, HeartbeatHeard, Register, Registered
from tests.kit.identities import credentials

HERE = HostPort("127.0.0.1", 0)
PRIME = NodeId("prime-000000000001")
PLANE = NodeId("plane-000000000001")
WAIT_S = 60.0


class Prime:
    """Takes registrations, and tells the members of closed links."""

    members: Members

    async def on_message(self, link: Link, message: Message) -> Message | None:
        match message:
            case Register():
                self.members.register(link, message)
                return Registered(1.0, 1.0, 0)
            case Heartbeat():
                return self.members.heartbeat(link, message, 0)
        return None

    def on_closed(self, link: Link, error: HocketError) -> None:
        self.members.closed(link)


class Plane:
    """Answers probes, never sends a heartbeat."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.error: HocketError | None = None

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return Pong() if isinstance(message, Ping) else None

    def on_closed(self, link: Link, error: HocketError) -> None:
        self.error = error
        self.closed.set()


@contextlib.asynccontextmanager
async def served(role: Role, node: NodeId, owner: Prime | Plane) -> AsyncIterator[LinkServer]:
    server = LinkServer(server_context(credentials(role, node)), role, node, owner)
    await server.start(HERE)
    try:
        yield server
    finally:
        await server.stop()


async def come(address: HostPort, plane: NodeId, register: Register, owner: Plane) -> Link:
    """A plane's connection to its prime."""
    context = node_client_context(credentials(Role.PLANE, plane))
    link = await links.connect(address, context, links.hello(Role.PLANE, plane), owner, expect=(Role.PRIME, PRIME))
    await link.request(register, Registered)
    return link


async def until(members: Members, *states: NodeState) -> None:
    async with asyncio.timeout(WAIT_S):
        while (record := members.record(PLANE)) is None or record.state not in states:
            await members.wait_change(WAIT_S)


def test_a_node_that_is_mute_but_alive_is_hung_up_and_registers_anew(tmp_path: Path) -> None:
    async def run() -> None:
        config = PrimeConfig(data=tmp_path, lease_s=0.3)
        own = Introduction(PRIME, Role.PRIME, PRIME, "", HERE, 1, 6)
        prime, plane, door = Prime(), Plane(), Plane()
        prime.members = Members(config, own, node_client_context(credentials(Role.PRIME, PRIME)), lambda *gone: None)
        ticking = asyncio.create_task(prime.members.run())
        async with served(Role.PRIME, PRIME, prime) as server, served(Role.PLANE, PLANE, door) as probed:
            register = Register("boot", PLANE, probed.address, 1, 6, 0)

            first = await come(server.address, PLANE, register, plane)
            async with asyncio.timeout(WAIT_S):
                await plane.closed.wait()
            assert plane.error is not None
            assert "heartbeat" in plane.error.text
            record = prime.members.record(PLANE)
            assert record is not None
            assert record.state is NodeState.SUSPECT, "it answered the probe: it is not removed"
            second = await come(server.address, PLANE, register, plane)
            await until(prime.members, NodeState.READY)
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            for link in (first, second):
                link.close()
                await link.wait_closed()

    asyncio.run(run())


def test_when_many_planes_vanish_together_none_is_removed_for_one_lease(tmp_path: Path) -> None:
    """Over real connections: they end at once, and nobody answers the probes."""
    planes = [NodeId(f"plane-00000000000{number}") for number in range(1, 5)]
    removed: list[NodeId] = []
    frozen_when_removed: list[bool] = []

    async def run() -> None:
        config = PrimeConfig(data=tmp_path, lease_s=2.0)
        own = Introduction(PRIME, Role.PRIME, PRIME, "", HERE, 1, 6)
        prime = Prime()

        def on_removed(record: NodeRecord, why: str) -> None:
            removed.append(record.node_id)
            frozen_when_removed.append(members.registry.is_frozen(members.now_s()))

        members = prime.members = Members(config, own, node_client_context(credentials(Role.PRIME, PRIME)), on_removed)
        ticking = asyncio.create_task(members.run())
        nobody_there = HostPort("127.0.0.1", 1)
        async with served(Role.PRIME, PRIME, prime) as server, served(Role.PLANE, planes[0], Plane()) as door:
            registers = {
                plane: Register(plane, plane, door.address if plane == planes[0] else nobody_there, 1, 6, 0)
                for plane in planes
            }
            alive = [await come(server.address, plane, registers[plane], Plane()) for plane in planes]
            for link in alive:
                link.abort()
            async with asyncio.timeout(WAIT_S):
                while not members.registry.is_frozen(members.now_s()):
                    await members.wait_change(WAIT_S)
                assert removed == []
                back = await come(server.address, planes[0], registers[planes[0]], Plane())
                while len(removed) < len(planes) - 1:
                    await back.request(Heartbeat(0), HeartbeatHeard)
                    await members.wait_change(0.1)
            assert sorted(removed) == planes[1:], "who came back stays"
            assert frozen_when_removed == [False] * 3
            record = members.record(planes[0])
            assert record is not None
            assert record.state is NodeState.READY
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            back.close()
            await asyncio.gather(*(link.wait_closed() for link in (*alive, back)))

    asyncio.run(run())
