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
from hocket.control.view import NodeState
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.members import Members
from hocket.wire.message import Message
from hocket.wire.messages.common import Ping, Pong
from hocket.wire.messages.nodes import Register, Registered
from tests.kit.identities import credentials

HERE = HostPort("127.0.0.1", 0)
PRIME = NodeId("prime-000000000001")
PLANE = NodeId("plane-000000000001")
WAIT_S = 20.0


class Prime:
    """Takes registrations, and tells the members of closed links."""

    members: Members

    async def on_message(self, link: Link, message: Message) -> Message | None:
        assert isinstance(message, Register)
        self.members.register(link, message)
        return Registered(1.0, 1.0, 0)

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

            async def come() -> Link:
                mine = links.hello(Role.PLANE, PLANE)
                context = node_client_context(credentials(Role.PLANE, PLANE))
                link = await links.connect(server.address, context, mine, plane, expect=(Role.PRIME, PRIME))
                await link.request(register, Registered)
                return link

            first = await come()
            async with asyncio.timeout(WAIT_S):
                await plane.closed.wait()
            assert plane.error is not None
            assert "heartbeat" in plane.error.text
            record = prime.members.record(PLANE)
            assert record is not None
            assert record.state is NodeState.SUSPECT, "it answered the probe: it is not removed"
            second = await come()
            await until(prime.members, NodeState.READY)
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            for link in (first, second):
                link.close()
                await link.wait_closed()

    asyncio.run(run())
