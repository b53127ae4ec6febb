"""Peers that break the rules on purpose: raw TLS to a host, frames by hand."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hocket.adapters.clocks import random_bytes
from hocket.adapters.link import hello
from hocket.adapters.tls import stranger_context
from hocket.client.tickets import Wallet
from hocket.client.together.passport import JOINS
from hocket.core.address import HostPort
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, node_id
from hocket.wire import codec
from hocket.wire.codec import Decoder, Flag, Frame
from hocket.wire.hello import Hello
from hocket.wire.message import Message
from hocket.wire.messages.common import ErrorReply
from hocket.wire.messages.together import Admitted, JoinFriend

WAIT_S = 60.0
SMALL_BUFFER_BYTES = 16 * 1024
"""So that one who reads nothing is noticed within seconds."""


class Stranger:
    """One connection to a host, after TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(1 << 20)
        self._frames: list[Frame] = []
        self.theirs: Hello | None = None

    @property
    def binding(self) -> bytes:
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        certificate = hashlib.sha256(tls.getpeercert(binary_form=True) or b"").digest()
        return certificate + (tls.get_channel_binding("tls-unique") or b"")

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def say(self, message: Message, correlation: int = 0) -> None:
        self.write(codec.encode(message, correlation))

    async def greet(self) -> None:
        """HELLO both ways."""
        self.say(hello(Role.LISTENER, node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES))))
        theirs = await self.hear()
        assert isinstance(theirs, Hello)
        self.theirs = theirs

    async def join(self, wallet: Wallet, **changes: bytes) -> Message:
        """Ask to be let in with somebody's ticket; what the host says to that."""
        assert self.theirs is not None
        proof = wallet.friend_proof(JOINS, self.binding)
        asked = {"ticket": wallet.ticket, "proof": proof, "token": b"", **changes}
        self.say(JoinFriend(**asked), 1)  # type: ignore[arg-type]
        return await self.hear(reply=True)

    async def hear(self, *, reply: bool = False) -> Message:
        """The next message, or the next reply. Raises ConnectionError at the end, TimeoutError after WAIT_S."""
        async with asyncio.timeout(WAIT_S):
            while True:
                while self._frames:
                    frame = self._frames.pop(0)
                    if frame.is_reply or not reply or frame.flags & Flag.ERROR:
                        return codec.decode(frame)
                data = await self._reader.read(65536)
                if not data:
                    raise ConnectionError("the host closed")
                self._frames += self._decoder.feed(data)

    async def thrown_out(self) -> ErrorReply | None:
        """Wait until the host closes; what it said about that, if that came through."""
        said = None
        try:
            while True:
                message = await self.hear()
                if isinstance(message, ErrorReply):
                    said = message
        except (ConnectionError, ssl.SSLError):
            return said

    def read_nothing(self) -> None:
        """Let everything pile up, here and in the kernels."""
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    @property
    def is_closing(self) -> bool:
        """Whether the connection is gone, as far as is known here."""
        return self._writer.transport.is_closing()

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def stranger(at: HostPort) -> AsyncIterator[Stranger]:
    """Connect, without a word."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    await asyncio.get_running_loop().sock_connect(sock, (at.host, at.port))
    reader, writer = await asyncio.open_connection(sock=sock, ssl=stranger_context(), server_hostname="")
    one = Stranger(reader, writer)
    try:
        yield one
    finally:
        one.close()
        await asyncio.sleep(0)


async def admitted(one: Stranger, wallet: Wallet) -> Admitted:
    """A stranger who is let in."""
    await one.greet()
    reply = await one.join(wallet)
    assert isinstance(reply, Admitted), reply
    return reply
