"""One question and its answers, as datagrams."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

from hocket.core.address import HostPort

MAX_WAITING = 64


class _Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.come: asyncio.Queue[tuple[bytes, str] | OSError] = asyncio.Queue(MAX_WAITING)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._put((data, addr[0]))

    def error_received(self, exc: Exception) -> None:
        self._put(exc if isinstance(exc, OSError) else OSError(str(exc)))

    def _put(self, what: tuple[bytes, str] | OSError) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # a flood: the rest is not missed
            self.come.put_nowait(what)


class Asking:
    """A UDP socket for a few questions. Used as an async context; made by `to` or `around`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._inbox = _Inbox()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    def to(cls, at: HostPort) -> "Asking":
        """Only this one's answers come in. Raises OSError."""
        sock = _new_socket()
        with _closed_on_error(sock):
            sock.connect((at.host, at.port))
        return cls(sock)

    @classmethod
    def around(cls, own_host: str) -> "Asking":
        """From this own address to anybody, multicast included. Raises OSError."""
        sock = _new_socket()
        with _closed_on_error(sock):
            sock.bind((own_host, 0))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own_host))
        return cls(sock)

    @property
    def own_host(self) -> str:
        return str(self._sock.getsockname()[0])

    async def __aenter__(self) -> "Asking":
        loop = asyncio.get_running_loop()
        with _closed_on_error(self._sock):
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self._inbox, sock=self._sock)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport is not None
        self._transport.close()
        await asyncio.sleep(0)  # it closes its socket a turn later

    def send(self, datagrams: Sequence[bytes], at: tuple[str, int] | None = None) -> None:
        """Say this; `at` where nobody in particular is asked."""
        assert self._transport is not None
        for datagram in datagrams:
            self._transport.sendto(datagram, at)

    async def receive(self) -> tuple[bytes, str]:
        """The next datagram and whose it is. Raises OSError for an answer that nobody is there."""
        come = await self._inbox.come.get()
        if isinstance(come, OSError):
            raise come
        return come


def _new_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


@contextlib.contextmanager
def _closed_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise
