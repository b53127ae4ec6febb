"""A second connection to the prime, from a port of ours that friends are to find: the prime sees where it leads out."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

from hocket.adapters import tls
from hocket.adapters.clocks import SystemClock, random_bytes
from hocket.adapters.link import Link, connect, hello
from hocket.adapters.peers.ports import connect_from
from hocket.client.cluster import Cluster
from hocket.client.tickets import Shown
from hocket.core.address import HostPort
from hocket.core.errors import HocketError, NotReachable
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, node_id
from hocket.wire import limits
from hocket.wire.message import Message

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)


class PortLine:
    """`take` gets what the prime sends, `lost` is called once when the connection ends by itself."""

    def __init__(self, cluster: Cluster, take: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._cluster = cluster
        self._take = take
        self._lost = lost
        self._link: Link | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.local = HostPort("0.0.0.0", 0)

    @property
    def is_open(self) -> bool:
        return self._link is not None and self._link.is_open

    async def open(self, local: HostPort) -> None:
        """Connect from there (port 0: a free one), and show the ticket. Raises NotReachable, Refused, ProtocolError."""
        prime = self._cluster.prime
        sock = await connect_from(local, prime.address.at)
        name = sock.getsockname()
        self.local = HostPort(local.host, name[1])
        mine = hello(Role.LISTENER, node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES)))
        context = tls.listener_context(prime.authority_pem)
        try:
            link = await connect(prime.address.at, context, mine, self, expect=(Role.PRIME, None), sock=sock)
        except BaseException:
            sock.close()
            raise
        shown = Shown(link, self._cluster.wallet, SystemClock())
        try:
            await shown.show()
        except BaseException:
            link.close()
            raise
        self._link = link
        self._keeper = asyncio.create_task(shown.keep(), name="ticket at the prime")

    async def request(self, message: Message, reply: type[M], timeout_s: float = limits.REPLY_TIMEOUT_S) -> M:
        """Raises Refused, NotReachable."""
        if self._link is None:
            raise NotReachable("there is no connection to the prime")
        return await self._link.request(message, reply, timeout_s)

    def notify(self, message: Message) -> None:
        """Nothing happens on a closed connection."""
        if self._link is not None and self._link.is_open:
            self._link.notify(message)

    async def close(self) -> None:
        """Safe to call twice."""
        link, self._link = self._link, None
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        if link is not None:
            link.close()
            await link.wait_closed()

    # -- the link's owner

    async def on_message(self, link: Link, message: Message) -> Message | None:
        self._take(message)
        return None

    def on_closed(self, link: Link, error: HocketError) -> None:
        if link is self._link:
            log.debug("a connection to the prime is gone: %s", error)
            if self._keeper is not None:
                self._keeper.cancel()
            self._lost()
