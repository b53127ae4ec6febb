"""A link that is given up on the way to its opening leaves nothing behind, on either side, whatever the other does."""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from hocket.adapters import link as links
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import server_context, stranger_context
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.wire.message import Message
from tests.kit.identities import credentials
from tests.kit.proc import open_files

HERE = HostPort("127.0.0.1", 0)
PRIME = NodeId("prime-000000000001")
WAIT_S = 60.0
TURNS = 5
"""What asyncio takes to close what was aborted; a farewell over TLS would wait for the peer's, up to a second."""


class Nobody:
    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


def connections(port: int) -> int:
    """This process's sockets that are connected to a local port."""
    found = 0
    for fd, target in open_files().items():
        if target.startswith("socket:"):
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as each:
                found += each.getpeername()[1:2] == (port,)
    return found


class Mute:
    """Accepts one connection, shakes hands at most, and never says a word."""

    def __init__(self, *, shakes_hands: bool) -> None:
        self._shakes_hands = shakes_hands
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.accepted = threading.Event()
        host, port = self._listener.getsockname()
        self.address = HostPort(host, port)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(WAIT_S)
            self.accepted.set()
            with connection:
                if self._shakes_hands:
                    context = server_context(credentials(Role.PRIME, PRIME))
                    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                        self._end.wait(WAIT_S)
                else:
                    self._end.wait(WAIT_S)

    @contextlib.contextmanager
    def serving(self) -> Iterator["Mute"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._end.set()
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._thread.join(WAIT_S)


def connecting(address: HostPort, timeout_s: float = WAIT_S) -> "asyncio.Task[Link]":
    mine = links.hello(Role.LISTENER, NodeId(""))
    opening = links.connect(
        address, stranger_context(), mine, Nobody(), expect=(Role.PRIME, PRIME), believe=True, timeout_s=timeout_s
    )
    return asyncio.create_task(opening)


async def nothing_left(port: int) -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
    assert connections(port) == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_connection_that_is_cancelled_before_it_stands_is_gone(turns: int) -> None:
    async def run(mute: Mute) -> None:
        task = connecting(mute.address)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await nothing_left(mute.address.port)

    with Mute(shakes_hands=False).serving() as mute:
        asyncio.run(run(mute))


def test_a_connection_that_is_cancelled_while_it_shakes_hands_is_gone() -> None:
    async def run(mute: Mute) -> None:
        task = connecting(mute.address)
        assert await asyncio.to_thread(mute.accepted.wait, WAIT_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await nothing_left(mute.address.port)

    with Mute(shakes_hands=False).serving() as mute:
        asyncio.run(run(mute))


def test_a_connection_that_is_cancelled_as_the_handshake_ends_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio says farewell then, to a peer that may never answer."""

    async def run(mute: Mute) -> None:
        task = connecting(mute.address)
        connection_made = Link.connection_made

        def cancel(link: Link, transport: asyncio.BaseTransport) -> None:
            connection_made(link, transport)
            task.cancel()

        monkeypatch.setattr(Link, "connection_made", cancel)
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        await nothing_left(mute.address.port)

    with Mute(shakes_hands=True).serving() as mute:
        asyncio.run(run(mute))


def test_a_connection_without_a_hello_is_gone_when_time_is_up() -> None:
    async def run(mute: Mute) -> None:
        with pytest.raises(HocketError, match=r"did not answer|no HELLO"):
            await connecting(mute.address, timeout_s=0.5)
        await nothing_left(mute.address.port)

    with Mute(shakes_hands=True).serving() as mute:
        asyncio.run(run(mute))


@pytest.mark.parametrize("start_tls", [False, True], ids=["mute", "half a handshake"])
def test_a_server_that_stops_leaves_no_handshake_behind(start_tls: bool) -> None:
    async def run() -> None:
        server = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, Nobody())
        address = await server.start(HERE)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        if start_tls:
            outgoing = ssl.MemoryBIO()
            half = stranger_context().wrap_bio(ssl.MemoryBIO(), outgoing)
            with contextlib.suppress(ssl.SSLWantReadError):
                half.do_handshake()
            writer.write(outgoing.read())
            await reader.readexactly(1)  # it answers: the handshake is under way
        else:
            async with asyncio.timeout(WAIT_S):
                while not server.handshakes:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(0)
        await server.stop()
        assert not server.handshakes
        assert not server.links
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT_S):
                while await reader.read(4096):
                    pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    asyncio.run(run())


def test_a_server_lets_nobody_in_once_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was accepted in the very turn in which the server was told to stop."""

    async def run() -> None:
        server = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, Nobody())
        address = await server.start(HERE)
        accept = server._accept
        stopped = asyncio.Event()

        def stop_first(transport: asyncio.Transport) -> None:
            assert server._server is not None
            server._server.close()
            accept(transport)
            stopped.set()

        monkeypatch.setattr(server, "_accept", stop_first)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        async with asyncio.timeout(WAIT_S):
            await stopped.wait()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        assert not server.handshakes
        await server.stop()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    asyncio.run(run())
