"""Accepts listeners on a streaming node's port, and sweeps out those who said nothing in time."""

import asyncio
import errno
import logging
import socket
import ssl

from hocket.adapters.bulktls import BulkTls
from hocket.adapters.streaming.connection import Connection, Service, Stage
from hocket.adapters.streaming.files import OpenFiles
from hocket.core.address import HostPort
from hocket.core.clock import Clock
from hocket.core.errors import ErrorCode, HocketError, ProtocolError
from hocket.core.ids import NodeId, Role
from hocket.wire import limits
from hocket.wire.codec import Decoder

log = logging.getLogger(__name__)

SEND_BUFFER_BYTES = 240 * 1024
"""The kernel doubles it: a stalled listener pins at most 480 KiB, a little more with overhead."""

RECEIVE_BUFFER_BYTES = 16 * 1024
"""Requests are tiny."""

ACCEPTS_A_TURN = 16
"""A TLS handshake costs milliseconds: those who listen already come first."""

SWEEP_S = 1.0
TICKET_TIMEOUT_S = 30.0
"""A connection that never shows a ticket is closed after this."""

NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class StreamServer:
    """Listens, and owns all connections. Everything happens on one event loop's thread."""

    def __init__(
        self,
        node: NodeId,
        service: Service,
        files: OpenFiles,
        clock: Clock,
        context: ssl.SSLContext | None,
        max_connections: int,
        *,
        role: Role = Role.FILE,
        send_buffer_bytes: int = SEND_BUFFER_BYTES,
        is_bulk: bool = False,
    ) -> None:
        """`send_buffer_bytes` 0: as much as the kernel thinks a line can take.

        `is_bulk`: a few fast readers rather than many listeners: less CPU and more memory for each connection.
        """
        self.node = node
        self.role = role
        self.service = service
        self.files = files
        self.loop = asyncio.get_running_loop()
        self.sent_bytes = 0
        self.address = HostPort("?", 0)
        self._clock = clock
        self._context = context
        self._max_connections = max_connections
        self._send_buffer_bytes = send_buffer_bytes
        self._room = memoryview(bytearray(RECEIVE_BUFFER_BYTES)) if is_bulk else None
        self._connections: set[Connection] = set()
        self._spare_decoder: Decoder | None = None
        self._sock: socket.socket | None = None
        self._sweep_timer: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> frozenset[Connection]:
        return frozenset(self._connections)

    async def start(self, address: HostPort) -> HostPort:
        """Listen; port 0 takes a free one. Raises HocketError (PORT_BUSY)."""
        try:
            found = await self.loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            family, kind, protocol, _, where = found[0]
            self._sock = socket.socket(family, kind, protocol)
            self._sock.setblocking(False)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._send_buffer_bytes:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            self._sock.bind(where)
            self._sock.listen(1024)
        except (OSError, ValueError) as error:
            if self._sock is not None:
                self._sock.close()
                self._sock = None
            raise HocketError(
                f"cannot listen on {address}: {getattr(error, 'strerror', None) or error}",
                code=ErrorCode.PORT_BUSY,
                hint="another program has the port, or the address is not of this machine",
            ) from None
        taken = self._sock.getsockname()
        self.address = HostPort(taken[0], taken[1])
        self.loop.add_reader(self._sock.fileno(), self._accept)
        self._sweep_timer = self.loop.call_later(SWEEP_S, self._sweep)
        return self.address

    def stop(self) -> None:
        """Close the port and all connections. Safe to call twice."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for connection in self.connections:
            connection.close()
        if self._sock is not None:
            self.loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    # -- what connections use

    def lend_decoder(self) -> Decoder:
        """A decoder for one receive: listeners share it as long as they send whole frames."""
        if self._spare_decoder is None:
            self._spare_decoder = Decoder()
        return self._spare_decoder

    def drop_decoder(self, decoder: Decoder) -> None:
        """It has become one listener's own, or is broken: lend another one next time."""
        if self._spare_decoder is decoder:
            self._spare_decoder = None

    def first_ticket_due_s(self) -> float:
        return self._clock.monotonic_s() + TICKET_TIMEOUT_S

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)

    # -- inside

    def _accept(self) -> None:
        assert self._sock is not None
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, where = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NO_DESCRIPTORS:
                    raise
                log.warning("cannot accept more connections: %s", error.strerror)
                self._pause_accepting()
                return
            self._begin(sock, HostPort(where[0], where[1]))

    def _begin(self, sock: socket.socket, peer: HostPort) -> None:
        if len(self._connections) >= self._max_connections:
            sock.close()
            log.warning("%s turned away: %d connections are open", peer, len(self._connections))
            return
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = self._encrypted(sock)
        except OSError as error:
            log.debug("%s: %s", peer, error)
            sock.close()
            return
        due_s = self._clock.monotonic_s() + limits.HELLO_TIMEOUT_S
        connection = Connection(self, wrapped, peer, due_s)
        if connection.stage is not Stage.CLOSED:
            self._connections.add(connection)

    def _encrypted(self, sock: socket.socket) -> socket.socket | BulkTls:
        if self._context is None:
            return sock
        if self._room is not None:
            return BulkTls(sock, self._context, self._room, server_side=True)
        sock.getpeername()  # a peer that has gone is noticed here: wrap_socket would lose the descriptor
        return self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def _pause_accepting(self) -> None:
        assert self._sock is not None
        sock = self._sock
        self.loop.remove_reader(sock.fileno())
        self.loop.call_later(SWEEP_S, lambda: self._sock is sock and self.loop.add_reader(sock.fileno(), self._accept))

    def _sweep(self) -> None:
        now_s = self._clock.monotonic_s()
        for connection in self.connections:
            if connection.due_s < now_s:
                what = "ticket" if connection.stage is Stage.OPEN else "HELLO"
                connection.close(ProtocolError(f"no {what} in time", code=ErrorCode.TIMED_OUT))
        self._sweep_timer = self.loop.call_later(SWEEP_S, self._sweep)
