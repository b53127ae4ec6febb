"""The routers of test networks: what they translate, and whom they let in."""

import random
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.wan import Wan
from tests.kit.wan_fixtures import make_wan
from tests.kit.wan_nat import Kind, Nat

__all__ = ["make_wan"]

INSIDE, OUTSIDE = bytes([10, 0, 0, 2]), bytes([11, 22, 33, 2])
FRIEND, PRIME = bytes([11, 22, 33, 3]), bytes([10, 0, 0, 1])


def tcp(source: bytes, source_port: int, target: bytes, target_port: int, data: bytes = b"") -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, source, target)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    segment = struct.pack("!HHIIBBHHH", source_port, target_port, 1, 0, 0x50, 2, 1000, 0, 0) + data
    return head + segment[:16] + struct.pack("!H", checksum(pseudo(source, target, segment))) + segment[18:]


def pseudo(source: bytes, target: bytes, segment: bytes) -> bytes:
    return source + target + struct.pack("!HH", 6, len(segment)) + segment


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2 + len(data) % 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ends(packet: bytes | None) -> tuple[bytes, int, bytes, int]:
    assert packet is not None
    return packet[12:16], *struct.unpack("!H", packet[20:22]), packet[16:20], *struct.unpack("!H", packet[22:24])


def router(kind: Kind) -> Nat:
    return Nat(kind, INSIDE, INSIDE if kind is Kind.FIREWALL else OUTSIDE, random.Random(1))


def seen_port(nat: Nat, target: bytes, port: int) -> int:
    return ends(nat.outgoing(tcp(INSIDE, 25566, target, port)))[1]


@given(st.integers(1, 65535), st.binary(max_size=200))
def test_checksums_stay_right_both_ways(port: int, data: bytes) -> None:
    nat = router(Kind.CONE)
    out = nat.outgoing(tcp(INSIDE, port, FRIEND, 80, data))
    assert out is not None
    back = nat.incoming(tcp(FRIEND, 80, OUTSIDE, ends(out)[1], data))
    assert back is not None
    assert ends(back) == (FRIEND, 80, INSIDE, port)
    for packet in (out, back):
        assert checksum(packet[:20]) == 0
        assert checksum(pseudo(packet[12:16], packet[16:20], packet[20:])) == 0


def test_a_cone_has_one_port_for_all_and_a_symmetric_one_for_each() -> None:
    cone, symmetric = router(Kind.CONE), router(Kind.SYMMETRIC)
    assert seen_port(cone, PRIME, 50001) == seen_port(cone, FRIEND, 40000)
    assert seen_port(symmetric, PRIME, 50001) != seen_port(symmetric, FRIEND, 40000)
    assert seen_port(symmetric, PRIME, 50001) == seen_port(symmetric, PRIME, 50001)


@pytest.mark.parametrize("kind", list(Kind))
def test_only_who_was_sent_something_may_answer(kind: Kind) -> None:
    nat = router(kind)
    outside = INSIDE if kind is Kind.FIREWALL else OUTSIDE
    assert nat.incoming(tcp(FRIEND, 80, outside, 25566)) is None
    port = seen_port(nat, PRIME, 50001)
    assert nat.incoming(tcp(PRIME, 50001, outside, port)) is not None
    for source, source_port in ((FRIEND, 50001), (PRIME, 50002)):
        assert nat.incoming(tcp(source, source_port, outside, port)) is None
    if kind is not Kind.FIREWALL:
        assert nat.incoming(tcp(PRIME, 50001, INSIDE, 25566)) is None  # its own address is known to nobody


@pytest.mark.root
@pytest.mark.parametrize("kind", list(Kind))
def test_real_sockets_behind_a_router(make_wan: Callable[..., Wan], kind: Kind) -> None:
    wan = make_wan(hosts=2)
    outside = wan.nat(1, kind)
    with wan.inside(2), socket.socket() as outer:
        outer.bind((wan.address(2), 0))
        outer.listen()
        with wan.inside(1), socket.create_connection(outer.getsockname(), timeout=20) as inner:
            there, name = outer.accept()
            with there:
                assert name[0] == outside
                inner.sendall(b"hello")
                assert there.recv(5) == b"hello"
        with wan.inside(1), socket.socket() as hidden:
            hidden.bind((wan.address(1), 0))
            hidden.listen()
            with wan.inside(2), socket.socket() as knocking:
                knocking.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    knocking.connect((outside, hidden.getsockname()[1]))
