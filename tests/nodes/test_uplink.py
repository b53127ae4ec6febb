"""A node's heartbeats: in the step that its prime asks for."""

import asyncio
from collections.abc import Callable

import pytest

from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import server_context
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.standing import Standing
from hocket.nodes.uplink import Uplink
from hocket.wire.message import Message
from hocket.wire.messages.nodes import Heartbeat, HeartbeatHeard, Register, Registered
from tests.kit.identities import credentials

HERE = HostPort("127.0.0.1", 0)
PRIME = NodeId("prime-000000000001")
AUTH = NodeId("auth-000000000001")
WAIT_S = 60.0
BEATS = 5


class Prime:
    """Takes a node in and hears its heartbeats."""

    def __init__(self, heartbeat_s: float, next_in_s: float) -> None:
        self.heartbeat_s = heartbeat_s
        self.next_in_s = next_in_s
        self.beats = 0
        self.enough = asyncio.Event()

    async def on_message(self, link: Link, message: Message) -> Message | None:
        match message:
            case Register():
                return Registered(3 * self.heartbeat_s, self.heartbeat_s, 0)
            case Heartbeat():
                self.beats += 1
                if self.beats == BEATS:
                    self.enough.set()
                return HeartbeatHeard(0, self.next_in_s)
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


class Watcher:
    def registered(self) -> None: ...

    def cut_off(self) -> None: ...

    def adopted(self) -> None: ...


def uplink_to(address: HostPort, on_registered: Callable[[Registered], None]) -> Uplink:
    async def answer(message: Message) -> Message | None:
        return None

    return Uplink(
        Standing(Role.AUTH, AUTH, address, PRIME, credentials(Role.AUTH, AUTH)),
        describe=lambda boot: Register(boot, PRIME, HERE, 1, 6, 0),
        load=lambda: Heartbeat(0),
        on_registered=on_registered,
        on_message=answer,
        watcher=Watcher(),
    )


@pytest.mark.parametrize(
    ("heartbeat_s", "next_in_s"), [(0.02, 0.0), (0.02, 0.01)], ids=["an older prime says nothing", "in step"]
)
def test_a_node_beats_when_its_prime_asks_for_it(heartbeat_s: float, next_in_s: float) -> None:
    async def run() -> None:
        prime = Prime(heartbeat_s, next_in_s)
        server = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, prime)
        uplink = uplink_to(await server.start(HERE), lambda registered: None)
        running = asyncio.create_task(uplink.run())
        async with asyncio.timeout(WAIT_S):
            await prime.enough.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.stop()

    asyncio.run(run())


def test_the_prime_sets_the_step_and_not_the_usual_time() -> None:
    """The usual time would take longer than this test waits."""

    async def run() -> None:
        prime = Prime(2 * WAIT_S, 0.01)
        server = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, prime)
        registered = asyncio.Event()
        uplink = uplink_to(await server.start(HERE), lambda taken: registered.set())
        running = asyncio.create_task(uplink.run())
        async with asyncio.timeout(WAIT_S):
            await registered.wait()
            uplink.load_changed()  # the first beat, which nobody told when to come
            await prime.enough.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.stop()

    asyncio.run(run())
