"""Invites: `hocket://HOST:PORT[,HOST:PORT…]#i1.…`, text that a host signs and a friend pastes.

An invite names the group, the host's key by its fingerprint, until when and how often it is good and
what it allows. The host alone checks and counts it; the friend needs only the fingerprint, to know
that it reached the right host. What is used up or withdrawn it remembers until it expires.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from hocket.core.address import SCHEME, BadAddress, HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.keys import GroupId, Sign, canonical, fingerprint, is_signed_by

MARK = "i1."
"""What tells an invite from a cluster's address, whose fragment is a bare fingerprint."""

INVITE_ID_BYTES = 6
MAX_USES = 200
MAX_INVITES = 64
"""Invites that one host keeps count of at a time."""

MAX_PLACES = 5
"""Addresses of one host that a friend tries."""

MAX_INVITE_S = 30 * 86_400
"""No invite is good for longer than a month."""

_SIZES = (16, 32, INVITE_ID_BYTES, 64)
_PASTE_DEBRIS = " \t\r\n<>\"'`\u200b\u2028\ufeff"


class InviteRefused(HocketError):
    """An invite that is damaged, foreign, expired, revoked or used up."""

    code = ErrorCode.INVITE_REFUSED


class Scope(StrEnum):
    """What a friend may do."""

    LISTEN = "listen"
    CONTROL = "control"  # pause, seek, skip and change the queue as well


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What the host signs; the address is not in it, since that changes from network to network."""

    group: bytes  # GroupId as bytes
    host_fingerprint: bytes  # SHA-256 of the host's public key
    id: bytes
    expires_s: int  # cluster time, seconds since 1970
    uses: int
    scope: Scope


class _Body(msgspec.Struct, frozen=True, array_like=True):
    terms: Terms
    signature: bytes


class Invite(msgspec.Struct, frozen=True):
    """A parsed invite: where to connect, whom to expect there, what to show."""

    at: HostPort
    terms: Terms
    signature: bytes
    also: tuple[HostPort, ...] = ()  # where the host may be found, too: one address for home, another for elsewhere

    @property
    def group(self) -> GroupId:
        return GroupId(self.terms.group.hex())

    @property
    def host_fingerprint(self) -> str:
        """What the fingerprint of the host's key must be, or that of one before it in its lineage."""
        return self.terms.host_fingerprint.hex()

    @property
    def token(self) -> bytes:
        """What a friend shows to the host."""
        return msgspec.msgpack.encode(_Body(self.terms, self.signature))

    def __str__(self) -> str:
        places = ",".join(map(str, (self.at, *self.also)))
        return f"{SCHEME}{places}#{MARK}{base64.urlsafe_b64encode(self.token).rstrip(b'=').decode()}"


class JoinAddress(msgspec.Struct, frozen=True):
    """Where a friend wants to join: with an invite, or by a bare address."""

    at: HostPort
    invite: Invite | None = None
    also: tuple[HostPort, ...] = ()

    @property
    def places(self) -> tuple[HostPort, ...]:
        """All that are to be tried."""
        return (self.at, *self.also)

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> "JoinAddress":
        """Read HOST[:PORT] or an invite; of its addresses the first MAX_PLACES count.

        Raises BadAddress, or InviteRefused for an invite that is damaged.
        """
        bare = "".join(character for character in text if character not in _PASTE_DEBRIS)
        if not bare.lower().startswith(SCHEME):
            return cls(HostPort.parse(bare, default_port))
        where, hash_sign, fragment = bare[len(SCHEME) :].partition("#")
        at, *more = [HostPort.parse(place, default_port) for place in where.rstrip("/").split(",")[:MAX_PLACES]]
        also = tuple(more)
        if not hash_sign:
            return cls(at, None, also)
        if not fragment.startswith(MARK):
            raise BadAddress(
                f"{text.strip()!r} is no invite to listen together",
                hint="it may be a cluster's address: those go behind --prime",
            )
        body = _read(_decode(fragment[len(MARK) :]))
        return cls(at, Invite(at, body.terms, body.signature, also), also)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _damaged() from None


def _damaged() -> InviteRefused:
    return InviteRefused("the invite is damaged or cut off", hint="copy the whole line and paste it again")


def _read(token: bytes) -> _Body:
    """What a token holds. Raises InviteRefused for what is none."""
    try:
        body = msgspec.msgpack.decode(token, type=_Body)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise _damaged() from None
    terms = body.terms
    if (len(terms.group), len(terms.host_fingerprint), len(terms.id), len(body.signature)) != _SIZES:
        raise _damaged()
    return body


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """What a host remembers of one invite; a successor is given these."""

    id: bytes
    expires_s: int
    uses_left: int
    scope: Scope
    friends: tuple[str, ...] = ()
    revoked: bool = False

    def with_news(self, other: "Counted") -> "Counted":
        """What both know of one invite: whatever order news of it comes in, nobody gets in more often by it."""
        return Counted(
            self.id,
            min(self.expires_s, other.expires_s),
            min(self.uses_left, other.uses_left),
            self.scope if self.scope is other.scope else Scope.LISTEN,
            tuple(dict.fromkeys((*self.friends, *other.friends)))[:MAX_USES],
            self.revoked or other.revoked,
        )


@dataclass(slots=True)
class InviteBook:
    """The invites of one group at its host. All times are cluster time in seconds.

    `host_keys`: this host's key first, then those of earlier hosts, whose invites are good still.
    """

    group: GroupId
    host_keys: Sequence[bytes]
    _counted: dict[bytes, Counted] = field(default_factory=dict)

    def mint(
        self,
        at: HostPort,
        sign: Sign,
        randomness: bytes,
        now_s: int,
        life_s: int,
        uses: int = 1,
        scope: Scope = Scope.LISTEN,
        also: Sequence[HostPort] = (),
    ) -> Invite:
        """Make an invite from INVITE_ID_BYTES random bytes.

        Raises HocketError: USAGE for terms out of range, TOO_MANY_REQUESTS when MAX_INVITES are out.
        """
        if not (0 < life_s <= MAX_INVITE_S and 1 <= uses <= MAX_USES):
            raise HocketError(
                f"an invite is good for 1 to {MAX_USES} friends and at most {MAX_INVITE_S // 86_400} days",
                code=ErrorCode.USAGE,
            )
        self._room_for_one(now_s)
        key = bytes.fromhex(fingerprint(self.host_keys[0]))
        terms = Terms(bytes.fromhex(self.group), key, randomness, now_s + life_s, uses, scope)
        self._counted[terms.id] = Counted(terms.id, terms.expires_s, uses, scope)
        return Invite(at, terms, sign(canonical(terms)), tuple(also)[: MAX_PLACES - 1])

    def redeem(self, token: bytes, friend: str, now_s: int) -> Scope:
        """A friend (a user's name) shows an invite; what it may do. Who comes back does not use it up again.

        Raises InviteRefused with the reason.
        """
        body = _read(token)
        terms = body.terms
        self._check(body, now_s)
        known = self._counted.get(terms.id)
        if known is None:
            self._room_for_one(now_s)
            known = Counted(terms.id, terms.expires_s, min(terms.uses, MAX_USES), terms.scope)
        if known.revoked:
            raise InviteRefused("the host has withdrawn this invite", hint="ask for a new one")
        if friend not in known.friends:
            if known.uses_left <= 0:
                raise InviteRefused("this invite is used up", hint="ask the host for a new one")
            known = msgspec.structs.replace(known, uses_left=known.uses_left - 1, friends=(*known.friends, friend))
        self._counted[terms.id] = known
        return known.scope

    def revoke(self, invite_id: bytes) -> Counted | None:
        """Withdraw an invite: nobody comes in by it any more. Who came by it stays; None where it is unknown."""
        known = self._counted.get(invite_id)
        if known is None:
            return None
        self._counted[invite_id] = known = msgspec.structs.replace(known, revoked=True)
        return known

    def counted(self, now_s: int) -> tuple[Counted, ...]:
        """All that is remembered, for the host's list and for its successor."""
        self._forget(now_s)
        return tuple(self._counted.values())

    def inherit(self, counted: Sequence[Counted], now_s: int) -> None:
        """Go on from what an earlier host remembered."""
        for one in counted[:MAX_INVITES]:
            known = self._counted.get(one.id)
            self._counted[one.id] = one if known is None else known.with_news(one)
        self._forget(now_s)

    def _check(self, body: _Body, now_s: int) -> None:
        terms = body.terms
        if terms.group.hex() != self.group:
            raise InviteRefused("this invite is for another session", hint="the host may have begun a new one")
        keys = [key for key in self.host_keys if fingerprint(key) == terms.host_fingerprint.hex()]
        if not keys or not is_signed_by(keys[0], body.signature, terms):
            raise InviteRefused("this invite was not made by the host of this session", hint="ask the host for one")
        if now_s >= terms.expires_s:
            raise InviteRefused("this invite has expired", hint="ask the host for a new one")

    def _forget(self, now_s: int) -> None:
        self._counted = {key: one for key, one in self._counted.items() if one.expires_s > now_s}

    def _room_for_one(self, now_s: int) -> None:
        self._forget(now_s)
        if len(self._counted) >= MAX_INVITES:
            raise HocketError(
                f"{MAX_INVITES} invites are out already",
                code=ErrorCode.TOO_MANY_REQUESTS,
                hint="wait until some expire",
            )
