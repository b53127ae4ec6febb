"""What a machine tells others to find it by."""

import pytest

from hocket.adapters.hosts import own_hosts, reachable
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
