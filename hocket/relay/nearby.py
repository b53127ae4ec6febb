"""Who hosts in this network: what a host says of itself by DNS-SD (RFC 6763), and what others make of it.

Anybody in the network can say anything. So every text is cut and cleaned, every list bounded, and nothing is
believed: an entry is an address to try. Who really is there the ticket proves when somebody joins.
"""

import ipaddress
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from hocket.core.address import HostPort
from hocket.core.ids import UserName
from hocket.relay.addresses import is_for_others

SERVICE = "_hocket._tcp.local."
VERSION = b"1"
ID_DIGITS = 16
CLUSTER_DIGITS = 16
"""Of the cluster's fingerprint: enough to tell clusters apart, nothing to trust."""

MAX_TEXT_CHARS = 64
MAX_LABEL_BYTES = 63
MAX_NEIGHBOURS = 64
MAX_HOSTS = 8

_BARE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class Notice(msgspec.Struct, frozen=True):
    """What a host says of itself. `id`: ID_DIGITS hex digits of its own choice, new for every session."""

    id: str
    name: str  # of the machine, for people
    user: UserName
    cluster: str  # the first CLUSTER_DIGITS of the cluster's fingerprint
    port: int
    invite_only: bool = False


class Neighbour(msgspec.Struct, frozen=True, order=True):
    """A host nearby, as far as it says so itself. `address`: where to join."""

    user: str
    name: str
    address: str
    invite_only: bool = False


def clean(text: str) -> str:
    """One line that is fit to be shown: no control, direction or unassigned characters, not too long."""
    shown = (char if unicodedata.category(char) not in _BARE_CATEGORIES else " " for char in text[: 8 * MAX_TEXT_CHARS])
    return " ".join("".join(shown).split())[:MAX_TEXT_CHARS].strip()


def instance_of(notice: Notice) -> str:
    """The service's name: for people who look with other programs, and unlike any other host's."""
    label = clean(notice.user).replace(".", " ").encode()[: MAX_LABEL_BYTES - ID_DIGITS - 1]
    return f"{label.decode(errors='ignore')} {notice.id}.{SERVICE}"


def texts_of(notice: Notice) -> dict[str, bytes]:
    """The TXT record: each entry at most 255 bytes."""
    return {
        "v": VERSION,
        "id": notice.id.encode(),
        "n": clean(notice.name).encode()[:200],
        "u": clean(notice.user).encode()[:200],
        "c": notice.cluster[:CLUSTER_DIGITS].encode(),
        "i": b"1" if notice.invite_only else b"0",
    }


def read_notice(texts: Mapping[bytes, bytes | None], port: int | None) -> Notice | None:
    """What a TXT record says; None for what is no host of ours, or of a later version that we cannot read."""
    if texts.get(b"v") != VERSION or not port or not 0 < port < 65536:
        return None
    words = {key: (texts.get(key) or b"")[:255].decode(errors="replace") for key in (b"id", b"n", b"u", b"c", b"i")}
    user = clean(words[b"u"])
    if not user or len(words[b"id"]) != ID_DIGITS:
        return None
    return Notice(words[b"id"], clean(words[b"n"]), UserName(user), words[b"c"], port, words[b"i"] == "1")


def nearest(hosts: Sequence[str], own: Sequence[str]) -> str | None:
    """The one of a neighbour's addresses that has most in common with one of ours; None where none is of use."""
    usable = [host for host in hosts[:MAX_HOSTS] if is_for_others(host)]
    return max(usable, key=lambda host: max((_common_bits(host, mine) for mine in own), default=0), default=None)


def _common_bits(one: str, other: str) -> int:
    try:
        a, b = ipaddress.ip_address(one.partition("%")[0]), ipaddress.ip_address(other.partition("%")[0])
    except ValueError:
        return 0
    return a.max_prefixlen - (int(a) ^ int(b)).bit_length() if a.version == b.version else 0


class Neighbours:
    """Those of one's own cluster who host nearby, by the names of their services; a flood fills the list, no more."""

    def __init__(self, cluster: str) -> None:
        """`cluster`: the fingerprint of one's own."""
        self._cluster = cluster[:CLUSTER_DIGITS]
        self._found: dict[str, Neighbour] = {}
        self.own_id = ""  # what this machine says itself is no neighbour

    @property
    def listed(self) -> tuple[Neighbour, ...]:
        return tuple(sorted(self._found.values()))

    def put(self, service: str, notice: Notice | None, hosts: Sequence[str], own: Sequence[str]) -> bool:
        """What a service says now; whether the list is another for it."""
        host = nearest(hosts, own)
        if notice is None or host is None or notice.cluster != self._cluster or notice.id == self.own_id:
            return self.drop(service)
        found = Neighbour(notice.user, notice.name, str(HostPort(host, notice.port)), notice.invite_only)
        if self._found.get(service) == found or (service not in self._found and len(self._found) >= MAX_NEIGHBOURS):
            return False
        self._found[service] = found
        return True

    def drop(self, service: str) -> bool:
        """A service is gone; whether the list is another for it."""
        return self._found.pop(service, None) is not None
