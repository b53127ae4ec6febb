"""Which of a machine's addresses friends are told: those that lead to it from elsewhere, the likeliest first."""

import ipaddress
from collections.abc import Sequence

import msgspec

from hocket.core.address import HostPort

MAX_ADDRESSES = 4
"""What an invite carries: more than a machine at home has, and still one line."""

_WITHIN = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "vmnet",
    "vboxnet",
    "lxc",
    "lxd",
    "podman",
    "cni",
    "flannel",
    "cali",
    "kube",
)
"""Networks inside this machine, by the names that their makers give them."""

_TUNNELS = ("tun", "tap", "wg", "ppp", "tailscale", "zt", "utun")


class OwnAddress(msgspec.Struct, frozen=True):
    """One address of one interface. `outward`: the system takes it towards the Internet."""

    host: str
    interface: str = ""
    outward: bool = False


def told_to_friends(bound: HostPort, own: Sequence[OwnAddress], advertise: HostPort | None = None) -> list[HostPort]:
    """Where friends are to connect to what listens at `bound`; never empty, never more than MAX_ADDRESSES.

    What the owner says (`advertise`, port 0: the bound one) wins, and a single address that is listened on is the
    answer itself. For a wildcard: outward addresses first, then home networks, then tunnels; loopback and
    what only this machine knows is for nobody, unless there is nothing else.
    """
    if advertise is not None:
        return [HostPort(advertise.host, advertise.port or bound.port)]
    if not bound.is_wildcard:
        return [bound]
    wanted = [one for one in own if _is_of(one.host, bound) and is_for_others(one.host)]
    within = [one for one in wanted if one.interface.startswith(_WITHIN) and not one.outward]
    outside = [one for one in wanted if one not in within]
    ranked = sorted(outside or within, key=_rank)
    hosts = list(dict.fromkeys(one.host for one in ranked))[:MAX_ADDRESSES]
    return [HostPort(host, bound.port) for host in hosts] or [bound.on_this_machine]


def is_for_others(host: str) -> bool:
    """Whether an address can be of use on another machine; names may be."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host not in ("", "localhost")
    return not (ip.is_loopback or ip.is_unspecified or ip.is_multicast or ip.is_link_local)


def is_public(host: str) -> bool:
    """Whether the whole Internet knows this address: a router behind another one has none."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def without_mapping(host: str) -> str:
    """An IPv4 address as such where a socket for both families shows it as `::ffff:1.2.3.4`."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped) if mapped is not None else host


def _is_of(host: str, bound: HostPort) -> bool:
    return bound.host == "::" or ":" not in host


def _rank(one: OwnAddress) -> tuple[bool, bool, bool, str, str]:
    return (not one.outward, one.interface.startswith(_TUNNELS), ":" in one.host, one.interface, one.host)
