"""What a machine tells others to find it by."""

import socket
import sys

import pytest

from hocket.adapters.hosts import named_hosts, own_hosts, reachable
from hocket.core.address import HostPort


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_wildcard_is_told_to_nobody(host: str) -> None:
    told = reachable(HostPort(host, 50001))
    assert told
    assert {address.port for address in told} == {50001}
    assert {address.host for address in told} <= own_hosts()
    assert not any(address.is_wildcard for address in told)
    assert [address.is_loopback for address in told] == sorted(address.is_loopback for address in told)
    if host == "0.0.0.0":
        assert not any(":" in address.host for address in told)


@pytest.mark.parametrize("host", ["127.0.0.1", "music.example"])
def test_an_address_of_ones_own_choice_stays(host: str) -> None:
    assert reachable(HostPort(host, 1)) == [HostPort(host, 1)]


def test_every_interface_counts_and_the_way_out_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "hocket.adapters.hosts._of_interfaces",
        lambda: [("127.0.0.1", "lo"), ("10.9.0.1", "eth1"), ("172.17.0.1", "docker0"), ("fe80::1", "eth1")],
    )
    monkeypatch.setattr("hocket.adapters.hosts._outgoing", lambda: ["192.168.1.5"])
    told = [address.host for address in reachable(HostPort("0.0.0.0", 1))]
    assert told == ["192.168.1.5", "10.9.0.1", "172.17.0.1", "127.0.0.1"]
    assert "::1" in [address.host for address in reachable(HostPort("::", 1))]
    assert "fe80::1" not in [address.host for address in reachable(HostPort("::", 1))]


def test_an_address_is_known_with_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.adapters.hosts._of_interfaces", lambda: [("127.0.0.1", "lo"), ("10.9.0.1", "eth1")])
    monkeypatch.setattr("hocket.adapters.hosts._outgoing", lambda: ["10.9.0.1", "2001:db8::7"])
    assert named_hosts() == [("10.9.0.1", "eth1", True), ("2001:db8::7", "", True), ("127.0.0.1", "lo", False)]


def test_no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer would hold up the prime's event loop for seconds."""

    def asked(*question: object) -> None:
        raise AssertionError(f"asked for {question}")

    monkeypatch.setattr("socket.getaddrinfo", asked)
    assert "127.0.0.1" in own_hosts()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of interfaces")
def test_the_loopback_interface_is_known_by_name() -> None:
    assert ("127.0.0.1", "lo", False) in named_hosts()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of interfaces")
def test_what_the_interfaces_have_can_be_listened_on() -> None:
    for host in own_hosts() - {"::1"}:
        if ":" not in host:
            with socket.socket() as listening:
                listening.bind((host, 0))


def test_what_the_owner_wants_others_to_be_told_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.adapters.hosts._of_interfaces", lambda: [("127.0.0.1", "lo"), ("10.9.0.1", "eth1")])
    monkeypatch.setattr("hocket.adapters.hosts._outgoing", lambda: ["192.168.1.5"])
    told = [address.host for address in reachable(HostPort("0.0.0.0", 1), "music.example")]
    assert told == ["music.example", "192.168.1.5", "10.9.0.1"], "loopback would lead others to themselves"
    assert reachable(HostPort("127.0.0.1", 7), "music.example") == [HostPort("music.example", 7)]
    assert reachable(HostPort("10.9.0.1", 7), "10.9.0.1") == [HostPort("10.9.0.1", 7)]
