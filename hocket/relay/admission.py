"""Who may come in: floods of strangers, connections that say nothing, guests and the banned."""

import ipaddress
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import UserName
from hocket.relay.invites import InviteBook, InviteRefused, Scope
from hocket.relay.keys import PeerId, peer_id
from hocket.relay.limits import JOINS, JOINS_PER_ADDRESS, MAX_SILENCE_NS, Buckets, TokenBucket

MAX_PENDING = 64
"""Strangers' connections that have not said HELLO yet; as many again are kept for known addresses."""

MAX_ADDRESSES = 1_024
RETURN_S = 60
"""Who was in comes in again for so long, whatever became of the invite: a lost connection is no leave-taking."""

AWAY_S = 10
"""Who was sent away is told so again for so long: had it missed why, it would come back by itself at once."""

MAX_FRIENDS = 256
MAX_BANS = 256


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 household has."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class Door:
    """Decides on connections before anything is known but their address. Cheap: a flood passes here."""

    def __init__(self) -> None:
        self._joins = TokenBucket(JOINS)
        self._by_network = Buckets(JOINS_PER_ADDRESS, MAX_ADDRESSES)
        self._pending: dict[Hashable, int] = {}
        self._friendly: dict[str, None] = {}

    def knock(self, connection: Hashable, address: str, now_ns: int) -> bool:
        """Somebody connects. False: close it at once, without a handshake.

        Who has been let in from there before is not held up by a flood from elsewhere.
        """
        network = network_of(address)
        friendly = network in self._friendly
        if len(self._pending) >= MAX_PENDING * (1 + friendly) or not self._by_network.take(network, now_ns):
            return False
        if not friendly and not self._joins.take(now_ns):
            return False
        self._pending[connection] = now_ns
        return True

    def said_hello(self, connection: Hashable, now_ns: int) -> None:
        """It speaks: it has as long again to ask to be let in."""
        if connection in self._pending:
            self._pending[connection] = now_ns

    def greeted(self, connection: Hashable, address: str) -> None:
        """It said HELLO and was let in."""
        self._pending.pop(connection, None)
        network = network_of(address)
        self._friendly.pop(network, None)
        self._friendly[network] = None
        if len(self._friendly) > MAX_ADDRESSES:
            del self._friendly[next(iter(self._friendly))]

    def gone(self, connection: Hashable) -> None:
        """It was refused or closed."""
        self._pending.pop(connection, None)

    def silent(self, now_ns: int) -> list[Hashable]:
        """Connections that have said nothing for too long: close them."""
        return [one for one, since_ns in self._pending.items() if now_ns - since_ns >= MAX_SILENCE_NS]


@dataclass(frozen=True, slots=True)
class Guest:
    """A friend who is in: a certified user and the key of this login."""

    user: UserName
    key: bytes
    scope: Scope

    @property
    def id(self) -> PeerId:
        return peer_id(self.key)


class GuestList:
    """Who is in, who may come in, and who may do what."""

    def __init__(
        self, host_key: bytes, book: InviteBook, *, invite_only: bool = False, bare_scope: Scope = Scope.LISTEN
    ) -> None:
        """`invite_only`: a bare HOST:PORT is not enough; else it gives `bare_scope` to users of the same cluster."""
        self.invite_only = invite_only
        self.bare_scope = bare_scope
        self.book = book
        self._host_key = host_key
        self._guests: dict[PeerId, Guest] = {}
        self._banned: dict[UserName, int] = {}
        self._returning: dict[PeerId, tuple[Scope, int]] = {}  # rights, until when
        self._away: dict[PeerId, int] = {}

    @property
    def guests(self) -> tuple[Guest, ...]:
        return tuple(self._guests.values())

    def bans(self, now_s: int) -> tuple[tuple[UserName, int], ...]:
        """Who is out, and until when; for a successor."""
        return tuple((user, until_s) for user, until_s in self._banned.items() if until_s > now_s)

    def inherit_bans(self, bans: Iterable[tuple[UserName, int]]) -> None:
        """Go on from what an earlier host decided."""
        self._banned.update(bans)

    def expect(self, peers: Iterable[PeerId], now_s: int) -> None:
        """These were in with the host before me; who came by an invite shows it again, for its rights."""
        self._returning.update((peer, (self.bare_scope, now_s + RETURN_S)) for peer in peers)

    def admit(self, user: UserName, key: bytes, token: bytes | None, now_s: int) -> Guest:
        """A certified user wants in, with an invite's token or None. Its own earlier connection gives way.

        Raises as `check_visit`.
        """
        guest = Guest(user, key, self.check_visit(user, key, token, now_s))
        self._guests[guest.id] = guest
        return guest

    def check_visit(self, user: UserName, key: bytes, token: bytes | None, now_s: int) -> Scope:
        """Whether somebody would be let in now, and with which rights. An invite counts as used.

        Raises HocketError: NOT_ALLOWED for the host itself, the banned, who was sent away, and strangers
        where an invite is needed; INVITE_REFUSED; NODE_FULL.
        """
        if key == self._host_key:
            raise HocketError("you are hosting this session", code=ErrorCode.NOT_ALLOWED, hint="you hear it already")
        if self._banned.get(user, 0) > now_s:
            raise HocketError(
                "the host does not want you here now", code=ErrorCode.NOT_ALLOWED, hint="ask the host in person"
            )
        if self._away.get(peer_id(key), 0) > now_s:
            raise HocketError("the host has sent you away", code=ErrorCode.NOT_ALLOWED)
        if len(self._guests) >= MAX_FRIENDS and peer_id(key) not in self._guests:
            raise HocketError(f"{MAX_FRIENDS} friends are listening already", code=ErrorCode.NODE_FULL)
        return self._scope(user, key, token, now_s)

    def _scope(self, user: UserName, key: bytes, token: bytes | None, now_s: int) -> Scope:
        before, until_s = self._returning.get(peer_id(key), (None, 0))
        if token is not None:
            try:
                return self.book.redeem(token, user, now_s)
            except InviteRefused:
                if before is None or until_s < now_s:
                    raise
        if before is not None and until_s >= now_s:
            return before
        if self.invite_only:
            raise HocketError(
                "this session is for those with an invite", code=ErrorCode.NOT_ALLOWED, hint="ask the host for one"
            )
        return self.bare_scope

    def left(self, peer: PeerId, now_s: int) -> None:
        """A friend's connection is gone; it may come back soon."""
        guest = self._guests.pop(peer, None)
        self._returning = {one: kept for one, kept in self._returning.items() if kept[1] >= now_s}
        if guest is not None:
            self._returning[peer] = guest.scope, now_s + RETURN_S

    def send_away(self, peer: PeerId, now_s: int) -> None:
        """A friend has to go; after AWAY_S it comes in again as anybody does."""
        self._forget(peer)
        self._away = {one: until_s for one, until_s in self._away.items() if until_s > now_s}
        self._away[peer] = now_s + AWAY_S

    def _forget(self, peer: PeerId) -> None:
        self._guests.pop(peer, None)
        self._returning.pop(peer, None)

    def check_control(self, peer: PeerId) -> None:
        """Raises HocketError (NOT_ALLOWED) unless this guest may pause, seek, skip and change the queue."""
        guest = self._guests.get(peer)
        if guest is None or guest.scope is not Scope.CONTROL:
            raise HocketError(
                "you may listen here, not control",
                code=ErrorCode.NOT_ALLOWED,
                hint="ask the host for an invite that may",
            )

    def grant(self, peer: PeerId, scope: Scope) -> None:
        """The host gives a guest other rights for this stay. Nothing happens for one who has left."""
        guest = self._guests.get(peer)
        if guest is not None:
            self._guests[peer] = Guest(guest.user, guest.key, scope)

    def ban(self, user: UserName, now_s: int, for_s: int) -> tuple[Guest, ...]:
        """Keep a user out for so long; whose connections to close. Raises HocketError when MAX_BANS are out already."""
        self._banned = {one: until_s for one, until_s in self._banned.items() if until_s > now_s}
        if len(self._banned) >= MAX_BANS and user not in self._banned:
            raise HocketError(
                f"{MAX_BANS} users are banned already", code=ErrorCode.TOO_MANY_REQUESTS, hint="make it invite-only"
            )
        self._banned[user] = now_s + for_s
        out = tuple(guest for guest in self._guests.values() if guest.user == user)
        for guest in out:
            self._forget(guest.id)
        return out

    def unban(self, user: UserName) -> None:
        """Let a user in again."""
        self._banned.pop(user, None)
