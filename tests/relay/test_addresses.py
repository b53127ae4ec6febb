import pytest

from hocket.core.address import HostPort
from hocket.relay.addresses import (
    MAX_ADDRESSES,
    OwnAddress,
    is_for_others,
    is_public,
    told_to_friends,
    without_mapping,
)

LOOPBACK = [OwnAddress("127.0.0.1", "lo"), OwnAddress("::1", "lo")]
HOME = OwnAddress("192.168.1.5", "eth0", outward=True)
GLOBAL = OwnAddress("2001:db8:7::5", "eth0", outward=True)
VPN = OwnAddress("10.8.0.2", "wg0")
SECOND = OwnAddress("10.0.0.9", "wlan0")
DOCKER = OwnAddress("172.17.0.1", "docker0")
LINK = [OwnAddress("169.254.3.4", "eth1"), OwnAddress("fe80::1%eth0", "eth0")]
EVERYWHERE, BOTH = HostPort("0.0.0.0", 25566), HostPort("::", 25566)


def told(bound: HostPort, *own: OwnAddress, advertise: HostPort | None = None) -> list[str]:
    return [str(at) for at in told_to_friends(bound, own, advertise)]


def test_the_way_out_comes_first_and_what_leads_nowhere_is_left_out() -> None:
    own = (*LOOPBACK, DOCKER, VPN, *LINK, SECOND, HOME, GLOBAL)
    assert told(EVERYWHERE, *own) == ["192.168.1.5:25566", "10.0.0.9:25566", "10.8.0.2:25566"]
    assert told(BOTH, *own) == [
        "192.168.1.5:25566",
        "[2001:db8:7::5]:25566",
        "10.0.0.9:25566",
        "10.8.0.2:25566",
    ]


def test_a_tunnel_that_everything_goes_through_comes_first() -> None:
    out = OwnAddress("10.8.0.2", "tun0", outward=True)
    assert told(EVERYWHERE, SECOND, out) == ["10.8.0.2:25566", "10.0.0.9:25566"]


def test_networks_inside_this_machine_are_told_only_where_there_is_nothing_else() -> None:
    assert told(EVERYWHERE, *LOOPBACK, DOCKER) == ["172.17.0.1:25566"]
    assert told(EVERYWHERE, *LOOPBACK, DOCKER, SECOND) == ["10.0.0.9:25566"]


@pytest.mark.parametrize(("bound", "alone"), [(EVERYWHERE, "127.0.0.1:25566"), (BOTH, "[::1]:25566")])
def test_a_machine_without_a_network_has_friends_on_itself_only(bound: HostPort, alone: str) -> None:
    assert told(bound, *LOOPBACK) == told(bound) == [alone]


def test_who_listens_at_one_address_tells_that_one() -> None:
    for host in ("192.168.1.5", "2001:db8::7", "127.0.0.1"):
        assert told_to_friends(HostPort(host, 7), [HOME, GLOBAL]) == [HostPort(host, 7)]


def test_what_the_owner_says_wins() -> None:
    assert told(EVERYWHERE, HOME, advertise=HostPort("music.example.org", 4000)) == ["music.example.org:4000"]
    assert told(EVERYWHERE, HOME, advertise=HostPort("203.0.113.9", 0)) == ["203.0.113.9:25566"]


def test_an_invite_has_room_for_a_few() -> None:
    many = [OwnAddress(f"10.0.{number}.1", f"eth{number}") for number in range(20)]
    assert len(told(EVERYWHERE, *many)) == MAX_ADDRESSES
    assert len(set(told(EVERYWHERE, *many, *many))) == MAX_ADDRESSES


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.251", "fe80::1%eth0"])
def test_what_is_of_no_use_elsewhere(host: str) -> None:
    assert not is_for_others(host)


@pytest.mark.parametrize("host", ["192.168.1.5", "2001:db8::7", "music.example.org", "8.8.8.8"])
def test_what_is(host: str) -> None:
    assert is_for_others(host)


@pytest.mark.parametrize(
    ("host", "public"),
    [("8.8.8.8", True), ("192.168.1.5", False), ("100.64.3.4", False), ("10.1.1.1", False), ("nonsense", False)],
)
def test_what_the_internet_knows(host: str, public: bool) -> None:
    assert is_public(host) is public


def test_an_ipv4_address_is_one_on_a_socket_for_both() -> None:
    assert without_mapping("::ffff:192.168.1.5") == "192.168.1.5"
    for host in ("192.168.1.5", "2001:db8::7", "fe80::1%eth0", "a name"):
        assert without_mapping(host) == host
