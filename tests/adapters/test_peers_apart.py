"""Friends who cannot simply connect: shared ports, dialling at once through routers, and channels through the prime."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from hocket.adapters.peers import PeerIdentity, PeerLink, PeerServer, new_identity
from hocket.adapters.peers.channel import MAX_BACKLOG_BYTES, PIECE_BYTES, Channel
from hocket.adapters.peers.link import CARRIED
from hocket.adapters.peers.ports import connect_from, shared_socket
from hocket.adapters.peers.punching import punch
from hocket.core.address import HostPort
from hocket.core.errors import HocketError, NotReachable
from hocket.core.ids import NodeId
from hocket.relay import budget
from hocket.wire.message import Message
from hocket.wire.messages.together import AskTime, TimeIs
from tests.kit.wan import Wan
from tests.kit.wan_fixtures import make_wan
from tests.kit.wan_nat import Kind

__all__ = ["make_wan"]

HERE = HostPort("127.0.0.1", 0)
WAIT_S = 60.0
T = TypeVar("T")


class Owner:
    """Answers questions for the time, and notes what happens."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.ended: asyncio.Queue[HocketError] = asyncio.Queue()

    def secured(self, link: PeerLink) -> None:
        pass

    def opened(self, link: PeerLink) -> None:
        self.is_open.set()

    def took(self, link: PeerLink, message: Message, correlation: int, at_ns: int) -> Message | None:
        if isinstance(message, AskTime):
            link.send_time(TimeIs(message.number, 1, 2))
        self.messages.put_nowait(message)
        return None

    def closed(self, link: PeerLink, error: HocketError) -> None:
        self.ended.put_nowait(error)


def identity() -> PeerIdentity:
    return new_identity(NodeId("listener-0123456789ab"))


async def within(work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(WAIT_S):
        return await work


# ports


def test_a_port_is_shared_and_still_seen_to_be_taken() -> None:
    async def run() -> None:
        first, second = PeerServer(Owner(), identity()), PeerServer(Owner(), identity())
        at = await first.start(HERE)
        other = await second.start(at)
        assert other.port != at.port
        with socket.create_server(("127.0.0.1", 0)) as prime:
            with await connect_from(at, HostPort(*prime.getsockname())) as line:
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                there, name = prime.accept()
                there.close()
            assert name == (at.host, at.port)
            with await connect_from(at, HostPort(*prime.getsockname())):  # and once more, at once
                prime.accept()[0].close()
        first.stop()
        second.stop()

    asyncio.run(run())


def test_nobody_there_is_told_as_such() -> None:
    with shared_socket(HERE, socket.AF_INET) as taken, pytest.raises(NotReachable):
        asyncio.run(connect_from(HERE, HostPort(*taken.getsockname())))


# dialling at once


class Home:
    """One side, in its own namespace and thread: what the prime sees of its port, and the dial."""

    def __init__(self, wan: Wan, host: int) -> None:
        self._wan = wan
        self._host = host

    def run(self, prime: HostPort, meet: Callable[[HostPort, HostPort], HostPort]) -> tuple[bytes, HostPort]:
        with self._wan.inside(self._host):
            return asyncio.run(self._run(prime, meet))

    async def _run(self, prime: HostPort, meet: Callable[[HostPort, HostPort], HostPort]) -> tuple[bytes, HostPort]:
        loop = asyncio.get_running_loop()
        with await connect_from(HostPort("0.0.0.0", 0), prime) as line:
            local = HostPort("0.0.0.0", line.getsockname()[1])
            me = HostPort(*eval_address(await loop.sock_recv(line, 100)))
            other = await loop.run_in_executor(None, meet, me, local)
            sock = await punch(local, other, 0.2, lambda: False)
            if sock is None:
                return b"", other
            with sock:
                await loop.sock_sendall(sock, str(self._host).encode())
                return await within(loop.sock_recv(sock, 10)), other


def eval_address(text: bytes) -> tuple[str, int]:
    host, _, port = text.decode().rpartition(":")
    return host, int(port)


def meet_behind(wan: Wan, kinds: dict[int, Kind]) -> list[bytes]:
    """What the two homes heard from one another."""
    for host, kind in kinds.items():
        wan.nat(host, kind)
    seen: dict[str, HostPort] = {}
    both = threading.Barrier(2, timeout=WAIT_S)

    def meet(me: HostPort, local: HostPort) -> HostPort:
        seen[str(me)] = me
        both.wait()
        return next(at for name, at in seen.items() if name != str(me))

    with wan.inside(1):
        prime = socket.create_server((wan.address(1), 0))
    prime.settimeout(WAIT_S)
    with prime, ThreadPoolExecutor(2) as threads:
        sides = [threads.submit(Home(wan, host).run, HostPort(*prime.getsockname()), meet) for host in kinds]
        lines = []
        for _ in sides:
            line, name = prime.accept()
            line.sendall(f"{name[0]}:{name[1]}".encode())
            lines.append(line)
        heard = [side.result()[0] for side in sides]
        for line in lines:
            line.close()
    return heard


@pytest.mark.root
@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param({2: Kind.CONE, 3: Kind.CONE}, id="routers"),
        pytest.param({2: Kind.FIREWALL, 3: Kind.CONE}, id="a firewall and a router"),
    ],
)
def test_two_homes_dial_at_once_and_get_through(make_wan: Callable[..., Wan], kinds: dict[int, Kind]) -> None:
    wan = make_wan(hosts=3)
    wan.link(2, 3, delay_ms=15)
    assert meet_behind(wan, kinds) == [b"3", b"2"]


@pytest.mark.root
def test_routers_with_a_port_for_each_are_given_up_in_time(make_wan: Callable[..., Wan]) -> None:
    began_s = time.monotonic()
    assert meet_behind(make_wan(hosts=3), {2: Kind.SYMMETRIC, 3: Kind.SYMMETRIC}) == [b"", b""]
    assert time.monotonic() - began_s < WAIT_S


def test_a_dial_ends_when_the_other_came_in_otherwise() -> None:
    with shared_socket(HERE, socket.AF_INET) as taken:
        met = iter([False, False, True])
        assert asyncio.run(punch(HERE, HostPort(*taken.getsockname()), 0.0, lambda: next(met))) is None


# channels


class Ends:
    """Two links that speak through a prime, which is two function calls here."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.ended: list[str] = []
        self.one = Channel(lambda data: self._carry(data, self.two), lambda: self.ended.append("one"))
        self.two: Channel = Channel(lambda data: self._carry(data, self.one), lambda: self.ended.append("two"))

    def _carry(self, data: bytes, to: Channel) -> None:
        assert len(data) <= PIECE_BYTES
        self.sent_bytes += len(data)
        to.feed(data)

    async def close(self) -> None:
        for channel in (self.one, self.two):
            channel.close()
            await channel.wait_closed()


def test_friends_speak_through_a_channel() -> None:
    async def run() -> None:
        ends, host, friend = Ends(), Owner(), Owner()
        server = PeerServer(host, identity())
        inner = server.let_in(ends.one.near, CARRIED)
        assert inner is not None
        link = PeerLink(ends.two.near, friend, identity(), server=False)
        assert link.is_carried
        await within(host.is_open.wait())
        await within(friend.is_open.wait())
        assert link.binding == inner.binding  # nobody between them
        link.send_time(AskTime(7))
        assert await within(friend.messages.get()) == TimeIs(7, 1, 2)
        link.close()
        await within(ends.two.wait_closed())
        ends.one.close()
        await within(host.ended.get())
        assert ends.ended == ["two", "one"]
        server.stop()
        await ends.close()

    asyncio.run(run())


def test_a_channel_keeps_within_what_the_prime_carries() -> None:
    async def run() -> None:
        ends = Ends()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        flood = asyncio.create_task(loop.sock_sendall(ends.one.near, bytes(4 * budget.BURST_BYTES)))
        await asyncio.wait({flood}, timeout=0.5)
        carried, took_s = ends.sent_bytes, loop.time() - began_s
        assert 0 < carried < budget.BURST_BYTES + took_s * budget.BYTES_PER_S
        flood.cancel()
        await ends.close()
        for channel in (ends.one, ends.two):
            channel.near.close()

    asyncio.run(run())


def test_a_channel_that_is_not_read_ends_instead_of_growing() -> None:
    async def run() -> None:
        ends = Ends()
        for _ in range(MAX_BACKLOG_BYTES // PIECE_BYTES + 32):
            ends.two.feed(bytes(PIECE_BYTES))
        await within(ends.two.wait_closed())
        ends.two.feed(b"too late")
        assert ends.ended == ["two"]
        await ends.close()
        for channel in (ends.one, ends.two):
            channel.near.close()

    asyncio.run(run())
