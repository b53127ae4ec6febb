"""Where friends knock: floods and the silent are turned away before they cost anything."""

import asyncio
import errno
import logging
import socket
import time

from hocket.adapters.peers.link import Owner, PeerLink
from hocket.adapters.peers.ports import share
from hocket.adapters.peers.tls import PeerIdentity
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.relay.addresses import without_mapping
from hocket.relay.admission import Door
from hocket.wire.message import Message

log = logging.getLogger(__name__)

ACCEPTS_A_TURN = 32
SWEEP_S = 0.25
PORT_TRIES = 64
"""Ports that are tried from the wanted one on."""

PAUSE_S = 1.0
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class PeerServer:
    """Listens, and owns the links that came in. Its owner says `admitted` for those it lets in."""

    def __init__(self, owner: Owner, identity: PeerIdentity) -> None:
        self._owner = owner
        self._identity = identity
        self._loop = asyncio.get_running_loop()
        self._door = Door()
        self._links: set[PeerLink] = set()
        self._sock: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.address: HostPort | None = None
        self.turned_away = 0
        self._past_bytes = 0

    @property
    def links(self) -> frozenset[PeerLink]:
        return frozenset(self._links)

    @property
    def wire_bytes(self) -> int:
        """Sent to all so far."""
        return self._past_bytes + sum(link.wire_bytes for link in self._links)

    async def start(self, at: HostPort) -> HostPort:
        """Listen there, or at the next free port. Raises HocketError (PORT_BUSY)."""
        last: OSError | None = None
        for port in range(at.port, min(65536, at.port + PORT_TRIES)):
            try:
                self._sock = await self._bound(HostPort(at.host, port))
                break
            except OSError as error:
                last = error
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    break
        if self._sock is None:
            raise HocketError(
                f"cannot host at {at}: {(last and last.strerror) or last}",
                code=ErrorCode.PORT_BUSY,
                hint="choose another address with --host",
            )
        name = self._sock.getsockname()
        self.address = HostPort(name[0], name[1])
        self._loop.add_reader(self._sock.fileno(), self._accept)
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)
        return self.address

    def admitted(self, link: PeerLink) -> None:
        """This one is a friend."""
        self._door.greeted(link.sock, link.peer_address.host)

    def let_in(self, sock: socket.socket, host: str) -> PeerLink | None:
        """Take a connection from there, made by knocking or otherwise; None, and closed, where there is no room."""
        if not self._door.knock(sock, host, time.monotonic_ns()):
            self.turned_away += 1
            sock.close()
            return None
        try:
            link = PeerLink(sock, self, self._identity, server=True)
        except OSError as error:
            log.debug("%s: %s", host, error)
            self._door.gone(sock)
            sock.close()
            return None
        self._links.add(link)
        return link

    def knows(self, at: HostPort) -> bool:
        """Whether there is a connection with this address."""
        return any(link.peer_address == at and not link.is_closed for link in self._links)

    def stop(self, error: HocketError | None = None) -> None:
        """Close the port and every link. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None
        for link in self.links:
            link.close(error)

    # -- the links' owner

    def secured(self, link: PeerLink) -> None:
        """Nobody is connected to from here."""

    def opened(self, link: PeerLink) -> None:
        self._door.said_hello(link.sock, time.monotonic_ns())
        self._owner.opened(link)

    def took(self, link: PeerLink, message: Message, correlation: int, at_ns: int) -> Message | None:
        return self._owner.took(link, message, correlation, at_ns)

    def closed(self, link: PeerLink, error: HocketError) -> None:
        self._door.gone(link.sock)
        if link in self._links:
            self._past_bytes += link.wire_bytes
            self._links.discard(link)
        self._owner.closed(link, error)

    # -- inside

    async def _bound(self, at: HostPort) -> socket.socket:
        found = await self._loop.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not at.is_wildcard))
            sock.bind(where)
            sock.listen(256)
            share(sock)  # only now, so that a port which is taken is noticed
        except BaseException:
            sock.close()
            raise
        return sock

    def _accept(self) -> None:
        assert self._sock is not None
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, where = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
                log.warning("no more friends fit: %s", error.strerror)
                self._pause()
                return
            self.let_in(sock, without_mapping(where[0]))

    def _pause(self) -> None:
        assert self._sock is not None
        sock = self._sock
        self._loop.remove_reader(sock.fileno())
        self._loop.call_later(
            PAUSE_S, lambda: self._sock is sock and self._loop.add_reader(sock.fileno(), self._accept)
        )

    def _sweep(self) -> None:
        now_ns = time.monotonic_ns()
        silent = set(self._door.silent(now_ns))
        for link in self.links:
            if link.sock in silent:
                link.close(ProtocolError("nothing was said in time", code=ErrorCode.TIMED_OUT))
            elif link.patience.is_too_slow(link.backlog_bytes, now_ns):
                link.close(NotReachable("your line is too slow for this music", code=ErrorCode.TIMED_OUT))
        self._timer = self._loop.call_later(SWEEP_S, self._sweep)
