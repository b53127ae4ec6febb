"""Requests that are answered in the very wake-up that brought them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hocket.adapters import link as links
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import listener_context, node_client_context, server_context
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, Refused
from hocket.core.ids import NodeId, Role
from hocket.wire.message import Message
from hocket.wire.messages.common import Ping, Pong
from hocket.wire.messages.nodes import Heartbeat, HeartbeatHeard
from tests.kit.identities import authority, credentials

HERE = HostPort("127.0.0.1", 0)
PRIME = NodeId("prime-000000000001")
AUTH = NodeId("auth-000000000001")


class Owner:
    """What is not answered at once comes here."""

    def __init__(self) -> None:
        self.asked: list[Message] = []

    async def on_message(self, link: Link, message: Message) -> Message | None:
        self.asked.append(message)
        return Pong() if isinstance(message, Ping) else None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


def beat(link: Link, message: Heartbeat) -> HeartbeatHeard:
    assert asyncio.current_task() is None, "no task of its own"
    match message.load:
        case 13:
            raise HocketError("unlucky", code=ErrorCode.NODE_MISSING)
        case 14:
            raise ZeroDivisionError
    return HeartbeatHeard(message.load)


def with_link(test: Callable[[Link, Owner], Awaitable[None]]) -> None:
    async def run() -> None:
        owner = Owner()
        server = LinkServer(
            server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, owner, at_once={Heartbeat: beat}
        )
        address = await server.start(HERE)
        context = node_client_context(credentials(Role.AUTH, AUTH))
        try:
            async with asyncio.timeout(20):
                mine = links.hello(Role.AUTH, AUTH)
                link = await links.connect(address, context, mine, Owner(), expect=(Role.PRIME, PRIME))
                await test(link, owner)
                link.close()
                await link.wait_closed()
        finally:
            await server.stop()

    asyncio.run(run())


def test_a_request_is_answered_at_once_and_others_as_ever() -> None:
    async def test(link: Link, owner: Owner) -> None:
        answers = await asyncio.gather(*(link.request(Heartbeat(load), HeartbeatHeard) for load in range(100, 150)))
        assert [answer.cluster_ns for answer in answers] == list(range(100, 150))
        assert await link.request(Ping(), Pong) == Pong()
        assert owner.asked == [Ping()]

    with_link(test)


def test_an_error_and_a_bug_are_told_and_the_link_goes_on() -> None:
    async def test(link: Link, owner: Owner) -> None:
        for load, code in ((13, ErrorCode.NODE_MISSING), (14, ErrorCode.BUG)):
            with pytest.raises(Refused) as caught:
                await link.request(Heartbeat(load), HeartbeatHeard)
            assert caught.value.code is code
        assert (await link.request(Heartbeat(1), HeartbeatHeard)).cluster_ns == 1

    with_link(test)


def test_who_may_not_ask_is_not_answered_at_once_either() -> None:
    async def run() -> None:
        server = LinkServer(
            server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, Owner(), at_once={Heartbeat: beat}
        )
        address = await server.start(HERE)
        mine = links.hello(Role.LISTENER, NodeId(""))
        context = listener_context(authority().certificate_pem)
        link = await links.connect(address, context, mine, Owner(), expect=(Role.PRIME, PRIME))
        with pytest.raises(Refused) as caught:
            await link.request(Heartbeat(1), HeartbeatHeard)
        assert caught.value.code is ErrorCode.NOT_ALLOWED
        link.close()
        await link.wait_closed()
        await server.stop()

    asyncio.run(run())
