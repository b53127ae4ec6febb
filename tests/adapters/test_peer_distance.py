"""How far a friend is: known from a handshake alone."""

import asyncio
import socket

from hocket.adapters.peers.distance import distance_us
from hocket.core.address import HostPort


def test_a_handshake_tells_the_distance() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            found = await distance_us(HostPort("127.0.0.1", listener.getsockname()[1]))
            assert found is not None
            assert 0 < found < 2_000_000

    asyncio.run(run())


def test_nobody_there_has_no_distance() -> None:
    async def run() -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            assert await distance_us(HostPort("127.0.0.1", unheard.getsockname()[1])) is None

    asyncio.run(run())
