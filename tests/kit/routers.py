"""Routers of every temper: PCP, NAT-PMP and UPnP as real ones speak them, or refuse, keep silent, or lie.

`python -m tests.kit.routers HOST [TEMPER]` serves at the real ports until it is ended: for a network of tests.
"""

import asyncio
import ipaddress
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from hocket.adapters.routers import Where
from hocket.core.address import HostPort
from tests.kit.heard import Heard

OUTER = "8.8.4.4"
"""Public by its number; nothing is ever sent there."""

GROUP = "239.255.255.250"


@dataclass
class Temper:
    """How a router behaves. A protocol that is off gets no answer at all."""

    pcp: bool = True
    nat_pmp: bool = True
    upnp: bool = True
    refuses: bool = False
    outer: str = OUTER
    lifetime_s: int = 1200
    taken: tuple[int, ...] = ()
    only_permanent: bool = False
    chunked: bool = False
    lies: bytes = b""  # what it says instead of anything that makes sense
    location: str = ""  # where it says that its description is


TEMPERS = {
    "friendly": Temper(),
    "refusing": Temper(refuses=True),
    "silent": Temper(pcp=False, nat_pmp=False, upnp=False),
    "behind-another": Temper(outer="192.168.100.7"),
}


@dataclass
class Router:
    """What a router has mapped by now: outer port to inner (host, port), and what it was asked."""

    temper: Temper
    host: str = "127.0.0.1"
    mappings: dict[int, tuple[str, int]] = field(default_factory=dict)
    asked: Heard[str] = field(default_factory=Heard)
    udp_port: int = 0
    search_port: int = 0
    http_port: int = 0

    @property
    def where(self) -> Where:
        """How to ask this one."""
        return Where(HostPort(self.host, self.udp_port), (self.host, self.search_port))

    # -- PCP and NAT-PMP

    def control(self, data: bytes, sender: tuple[str, int]) -> bytes | None:
        """The answer to a datagram."""
        temper = self.temper
        if temper.lies:
            return temper.lies
        if len(data) == 60 and data[0] == 2 and temper.pcp:
            return self._pcp(data, sender[0])
        if not temper.nat_pmp:
            return None
        if data[0] != 0:
            return bytes((0, 128, 0, 1)) + bytes(4)
        if data[1] == 0:
            self.asked.append("nat-pmp address")
            return struct.pack("!BBHI4s", 0, 128, 0, 9, ipaddress.IPv4Address(temper.outer).packed)
        _, _, internal, external, lifetime_s = struct.unpack("!BBxxHHI", data)
        self.asked.append(f"nat-pmp {lifetime_s}")
        if temper.refuses:
            return struct.pack("!BBHIHHI", 0, 130, 2, 9, internal, 0, 0)
        port = self._mapped(sender[0], internal, external, lifetime_s)
        return struct.pack("!BBHIHHI", 0, 130, 0, 9, internal, port, min(lifetime_s, temper.lifetime_s))

    def _pcp(self, data: bytes, sender: str) -> bytes:
        lifetime_s, client = struct.unpack_from("!I16s", data, 4)
        internal, external = struct.unpack_from("!HH", data, 40)
        self.asked.append(f"pcp {lifetime_s}")
        result = 2 if self.temper.refuses else 0
        if client != ipaddress.IPv6Address(f"::ffff:{sender}").packed:
            result = 12  # ADDRESS_MISMATCH
        port = external if result else self._mapped(sender, internal, external, lifetime_s)
        outer = ipaddress.IPv6Address(f"::ffff:{self.temper.outer}").packed
        header = struct.pack("!BBxBII12x", 2, 0x81, result, min(lifetime_s, self.temper.lifetime_s), 9)
        return header + data[24:40] + struct.pack("!HH", internal, port) + outer

    def _mapped(self, host: str, internal: int, external: int, lifetime_s: int) -> int:
        if not lifetime_s:
            self.mappings = {port: inner for port, inner in self.mappings.items() if inner != (host, internal)}
            return 0
        port = external
        while port in self.temper.taken:
            port += 1
        self.mappings[port] = (host, internal)
        return port

    # -- UPnP

    def found(self, data: bytes) -> bytes | None:
        """The answer to a search."""
        if not data.startswith(b"M-SEARCH") or not self.temper.upnp:
            return None
        where = self.temper.location or f"http://{self.host}:{self.http_port}/igd/desc.xml"
        return f"HTTP/1.1 200 OK\r\nST: urn:x\r\nLOCATION: {where}\r\nSERVER: fake\r\n\r\n".encode()

    async def serve_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            body = (await reader.readexactly(int(length[1]))).decode() if length else ""
            status, document = (200, self._description()) if head.startswith("GET") else self._order(head, body)
            if self.temper.lies:
                writer.write(self.temper.lies)
            elif self.temper.chunked:
                chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (document[:7], document[7:]))
                writer.write(b"HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % (status, chunks))
            else:
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(document), document))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _description(self) -> bytes:
        return b"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>ctl</controlURL>
</service></serviceList></device></root>"""

    def _order(self, head: str, body: str) -> tuple[int, bytes]:
        found = re.search(r'SOAPAction: "\S+#(\w+)"', head)
        action = found[1] if found else ""
        said = dict(re.findall(r"<(New\w+)>([^<]*)</", body))
        self.asked.append(f"upnp {action} {said.get('NewLeaseDuration', '')}".strip())
        port = int(said.get("NewExternalPort", 0))
        if self.temper.refuses and action == "AddPortMapping":
            return _fault(606, "Action not authorized")
        if action == "AddPortMapping":
            if port in self.temper.taken:
                return _fault(718, "ConflictInMappingEntry")
            if self.temper.only_permanent and said["NewLeaseDuration"] != "0":
                return _fault(725, "OnlyPermanentLeasesSupported")
            self.mappings[port] = said["NewInternalClient"], int(said["NewInternalPort"])
        elif action == "DeletePortMapping":
            self.mappings.pop(port, None)
        outer = f"<NewExternalIPAddress>{self.temper.outer}</NewExternalIPAddress>"
        inner = outer if action == "GetExternalIPAddress" else ""
        return 200, _soap(f'<u:{action}Response xmlns:u="urn:x">{inner}</u:{action}Response>')


def _fault(code: int, text: str) -> tuple[int, bytes]:
    error = f"<errorCode>{code}</errorCode><errorDescription>{text}</errorDescription>"
    return 500, _soap(f'<s:Fault><detail><UPnPError xmlns="urn:y">{error}</UPnPError></detail></s:Fault>')


def _soap(inner: str) -> bytes:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<?xml version="1.0"?><s:Envelope xmlns:s="{soap}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


class _Port(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes, tuple[str, int]], bytes | None]) -> None:
        self._answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        answer = self._answer(data, addr)
        if answer is not None:
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def router(temper: Temper, host: str = "127.0.0.1", *, real_ports: bool = False) -> AsyncIterator[Router]:
    """One that serves at this address of this machine; `real_ports` are for a network of its own."""
    loop = asyncio.get_running_loop()
    made = Router(temper, host)
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    control.bind((host, 5351 if real_ports else 0))
    search = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    search.bind(("" if real_ports else host, 1900 if real_ports else 0))
    if real_ports:
        member = socket.inet_aton(GROUP) + socket.inet_aton(host)
        search.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    made.udp_port, made.search_port = control.getsockname()[1], search.getsockname()[1]
    ports = [
        (await loop.create_datagram_endpoint(lambda: _Port(made.control), sock=control))[0],
        (await loop.create_datagram_endpoint(lambda: _Port(lambda data, _: made.found(data)), sock=search))[0],
    ]
    server = await asyncio.start_server(made.serve_http, host, 0)
    made.http_port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
        for port in ports:
            port.close()
        await asyncio.sleep(0)


async def _serve(host: str, temper: str) -> None:
    async with router(TEMPERS[temper], host, real_ports=True) as made:
        print("router ready", flush=True)
        before: dict[int, tuple[str, int]] = {}
        while True:
            if made.mappings != before:
                before = dict(made.mappings)
                told = [f"{outer}={inner}:{port}" for outer, (inner, port) in before.items()]
                print("mapped", *told, flush=True)
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "friendly"))
