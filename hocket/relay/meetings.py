"""Who hosts where, as the prime knows it: who may be sent to whom, and what is carried between them.

A connection to the prime stands here as any hashable object; its address is the one that the prime sees, which
nobody can forge who has a TLS connection. Only such addresses are ever told to another side to dial.
"""

import ipaddress
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import UserName
from hocket.relay.budget import Budget, cost
from hocket.relay.keys import GroupId
from hocket.relay.limits import Allowance, Buckets
from hocket.relay.lineage import Reign, accept

K = TypeVar("K")

MAX_HOSTS = 10_000
MAX_HOSTS_OF_ONE = 8
"""Listeners of one user that host at a time: a home with one account."""

MAX_CHANNELS = 64
"""What the prime carries at most: 1.5 MB/s each way if all are as busy as can be."""

MAX_CHANNELS_OF_HOST = 16
MAX_CHANNELS_OF_ONE = 4
MEETINGS = Allowance(per_s=1, burst=12)
"""Of one user: who looks for a host tries two or three ways, and again when a line broke."""

VISITS = Allowance(per_s=5, burst=60)
"""To one host, from all: each may make it dial."""

HOSTINGS = Allowance(per_s=2, burst=20)
"""Of one user."""

MAX_BUCKETS = 10_000


class TooOften(HocketError):
    """Not now."""

    code = ErrorCode.TOO_MANY_REQUESTS

    def __init__(self, text: str) -> None:
        super().__init__(text, hint="wait a little, then try again", retry_s=2.0)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks on a connection: its ticket's user and session key, and where the connection is seen to come from."""

    link: Hashable
    user: UserName
    key: bytes
    seen: HostPort


@dataclass(slots=True, eq=False)
class Hosting:
    """One who hosts. `door`: its connection from the port where friends join, once there is one."""

    caller: Caller
    group: GroupId
    reign: Reign
    addresses: tuple[HostPort, ...]
    is_listed: bool
    door: Caller | None = None

    @property
    def known_as(self) -> set[HostPort]:
        """Where friends may think that it is."""
        seen = {HostPort(self.caller.seen.host, at.port) for at in self.addresses}
        return {*self.addresses, *seen, *([self.door.seen] if self.door is not None else [])}


@dataclass(slots=True, eq=False)
class Channel:
    """Two connections between which bytes are carried; each has a budget of its own."""

    number: int
    host: Hashable
    friend: Hashable
    user: UserName
    budgets: dict[Hashable, Budget] = field(default_factory=dict)

    def other(self, link: Hashable) -> Hashable:
        """The other end."""
        return self.host if link == self.friend else self.friend


class Meetings:
    """The prime's book of hosts and channels. Times in ns, any clock that does not go back."""

    def __init__(self) -> None:
        self._by_group: dict[GroupId, Hosting] = {}
        self._by_link: dict[Hashable, Hosting] = {}
        self._by_user: dict[UserName, set[GroupId]] = {}
        self._by_address: dict[HostPort, set[GroupId]] = {}
        self._channels: dict[int, Channel] = {}
        self._number = 0
        self._meetings = Buckets(MEETINGS, MAX_BUCKETS)
        self._visits = Buckets(VISITS, MAX_BUCKETS)
        self._hostings = Buckets(HOSTINGS, MAX_BUCKETS)

    def __len__(self) -> int:
        """How many host."""
        return len(self._by_group)

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self._channels)

    # hosts

    def here(
        self,
        caller: Caller,
        group: GroupId,
        reign: Reign | None,
        addresses: tuple[HostPort, ...],
        *,
        is_listed: bool,
        now_ns: int,
    ) -> None:
        """Somebody says that it hosts a group; an empty one: no longer. Raises HocketError (NOT_ALLOWED, TooOften)."""
        if not self._hostings.take(caller.user, now_ns):
            raise TooOften("you begin to host too often")
        before = self._by_link.get(caller.link)
        if before is not None and before.group != group:
            self._drop(before)
        if not group or reign is None:
            return
        self._check(caller, group, reign)
        own = self._by_user.get(caller.user, set()) - {group}
        if len(own) >= MAX_HOSTS_OF_ONE or len(self._by_group) >= MAX_HOSTS:
            raise HocketError("too many host already", code=ErrorCode.NODE_FULL)
        known = self._by_group.get(group)
        if known is not None:
            self._drop(known)
        fit = tuple(at for at in addresses if _may_claim(at, caller.seen))
        door = known.door if known is not None and known is before else None
        self._put(Hosting(caller, group, reign, fit, is_listed, door))

    def _check(self, caller: Caller, group: GroupId, reign: Reign) -> None:
        claim = reign.claim if reign.links else None
        known = self._by_group.get(group)
        if claim is None or claim.group != group or claim.host_key != caller.key or accept(reign, reign) is None:
            raise HocketError("that does not prove that you host", code=ErrorCode.NOT_ALLOWED)
        if known is None or known.reign.claim == claim:
            return
        if not claim.beats(known.reign.claim) or accept(reign, known.reign) is None:
            raise HocketError("another one hosts this session", code=ErrorCode.NOT_ALLOWED)

    def door(self, caller: Caller, group: GroupId) -> None:
        """A host's second connection, from its own port. Raises HocketError (NOT_ALLOWED)."""
        host = self._by_group.get(group)
        if host is None or host.caller.key != caller.key:
            raise HocketError("you do not host this session", code=ErrorCode.NOT_ALLOWED)
        self._drop(host)
        host.door = caller
        self._put(host)

    def gone(self, link: Hashable) -> list[Channel]:
        """A connection closed: it hosts no longer, and these channels are gone."""
        host = self._by_link.get(link)
        if host is not None:
            self._drop(host)
            if host.caller.link != link:
                host.door = None
                self._put(host)
        ended = [one for one in self._channels.values() if link in (one.host, one.friend)]
        for one in ended:
            del self._channels[one.number]
        return ended

    def _put(self, host: Hosting) -> None:
        self._by_group[host.group] = host
        self._by_user.setdefault(host.caller.user, set()).add(host.group)
        for caller in (host.caller, host.door):
            if caller is not None:
                self._by_link[caller.link] = host
        for at in host.known_as:
            self._by_address.setdefault(at, set()).add(host.group)

    def _drop(self, host: Hosting) -> None:
        del self._by_group[host.group]
        _take_out(self._by_user, host.caller.user, host.group)
        for caller in (host.caller, host.door):
            if caller is not None:
                self._by_link.pop(caller.link, None)
        for at in host.known_as:
            _take_out(self._by_address, at, host.group)

    # meetings

    def find(self, caller: Caller, group: GroupId, at: HostPort | None, now_ns: int) -> Hosting:
        """Whom a friend looks for: by the group, else by an address. Raises HocketError."""
        if not self._meetings.take(caller.user, now_ns):
            raise TooOften("you look for hosts too often")
        host = self._by_group.get(group) if group else self._at(at, caller)
        if host is None:
            raise NotReachable(
                "the prime knows nobody who hosts there",
                hint="is your friend playing, logged in at this cluster, and is the address right?",
            )
        if host.caller.key == caller.key:
            raise HocketError("you cannot follow yourself", code=ErrorCode.NOT_ALLOWED, hint="you hear it already")
        if not self._visits.take(host.group, now_ns):
            raise TooOften("too many look for this host just now")
        return host

    def _at(self, at: HostPort | None, caller: Caller) -> Hosting | None:
        groups = self._by_address.get(at, set()) if at is not None else set()
        found = [host for host in map(self._by_group.__getitem__, groups) if host.is_listed]
        near = [one for one in found if one.caller.seen.host == caller.seen.host]
        if len(found) > 1 and len(near) != 1:
            raise HocketError(
                f"several host at {at}, in homes of their own",
                code=ErrorCode.AMBIGUOUS,
                hint="ask your friend for an invite",
            )
        return next(iter(near or found), None)

    def direct(self, host: Hosting, caller: Caller) -> tuple[HostPort, ...]:
        """Where this friend may reach the host without its help: at public addresses, or at all from the same home."""
        near = host.caller.seen.host == caller.seen.host
        return tuple(at for at in host.addresses if near or not _is_private(at.host))

    # channels

    def open_channel(self, host: Hosting, friend: Caller, now_ns: int) -> Channel:
        """Begin to carry. The host must have a door. Raises HocketError (NODE_FULL)."""
        assert host.door is not None, "a channel ends at the host's door"
        mine = sum(1 for one in self._channels.values() if one.user == friend.user)
        its = sum(1 for one in self._channels.values() if one.host == host.door.link)
        if len(self._channels) >= MAX_CHANNELS or mine >= MAX_CHANNELS_OF_ONE or its >= MAX_CHANNELS_OF_HOST:
            raise HocketError(
                "the prime carries as much as it may already",
                code=ErrorCode.NODE_FULL,
                hint="ask your friend to open TCP port 25566, or try again later",
            )
        self._number += 1
        ends: tuple[Hashable, Hashable] = (host.door.link, friend.link)
        channel = Channel(self._number, *ends, friend.user, {end: Budget(now_ns) for end in ends})
        self._channels[channel.number] = channel
        return channel

    def carry(self, link: Hashable, number: int, size_bytes: int, now_ns: int) -> Hashable | None:
        """Where bytes go; None for a channel that is not this connection's (any more). Raises TooOften: end it."""
        channel = self._channels.get(number)
        if channel is None or link not in (channel.host, channel.friend):
            return None
        if not channel.budgets[link].take(cost(size_bytes), now_ns):
            raise TooOften("more was sent through the prime than it carries")
        return channel.other(link)

    def end(self, link: Hashable, number: int) -> Hashable | None:
        """One side is done; the other, who is to be told."""
        channel = self._channels.get(number)
        if channel is None or link not in (channel.host, channel.friend):
            return None
        del self._channels[number]
        return channel.other(link)


def _take_out(index: "dict[K, set[GroupId]]", key: K, group: GroupId) -> None:
    """Leave no empty sets behind."""
    index[key].discard(group)
    if not index[key]:
        del index[key]


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_private
    except ValueError:
        return False


def _may_claim(at: HostPort, seen: HostPort) -> bool:
    """Whether somebody seen there may say that friends find it at `at`: its own public host, or one of a home."""
    try:
        ip = ipaddress.ip_address(at.host.partition("%")[0])
    except ValueError:
        return False
    return at.port > 0 and not ip.is_unspecified and not ip.is_multicast and (ip.is_private or at.host == seen.host)
