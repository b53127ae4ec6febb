"""This machine's own addresses."""

import contextlib
import socket

from hocket.core.address import HostPort


def own_hosts() -> frozenset[str]:
    """Every address under which this machine is known to itself; loopback included."""
    hosts = {"127.0.0.1", "::1"}
    with contextlib.suppress(OSError):  # a machine whose name does not resolve still has its interfaces
        hosts |= {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None)}
    hosts |= set(_outgoing())
    return frozenset(host.partition("%")[0] for host in hosts)


def reachable(address: HostPort) -> list[HostPort]:
    """What to tell others instead of an address that is listened on: all of this machine's in place of a wildcard.

    Those that other machines can reach come first, loopback last; never empty.
    """
    if not address.is_wildcard:
        return [address]
    hosts = [HostPort(host, address.port) for host in sorted(own_hosts())]
    if address.host == "0.0.0.0":
        hosts = [host for host in hosts if ":" not in host.host]
    outside = [host for host in hosts if not host.is_loopback and not host.host.startswith("fe80")]
    return [*outside, *(host for host in hosts if host.is_loopback)]


def _outgoing() -> list[str]:
    """The address that the system would use towards the outside; nothing is sent for it."""
    found = []
    for family, outside in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((outside, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return found
