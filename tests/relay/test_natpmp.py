import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.relay.natpmp import (
    Denied,
    Granted,
    ask_nat_pmp,
    ask_nat_pmp_address,
    ask_pcp,
    read_nat_pmp,
    read_nat_pmp_address,
    read_pcp,
)

NONCE = bytes(range(12))
OUTER = bytes.fromhex("00000000000000000000ffffcb007109")  # ::ffff:203.0.113.9


def pcp_answer(
    result: int = 0, nonce: bytes = NONCE, protocol: int = 6, port: int = 25566, version: int = 2, lifetime_s: int = 600
) -> bytes:
    header = struct.pack("!BBxBII12x", version, 0x81, result, lifetime_s, 1)
    return header + struct.pack("!12sBxxxHH16s", nonce, protocol, port, 4000, OUTER)


def test_a_question_in_pcp_is_as_the_rfc_draws_it() -> None:
    asked = ask_pcp("192.168.1.5", NONCE, 25566, 25566, 1200)
    assert len(asked) == 60
    assert asked[:2] == bytes((2, 1))
    assert asked[4:8] == (1200).to_bytes(4, "big")
    assert asked[8:24].hex() == "00000000000000000000ffffc0a80105"
    assert asked[24:36] == NONCE
    assert asked[36:40] == bytes((6, 0, 0, 0))
    assert asked[40:44] == struct.pack("!HH", 25566, 25566)
    assert asked[44:].hex() == "00000000000000000000ffff00000000"


def test_a_question_in_nat_pmp_is_as_the_rfc_draws_it() -> None:
    assert ask_nat_pmp_address() == b"\0\0"
    assert ask_nat_pmp(25566, 4000, 1200).hex() == "0002000063de0fa0000004b0"
    assert ask_nat_pmp(25566, 4000, 0).hex() == "0002000063de000000000000", "nothing is suggested at the end"


def test_answers_in_pcp() -> None:
    assert read_pcp(pcp_answer(), NONCE, 25566) == Granted(4000, 600, "203.0.113.9")
    assert read_pcp(pcp_answer(2), NONCE, 25566) == Denied("its owner does not allow that")
    assert read_pcp(pcp_answer(77), NONCE, 25566) == Denied("it says error 77")


@pytest.mark.parametrize(
    "foreign",
    [
        pcp_answer(nonce=bytes(12)),
        pcp_answer(protocol=17),
        pcp_answer(port=1),
        pcp_answer()[:40],
        pcp_answer()[:20],
        b"",
        b"\2" * 1101,
        ask_pcp("192.168.1.5", NONCE, 25566, 25566, 1),
    ],
)
def test_what_is_no_answer_to_this_question_is_passed_over(foreign: bytes) -> None:
    assert read_pcp(foreign, NONCE, 25566) is None


@pytest.mark.parametrize("older", [bytes((0, 128, 0, 1, 0, 0, 0, 0)), pcp_answer(1), pcp_answer(version=3)])
def test_a_router_that_speaks_the_older_protocol_says_so(older: bytes) -> None:
    denied = read_pcp(older, NONCE, 25566)
    assert isinstance(denied, Denied)
    assert denied.is_version


def test_answers_in_nat_pmp() -> None:
    granted = struct.pack("!BBHIHHI", 0, 130, 0, 1, 25566, 4000, 600)
    assert read_nat_pmp(granted, 25566) == Granted(4000, 600)
    assert read_nat_pmp(granted, 1) is None
    assert read_nat_pmp(granted + b"x", 25566) is None
    assert read_nat_pmp(bytes((0, 130, 0, 2)), 25566) == Denied("its owner does not allow that")
    assert read_nat_pmp_address(struct.pack("!BBHI4B", 0, 128, 0, 1, 203, 0, 113, 9)) == "203.0.113.9"
    assert read_nat_pmp_address(bytes((0, 128, 0, 3))) == Denied("it has no connection itself")
    assert read_nat_pmp_address(granted) is None
    assert read_nat_pmp(b"\0\200", 25566) is None


@given(st.binary(max_size=1200))
def test_any_datagram_is_an_answer_or_nothing(answer: bytes) -> None:
    for read in (read_pcp(answer, NONCE, 25566), read_nat_pmp(answer, 25566)):
        assert read is None or isinstance(read, Granted | Denied)
    address = read_nat_pmp_address(answer)
    assert address is None or isinstance(address, str | Denied)
