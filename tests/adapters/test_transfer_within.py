"""Copies within one machine leave TLS once the certificates are checked; nothing else does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from hocket.adapters.bulktls import BulkTls
from hocket.adapters.transfer import Pace
from hocket.core.address import HostPort
from tests.adapters.transfer_kit import ELSEWHERE, fetch, holder, id_of, wav

SONG = wav(3_000_000)
TRACK = id_of(SONG)


@contextlib.asynccontextmanager
async def forwarder(host: str, target: HostPort) -> AsyncIterator[HostPort]:
    """A port that passes everything on, as a tunnel's end does."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.host, target.port)
        await asyncio.gather(pump(reader, back), pump(there, writer))
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(both, host, 0)
    async with server:
        name = server.sockets[0].getsockname()
        yield HostPort(name[0], name[1])
        async with asyncio.timeout(30):
            await ended.wait()


@pytest.mark.parametrize(
    ("host", "forwarded", "kind"),
    [("127.0.0.1", False, socket.socket), ("127.0.0.1", True, BulkTls), (ELSEWHERE, False, BulkTls)],
    ids=["one machine", "one machine, by way of a tunnel", "two machines"],
)
def test_only_copies_within_one_machine_leave_tls(tmp_path: Path, host: str, forwarded: bool, kind: type) -> None:
    theirs, ours = tmp_path / "theirs.wav", tmp_path / "ours"
    theirs.write_bytes(SONG)
    ours.mkdir()

    async def run() -> None:
        async with holder({TRACK: theirs}, host=host) as source, contextlib.AsyncExitStack() as stack:
            order = source.order(TRACK, "Song.wav", len(SONG))
            if forwarded:
                address = await stack.enter_async_context(forwarder(host, order.address))
                order = msgspec.structs.replace(order, address=address)
            job = fetch(order, ours, Pace(8_000_000))
            copying = asyncio.create_task(asyncio.to_thread(job.run))
            await job.received(1)
            assert [type(connection._sock) for connection in source.server.connections] == [kind]
            await copying

    asyncio.run(run())
    assert (ours / "Song.wav").read_bytes() == SONG
    assert [path.name for path in ours.iterdir()] == ["Song.wav"]
