"""This machine's own addresses. Nobody is asked for them: a name server that does not answer holds up nothing."""

import array
import socket
import struct
import sys
from pathlib import Path

from hocket.core.address import HostPort

_SIOCGIFADDR = 0x8915
_IFREQ_BYTES = 40
_ADDRESS_AT = 20
_IFA_F_DEPRECATED = 0x20
_IPV6_TABLE = Path("/proc/net/if_inet6")


def own_hosts() -> frozenset[str]:
    """Every address of this machine's interfaces; loopback included."""
    return frozenset({"127.0.0.1", "::1", *(host for host, _ in _of_interfaces()), *_outgoing()})


def named_hosts() -> list[tuple[str, str, bool]]:
    """Every address, its interface ("" where that is unknown), and whether the system takes it towards the outside."""
    outward = _outgoing()
    named = dict(_of_interfaces())
    return [(host, named.get(host, ""), host in outward) for host in dict.fromkeys([*outward, *named])]


def reachable(address: HostPort, advertise: str = "") -> list[HostPort]:
    """What to tell others instead of an address that is listened on: all of this machine's in place of a wildcard.

    The one that the system uses towards the outside comes first, loopback last; never empty. A host that the owner
    wants others to be told (`advertise`) comes before them, and instead of loopback.
    """
    if advertise:
        first = HostPort(advertise, address.port)
        return [first, *(own for own in reachable(address) if own != first and not own.is_loopback)]
    if not address.is_wildcard:
        return [address]
    outward = _outgoing()
    hosts = sorted(own_hosts(), key=lambda host: (host not in outward, host))
    told = [HostPort(host, address.port) for host in hosts if address.host == "::" or ":" not in host]
    outside = [host for host in told if not host.is_loopback and not host.host.startswith("fe80")]
    return [*outside, *(host for host in told if host.is_loopback)]


def _of_interfaces() -> list[tuple[str, str]]:
    """Addresses with their interfaces.

    Linux tells without a question to a name server; elsewhere the outgoing addresses have to do.
    """
    if sys.platform != "linux":
        return []
    return [*_ipv4(), *_ipv6()]


def _ipv4() -> list[tuple[str, str]]:
    """netdevice(7): one question for each interface."""
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            answer = array.array("B", struct.pack(f"{_IFREQ_BYTES}s", name.encode()))
            try:
                fcntl.ioctl(asking, _SIOCGIFADDR, answer)
            except OSError:
                continue  # an interface without an IPv4 address
            found.append((socket.inet_ntoa(answer[_ADDRESS_AT : _ADDRESS_AT + 4].tobytes()), name))
    return found


def _ipv6() -> list[tuple[str, str]]:
    """The kernel's table: 32 hex digits, and the interface last; what is going out of use is left out."""
    try:
        rows = _IPV6_TABLE.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    columns = [row.split() for row in rows]
    in_use = [row for row in columns if not int(row[4], 16) & _IFA_F_DEPRECATED]
    return [(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])), row[-1]) for row in in_use]


def _outgoing() -> list[str]:
    """The address that the system would use towards the outside; nothing is sent for it."""
    found = []
    for family, outside in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((outside, 9))
                found.append(str(probe.getsockname()[0]).partition("%")[0])
        except OSError:
            continue
    return found
