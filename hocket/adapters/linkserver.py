"""Accepts links on one address and keeps them until it stops."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import cast

from hocket.adapters.crowd import MAX_OF_ONE_HOST, Crowd
from hocket.adapters.link import SHUTDOWN_TIMEOUT_S, AtOnce, Link, Owner, hello
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role
from hocket.wire import limits

log = logging.getLogger(__name__)


class LinkServer:
    """A listening port and the links that came in by it, those that still shake hands included."""

    def __init__(
        self,
        context: ssl.SSLContext,
        role: Role,
        node: NodeId,
        owner: Owner,
        on_opened: Callable[[Link], None] | None = None,
        at_once: AtOnce | None = None,
    ) -> None:
        self._context = context
        self._role = role
        self._node = node
        self._owner = owner
        self._on_opened = on_opened
        self._at_once = at_once
        self._server: asyncio.Server | None = None
        self._handshakes: set[asyncio.Task[None]] = set()
        self._links: set[Link] = set()
        self._strangers = Crowd(MAX_OF_ONE_HOST)
        self.address = HostPort("?", 0)

    @property
    def links(self) -> frozenset[Link]:
        return frozenset(self._links)

    @property
    def handshakes(self) -> int:
        """Connections that are no links yet."""
        return len(self._handshakes)

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    async def start(self, address: HostPort) -> HostPort:
        """Listen; port 0 takes a free one. Returns the address taken. Raises HocketError (PORT_BUSY)."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Door(self._accept), address.host, address.port, backlog=1024
            )
        except (OSError, ValueError) as error:
            raise HocketError(
                f"cannot listen on {address}: {getattr(error, 'strerror', None) or error}",
                code=ErrorCode.PORT_BUSY,
                hint="another program has the port, or the address is not of this machine; choose another --listen",
            ) from None
        taken = self._server.sockets[0].getsockname()
        self.address = HostPort(taken[0], taken[1])
        return self.address

    async def stop(self) -> None:
        """Close the port and every link. Safe to call twice."""
        if self._server is not None:
            self._server.close()
        for task in self._handshakes:
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
        for link in self.links:
            link.close()
        await asyncio.gather(*(link.wait_closed() for link in self.links))
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _accept(self, transport: asyncio.Transport) -> None:
        if self._server is None or not self._server.is_serving():
            transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._shake_hands(transport))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, plain: asyncio.Transport) -> None:
        mine = hello(self._role, self._node)
        link = Link(mine, self._owner, on_made=self._keep, on_opened=self._on_opened, at_once=self._at_once)
        try:
            transport = await asyncio.get_running_loop().start_tls(
                plain,
                link,
                self._context,
                server_side=True,
                ssl_handshake_timeout=limits.HELLO_TIMEOUT_S,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
            )
        except OSError as error:
            log.debug("%s: no TLS handshake: %s", plain.get_extra_info("peername"), error)
            return
        except asyncio.CancelledError:
            plain.abort()
            raise
        if transport is not None:  # else it was lost at once
            link.connection_made(transport)

    def _keep(self, link: Link) -> None:
        self._links.add(link)
        link.closed.add_done_callback(lambda _: self._links.discard(link))
        if link.is_stranger:
            self._strangers.enter(link.peer_address.host, link.closed)


class _Door(asyncio.Protocol):
    """Hands an accepted connection over before anything is read of it: the first bytes belong to TLS."""

    def __init__(self, accept: Callable[[asyncio.Transport], None]) -> None:
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        plain.pause_reading()
        self._accept(plain)
