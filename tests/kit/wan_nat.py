"""What a home router does to packets: addresses and ports translated, the unasked kept out. Pure.

Kinds, in the words of RFC 4787 and RFC 5382: `cone`: endpoint-independent mapping, `symmetric`: address- and
port-dependent mapping, `firewall`: no translation. All filter by address and port: only what was sent to may answer.
Ports are never preserved, so that nothing can be right by luck.
"""

import random
import struct
from enum import StrEnum

_TCP, _UDP = 6, 17
_CHECKSUM_AT = {_TCP: 16, _UDP: 6}
_FIRST_PORT, _LAST_PORT = 20_000, 60_000

End = tuple[bytes, int]


class Kind(StrEnum):
    """What the router does."""

    CONE = "cone"
    SYMMETRIC = "symmetric"
    FIREWALL = "firewall"


class Nat:
    """One router with one host behind it. Addresses are 4 bytes; `outside` is the inside one for a firewall."""

    def __init__(self, kind: Kind, inside: bytes, outside: bytes, rng: random.Random) -> None:
        self._kind = kind
        self._inside = inside
        self._outside = outside
        self._rng = rng
        self._out: dict[tuple[int, int, End | None], int] = {}  # (protocol, port inside, to whom) -> port outside
        self._back: dict[tuple[int, int], int] = {}  # (protocol, port outside) -> port inside
        self._asked: set[tuple[int, int, End]] = set()  # (protocol, port outside, who was sent something)

    def outgoing(self, packet: bytes) -> bytes | None:
        """A packet of the host as it leaves the router; None where it does not."""
        read = _read(packet)
        if read is None or packet[12:16] != self._inside:
            return None
        protocol, at, source_port, target_port = read
        to = packet[16:20], target_port
        port = self._port_for(protocol, source_port, to)
        self._asked.add((protocol, port, to))
        return _with_end(packet, at, protocol, 12, 0, (self._outside, port))

    def incoming(self, packet: bytes) -> bytes | None:
        """A packet from outside as the host gets it; None where the router keeps it."""
        read = _read(packet)
        if read is None or packet[16:20] != self._outside:
            return None
        protocol, at, source_port, target_port = read
        if (protocol, target_port, (packet[12:16], source_port)) not in self._asked:
            return None
        return _with_end(packet, at, protocol, 16, 2, (self._inside, self._back[protocol, target_port]))

    def _port_for(self, protocol: int, port: int, to: End) -> int:
        key = protocol, port, to if self._kind is Kind.SYMMETRIC else None
        known = self._out.get(key)
        if known is None:
            known = port
            while self._kind is not Kind.FIREWALL and (known == port or (protocol, known) in self._back):
                known = self._rng.randrange(_FIRST_PORT, _LAST_PORT)
            self._out[key] = known
            self._back[protocol, known] = port
        return known


def _read(packet: bytes) -> tuple[int, int, int, int] | None:
    """Protocol, where its header begins, source and target port; None for what no router would translate."""
    protocol = packet[9]
    at = 4 * (packet[0] & 15)
    is_fragment = struct.unpack_from("!H", packet, 6)[0] & 0x3FFF
    if protocol not in _CHECKSUM_AT or is_fragment or len(packet) < at + 8:
        return None
    return protocol, at, *struct.unpack_from("!HH", packet, at)


def _with_end(packet: bytes, at: int, protocol: int, address_at: int, port_at: int, end: End) -> bytes:
    """The packet with another address and port, and right checksums."""
    changed = bytearray(packet)
    address, port = end
    before = packet[address_at : address_at + 4], packet[at + port_at : at + port_at + 2]
    changed[address_at : address_at + 4] = address
    struct.pack_into("!H", changed, at + port_at, port)
    _mend(changed, 10, before[0], address)
    checksum_at = at + _CHECKSUM_AT[protocol]
    if protocol == _TCP or changed[checksum_at : checksum_at + 2] != b"\0\0":
        _mend(changed, checksum_at, b"".join(before), address + struct.pack("!H", port))
    return bytes(changed)


def _mend(packet: bytearray, at: int, before: bytes, after: bytes) -> None:
    """A checksum after some of what it covers was replaced (RFC 1624, equation 3)."""
    total: int = ~struct.unpack_from("!H", packet, at)[0] & 0xFFFF
    for (old,), (new,) in zip(struct.iter_unpack("!H", before), struct.iter_unpack("!H", after), strict=True):
        total += (~old & 0xFFFF) + new
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", packet, at, ~total & 0xFFFF)
