"""Links over real sockets and real TLS: opening, requests both ways, faults, limits."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from hocket.adapters import link as links
from hocket.adapters import linkserver
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import listener_context, node_client_context, server_context, stranger_context
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError, Refused
from hocket.core.ids import NodeId, Role
from hocket.wire import codec, limits
from hocket.wire.codec import Decoder, Flag
from hocket.wire.hello import NONCE_BYTES, Hello
from hocket.wire.kinds import Kind
from hocket.wire.message import Message
from hocket.wire.messages.common import Authority, AuthorityGet, Done, ErrorReply, Ping, Pong
from hocket.wire.messages.login import LogOut
from hocket.wire.messages.nodes import Drain, Heartbeat, HeartbeatHeard
from hocket.wire.messages.operator import Invite
from tests.kit.identities import credentials

HERE = HostPort("127.0.0.1", 0)
PRIME = NodeId("prime-000000000001")
AUTH = NodeId("auth-000000000001")


class Owner:
    """Answers what the tests ask, and keeps what happened."""

    def __init__(self) -> None:
        self.closed: list[HocketError] = []
        self.links: list[Link] = []
        self.lost = asyncio.Event()
        self.hold = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def on_message(self, link: Link, message: Message) -> Message | None:
        match message:
            case Ping():
                return Pong()
            case Heartbeat(load=13):
                raise HocketError("unlucky", code=ErrorCode.NODE_FULL, hint="take another", retry_s=2.0)
            case Heartbeat(load=14):
                raise ZeroDivisionError
            case Heartbeat(load=15):
                try:
                    await self.hold.wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
                return HeartbeatHeard(15)
            case Heartbeat(load=16):
                return Invite("x" * limits.MAX_CONTROL_BODY_BYTES)
            case Heartbeat(load=17):
                return Pong()
            case Heartbeat():
                return HeartbeatHeard(message.load)
            case AuthorityGet():
                return Authority(b"certificate")
        return None

    def on_closed(self, link: Link, error: HocketError) -> None:
        self.closed.append(error)
        self.lost.set()


class Scene:
    """A prime's server, and how to reach it."""

    def __init__(self, server: LinkServer, owner: Owner) -> None:
        self.server = server
        self.owner = owner

    async def as_node(self, owner: Owner | None = None) -> Link:
        context = node_client_context(credentials(Role.AUTH, AUTH))
        mine = links.hello(Role.AUTH, AUTH)
        return await links.connect(self.server.address, context, mine, owner or Owner(), expect=(Role.PRIME, PRIME))

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            self.server.address.host, self.server.address.port, ssl=stranger_context(), server_hostname=""
        )


@contextlib.asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    owner = Owner()
    server = LinkServer(
        server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, owner, on_opened=owner.links.append
    )
    await server.start(HERE)
    try:
        yield Scene(server, owner)
    finally:
        await server.stop()
        assert not server.links


def with_scene(test: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(20), scene() as found:
            await test(found)

    asyncio.run(run())


def test_requests_go_both_ways_at_once() -> None:
    async def test(scene: Scene) -> None:
        mine = Owner()
        link = await scene.as_node(mine)
        answers = await asyncio.gather(*(link.request(Heartbeat(load), HeartbeatHeard) for load in range(100, 150)))
        assert [answer.cluster_ns for answer in answers] == list(range(100, 150))
        [theirs] = scene.owner.links
        assert theirs.peer.node == AUTH
        assert await theirs.request(Drain("why"), Done) == Done()
        assert await theirs.request(Ping(), Pong) == Pong()
        link.close()
        await link.wait_closed()

    with_scene(test)


def test_errors_keep_code_text_hint_and_wait() -> None:
    async def test(scene: Scene) -> None:
        link = await scene.as_node()
        with pytest.raises(Refused) as caught:
            await link.request(Heartbeat(13), HeartbeatHeard)
        error = caught.value
        assert (error.code, error.text, error.hint, error.retry_s) == (
            ErrorCode.NODE_FULL,
            "unlucky",
            "take another",
            2.0,
        )
        with pytest.raises(Refused) as bug:
            await link.request(Heartbeat(14), HeartbeatHeard)
        assert bug.value.code is ErrorCode.BUG
        assert "ZeroDivision" not in bug.value.text
        assert await link.request(Ping(), Pong) == Pong(), "the link goes on after both"
        link.close()
        await link.wait_closed()

    with_scene(test)


def test_an_answer_that_is_too_large_is_an_error_at_once() -> None:
    async def test(scene: Scene) -> None:
        link = await scene.as_node()
        with pytest.raises(Refused) as caught:
            await link.request(Heartbeat(16), HeartbeatHeard)
        assert caught.value.code is ErrorCode.TOO_LARGE
        assert await link.request(Ping(), Pong) == Pong()
        link.close()
        await link.wait_closed()

    with_scene(test)


def test_an_answer_to_another_question_fails_the_one_that_was_asked() -> None:
    async def test(scene: Scene) -> None:
        link = await scene.as_node()
        with pytest.raises(ProtocolError, match="no answer"):
            await link.request(Heartbeat(17), HeartbeatHeard)
        assert not link.is_open
        await link.wait_closed()

    with_scene(test)


def test_a_late_answer_is_a_timeout_and_disturbs_nobody() -> None:
    async def test(scene: Scene) -> None:
        link = await scene.as_node()
        with pytest.raises(NotReachable) as caught:
            await link.request(Heartbeat(15), HeartbeatHeard, 0.05)
        assert caught.value.code is ErrorCode.TIMED_OUT
        scene.owner.hold.set()
        assert (await link.request(Heartbeat(7), HeartbeatHeard)).cluster_ns == 7
        link.close()
        await link.wait_closed()

    with_scene(test)


def test_a_lost_connection_fails_what_waits_and_cancels_what_answers() -> None:
    async def test(scene: Scene) -> None:
        link = await scene.as_node()
        waiting = asyncio.create_task(link.request(Heartbeat(15), HeartbeatHeard))
        await link.request(Ping(), Pong)  # the server has begun the first one by then
        link.close()
        with pytest.raises(NotReachable):
            await waiting
        await scene.owner.lost.wait()
        await scene.owner.cancelled.wait()
        assert len(scene.owner.closed) == 1
        with pytest.raises(HocketError):
            await link.request(Ping(), Pong)
        link.notify(Ping())  # on a closed link: nothing happens
        await link.wait_closed()

    with_scene(test)


def test_a_listener_meets_a_cluster_before_it_trusts_it() -> None:
    async def test(scene: Scene) -> None:
        mine = links.hello(Role.LISTENER, NodeId(""))
        link = await links.connect(
            scene.server.address, stranger_context(), mine, Owner(), expect=(Role.PRIME, None), believe=True
        )
        assert await link.request(AuthorityGet(), Authority) == Authority(b"certificate")
        with pytest.raises(Refused) as caught:
            await link.request(Heartbeat(1), HeartbeatHeard)
        assert caught.value.code is ErrorCode.NOT_ALLOWED
        link.close()
        await link.wait_closed()

    with_scene(test)


def test_another_clusters_certificate_is_refused() -> None:
    async def test(scene: Scene) -> None:
        context = listener_context(credentials(Role.PRIME, PRIME, "theirs").authority)
        mine = links.hello(Role.LISTENER, NodeId(""))
        with pytest.raises(HocketError) as caught:
            await links.connect(scene.server.address, context, mine, Owner(), expect=(Role.PRIME, None))
        assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED

        stranger = node_client_context(credentials(Role.AUTH, AUTH, "theirs"))
        with pytest.raises(HocketError):
            await links.connect(
                scene.server.address, stranger, links.hello(Role.AUTH, AUTH), Owner(), expect=(Role.PRIME, None)
            )

    with_scene(test)


def test_the_wrong_node_at_an_address_is_noticed() -> None:
    async def test(scene: Scene) -> None:
        context = listener_context(credentials(Role.PRIME, PRIME).authority)
        mine = links.hello(Role.LISTENER, NodeId(""))
        for expect in ((Role.FILE, None), (Role.PRIME, NodeId("prime-000000000002"))):
            with pytest.raises(ProtocolError) as caught:
                await links.connect(scene.server.address, context, mine, Owner(), expect=expect)
            assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED

    with_scene(test)


def test_a_claim_without_a_certificate_is_refused_with_the_reason() -> None:
    async def test(scene: Scene) -> None:
        context = listener_context(credentials(Role.PRIME, PRIME).authority)
        mine = links.hello(Role.OPERATOR, NodeId("operator-000000000001"))
        link = await links.connect(scene.server.address, context, mine, Owner(), expect=(Role.PRIME, PRIME))
        with pytest.raises(HocketError) as caught:
            await link.request(Ping(), Pong)
        assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED
        await link.wait_closed()

    with_scene(test)


def test_the_version_decides_before_anything_else() -> None:
    async def test(scene: Scene) -> None:
        reader, writer = await scene.raw()
        writer.write(codec.encode(Hello(7, 9, Role.LISTENER, NodeId(""), bytes(NONCE_BYTES))))
        frames = Decoder(limits.MAX_CONTROL_BODY_BYTES).feed(await reader.read())
        answers = [codec.decode(frame) for frame in frames]
        assert isinstance(answers[0], Hello)
        assert isinstance(answers[1], ErrorReply)
        assert answers[1].code == ErrorCode.VERSION_TOO_NEW
        assert "prime" in answers[1].hint
        writer.close()

    with_scene(test)


GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    bytes(range(256)) * 8,
    codec.header(Kind.HELLO, Flag.NONE, 0, limits.MAX_HELLO_BODY_BYTES + 1),
    codec.encode(LogOut(), 1),
    codec.encode(Hello(1, 1, Role.LISTENER, NodeId(""), bytes(NONCE_BYTES))) * 2,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=["http", "noise", "oversize", "no hello", "two hellos"])
def test_garbage_ends_its_own_connection_and_no_other(garbage: bytes) -> None:
    async def test(scene: Scene) -> None:
        honest = await scene.as_node()
        reader, writer = await scene.raw()
        writer.write(garbage)
        answers = [codec.decode(f) for f in Decoder(limits.MAX_CONTROL_BODY_BYTES).feed(await reader.read())]
        assert isinstance(answers[-1], ErrorReply), "whoever speaks TLS learns why"
        writer.close()
        assert await honest.request(Ping(), Pong) == Pong()
        honest.close()
        await honest.wait_closed()

    with_scene(test)


def test_garbage_instead_of_tls_leaves_nothing() -> None:
    async def test(scene: Scene) -> None:
        reader, writer = await asyncio.open_connection(scene.server.address.host, scene.server.address.port)
        writer.write(b"\x16\x03\x01\xff\xff" + b"x" * 100)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        assert not scene.server.links

    with_scene(test)


def test_silence_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.1)

    async def test(scene: Scene) -> None:
        reader, writer = await scene.raw()
        answers = [codec.decode(f) for f in Decoder(limits.MAX_CONTROL_BODY_BYTES).feed(await reader.read())]
        assert isinstance(answers[-1], ErrorReply)
        assert answers[-1].code == ErrorCode.TIMED_OUT
        writer.close()

    with_scene(test)


def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "MAX_BACKLOG_BYTES", 64 * 1024)

    async def test(scene: Scene) -> None:
        link = await scene.as_node()
        [theirs] = scene.owner.links
        link._transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(10_000):
            theirs.notify(notice)
            if not theirs.is_open:
                break
        assert not theirs.is_open
        await theirs.wait_closed()
        link._transport.resume_reading()  # type: ignore[union-attr]
        await link.wait_closed()

    notice = Drain("x" * 4000)
    with_scene(test)


def test_a_busy_port_is_named() -> None:
    async def test(scene: Scene) -> None:
        other = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, Owner())
        with pytest.raises(HocketError) as caught:
            await other.start(scene.server.address)
        assert caught.value.code is ErrorCode.PORT_BUSY
        assert str(scene.server.address) in caught.value.text
        await other.stop()

    with_scene(test)


def test_nobody_there() -> None:
    async def run() -> None:
        async with scene() as found:
            address = found.server.address
        context: ssl.SSLContext = stranger_context()
        with pytest.raises(NotReachable) as caught:
            await links.connect(
                address, context, links.hello(Role.LISTENER, NodeId("")), Owner(), expect=(Role.PRIME, None)
            )
        assert str(address) in caught.value.text

    asyncio.run(run())


def test_one_address_has_only_so_many_connections_without_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkserver, "MAX_OF_ONE_HOST", 3)

    async def test(scene: Scene) -> None:
        async def come() -> Link:
            mine = links.hello(Role.LISTENER, NodeId(""))
            context = listener_context(credentials(Role.PRIME, PRIME).authority)
            return await links.connect(scene.server.address, context, mine, Owner(), expect=(Role.PRIME, PRIME))

        strangers = [await come() for _ in range(3)]
        with pytest.raises(HocketError) as caught:
            await come()
        assert caught.value.code is ErrorCode.TOO_MANY_REQUESTS
        node = await scene.as_node()
        assert await node.request(Ping(), Pong) == Pong(), "certified nodes are no strangers"
        strangers[0].close()
        await strangers[0].wait_closed()
        async with asyncio.timeout(20):
            while len(scene.server.links) > 3:
                await asyncio.gather(*(link.wait_closed() for link in scene.server.links if not link.is_open))
                await node.request(Ping(), Pong)
        again = await come()
        for link in (again, node, *strangers[1:]):
            link.close()
            await link.wait_closed()

    with_scene(test)


@pytest.mark.parametrize("host", ["a..b", "x" * 80, "a\0b"])
def test_what_cannot_be_a_host_is_no_bug(host: str) -> None:
    async def run() -> None:
        mine = links.hello(Role.LISTENER, NodeId(""))
        with pytest.raises(NotReachable, match="no address"):
            await links.connect(HostPort(host, 1), stranger_context(), mine, Owner(), expect=(Role.PRIME, None))
        server = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, Owner())
        with pytest.raises(HocketError) as caught:
            await server.start(HostPort(host, 0))
        assert caught.value.code is ErrorCode.PORT_BUSY

    asyncio.run(run())
