"""Addresses as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.address import BadAddress, ClusterAddress, HostPort

FINGERPRINT = "ab" * 32


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.168.1.5:50001", "192.168.1.5", 50001),
        ("[::1]:1", "::1", 1),
        (" music.example:65535 ", "music.example", 65535),
        ("music.example", "music.example", 50001),
        ("[fe80::1]", "fe80::1", 50001),
    ],
)
def test_what_people_write(text: str, host: str, port: int) -> None:
    assert HostPort.parse(text, default_port=50001) == HostPort(host, port)


@pytest.mark.parametrize("text", ["", ":", ":50001", "host:", "host:70000", "host:-1", "host:x", "::1:50001", "h:５"])
def test_what_is_no_address_says_how_one_looks(text: str) -> None:
    with pytest.raises(BadAddress) as caught:
        HostPort.parse(text)
    assert "50001" in caught.value.hint


@given(st.ip_addresses(), st.integers(0, 65535))
def test_it_reads_what_it_writes(ip: object, port: int) -> None:
    address = HostPort(str(ip), port)
    assert HostPort.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"hocket://h:1#{FINGERPRINT}", ClusterAddress(HostPort("h", 1), FINGERPRINT)),
        (f"HOCKET://h:1/#{FINGERPRINT.upper()}", ClusterAddress(HostPort("h", 1), FINGERPRINT)),
        ("hocket://h:1", ClusterAddress(HostPort("h", 1))),
        ("h:1", ClusterAddress(HostPort("h", 1))),
    ],
)
def test_cluster_addresses(text: str, expected: ClusterAddress) -> None:
    assert ClusterAddress.parse(text) == expected
    assert ClusterAddress.parse(str(expected)) == expected


def test_half_a_fingerprint_is_refused() -> None:
    with pytest.raises(BadAddress):
        ClusterAddress.parse(f"hocket://h:1#{FINGERPRINT[:-2]}")


def test_where_a_process_of_the_same_machine_connects() -> None:
    assert HostPort("0.0.0.0", 5).on_this_machine == HostPort("127.0.0.1", 5)
    assert HostPort("::", 5).on_this_machine == HostPort("::1", 5)
    assert HostPort("10.0.0.1", 5).on_this_machine == HostPort("10.0.0.1", 5)
    assert HostPort("127.9.9.9", 5).is_loopback
    assert not HostPort("128.0.0.1", 5).is_loopback
