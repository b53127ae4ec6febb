"""Asking a router for a port: PCP (RFC 6887) and its forerunner NAT-PMP (RFC 6886), as bytes. TCP over IPv4 alone."""

import ipaddress
import struct

import msgspec

PORT = 5351
NONCE_BYTES = 12
MAX_ANSWER_BYTES = 1100

_TCP = 6
_PCP_VERSION = 2
_PCP_MAP = 1
_ANSWER = 0x80
_PMP_EXTERNAL = 0
_PMP_MAP_TCP = 2
_PCP_HEADER = struct.Struct("!BBxBII12x")
_PCP_ASK = struct.Struct("!BBxxI16s12sBxxxHH16s")
_PCP_MAPPING = struct.Struct("!12sBxxxHH16s")
_PMP_ASK = struct.Struct("!BBxxHHI")
_PMP_MAPPING = struct.Struct("!BBHIHHI")
_PMP_ADDRESS = struct.Struct("!BBHI4s")
_ANY_HOST = ipaddress.IPv6Address("::ffff:0.0.0.0").packed
_UNSUPPORTED_VERSION = 1
_WHY = {
    2: "its owner does not allow that",
    3: "it has no connection itself",
    4: "it has no room for one more",
    8: "it has no room for one more",
}


class Granted(msgspec.Struct, frozen=True):
    """A port of the router leads here. `host`: the router's outer address, "" where that is asked for apart."""

    port: int
    lifetime_s: int
    host: str = ""


class Denied(msgspec.Struct, frozen=True):
    """The router said no. `is_version`: only to this protocol, it may speak the other one."""

    why: str
    is_version: bool = False


def ask_pcp(own_host: str, nonce: bytes, internal_port: int, external_port: int, lifetime_s: int) -> bytes:
    """Map a port, prolong that, or (lifetime_s 0) end it. `own_host`: the IPv4 address that the question comes from."""
    own = ipaddress.IPv6Address(f"::ffff:{own_host}").packed
    return _PCP_ASK.pack(_PCP_VERSION, _PCP_MAP, lifetime_s, own, nonce, _TCP, internal_port, external_port, _ANY_HOST)


def read_pcp(answer: bytes, nonce: bytes, internal_port: int) -> Granted | Denied | None:
    """What the router answered; None for what is no answer to this question."""
    if len(answer) >= 4 and answer[0] == 0 and answer[1] & _ANSWER:
        return Denied("it speaks the older protocol", is_version=True)
    if len(answer) < _PCP_HEADER.size or len(answer) > MAX_ANSWER_BYTES:
        return None
    version, operation, result, lifetime_s, _ = _PCP_HEADER.unpack_from(answer)
    if operation != _ANSWER | _PCP_MAP:
        return None
    if result == _UNSUPPORTED_VERSION or version != _PCP_VERSION:
        return Denied("it speaks another version", is_version=True)
    if len(answer) < _PCP_HEADER.size + _PCP_MAPPING.size:
        return _denied(result) if result else None
    got_nonce, protocol, internal, external, host = _PCP_MAPPING.unpack_from(answer, _PCP_HEADER.size)
    if (got_nonce, protocol, internal) != (nonce, _TCP, internal_port):
        return None
    if result:
        return _denied(result)
    mapped = ipaddress.IPv6Address(host).ipv4_mapped
    return Granted(external, lifetime_s, str(mapped) if mapped is not None else "")


def ask_nat_pmp(internal_port: int, external_port: int, lifetime_s: int) -> bytes:
    """Map a port, prolong that, or (lifetime_s 0) end it."""
    return _PMP_ASK.pack(0, _PMP_MAP_TCP, internal_port, external_port if lifetime_s else 0, lifetime_s)


def read_nat_pmp(answer: bytes, internal_port: int) -> Granted | Denied | None:
    """What the router answered; None for what is no answer to this question."""
    if len(answer) < 4 or answer[0] != 0 or answer[1] != _ANSWER | _PMP_MAP_TCP:
        return None
    result = int.from_bytes(answer[2:4], "big")
    if result:
        return _denied(result)
    if len(answer) != _PMP_MAPPING.size:
        return None
    _, _, _, _, internal, external, lifetime_s = _PMP_MAPPING.unpack(answer)
    return Granted(external, lifetime_s) if internal == internal_port else None


def ask_nat_pmp_address() -> bytes:
    """What is the router's outer address?"""
    return bytes((0, _PMP_EXTERNAL))


def read_nat_pmp_address(answer: bytes) -> str | Denied | None:
    """The router's outer address; None for what is no answer to this question."""
    if len(answer) < 4 or answer[0] != 0 or answer[1] != _ANSWER | _PMP_EXTERNAL:
        return None
    result = int.from_bytes(answer[2:4], "big")
    if result:
        return _denied(result)
    if len(answer) != _PMP_ADDRESS.size:
        return None
    return str(ipaddress.IPv4Address(_PMP_ADDRESS.unpack(answer)[4]))


def _denied(result: int) -> Denied:
    return Denied(_WHY.get(result, f"it says error {result}"), is_version=result == _UNSUPPORTED_VERSION)
