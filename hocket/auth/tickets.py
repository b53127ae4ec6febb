"""Tickets: what lets a listener hear for the next seconds, checked by any node without asking anyone.

The cluster's CA signs a grant: this auth node, with this ticket key, may sign tickets until then. The
auth node signs the ticket: this session of this user, with these rights and this public key, until then.
Whoever shows the ticket proves with the session's private key that it is theirs. So a node needs the
CA's public key and nothing else, and a ticket that is read off the wire is of no use to the reader.

Times are cluster time in nanoseconds, as the node that checks estimates it.
"""

from collections import OrderedDict
from typing import TypeVar

import msgspec

from hocket.auth.accounts import Rights
from hocket.auth.keys import Purpose, SigningKey, is_signed
from hocket.auth.revocations import Revocations
from hocket.core.clock import NS_PER_S
from hocket.core.errors import TicketRefused
from hocket.core.ids import NodeId, SessionId, UserName
from hocket.core.settings import SESSION_GRACE_S
from hocket.wire.hello import NONCE_BYTES
from hocket.wire.limits import MAX_TICKET_BYTES

MAX_LIFE_NS = 3600 * NS_PER_S
"""A ticket that claims to hold for longer than this was made by a node with a wrong clock."""

RESUME_GRACE_NS = round(SESSION_GRACE_S * NS_PER_S)
"""How long after its end a ticket still resumes its session at another auth node."""

MAX_GRANTS = 256
"""Verified grants that are remembered: one or two for each auth node of a large cluster."""


T = TypeVar("T")


class TicketForged(TicketRefused):
    """Damaged, made up, or signed by somebody who may not."""


class TicketExpired(TicketRefused):
    """Out of date: a fresh one helps."""


class TicketRevoked(TicketRefused):
    """Its session was ended, its user banned, or its auth node removed."""


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """The cluster's leave for one auth node to sign tickets with `ticket_key` until `expires_ns`.

    Fields are appended with a default only, here and in Ticket: older nodes pass over those they do not know.
    """

    node: NodeId
    ticket_key: bytes
    expires_ns: int


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """The session's leave to listen until `expires_ns`, for whoever holds the key behind `session_key`."""

    session: SessionId
    user: UserName
    rights: int  # Rights, with bits that only a newer version knows kept as they are
    session_key: bytes
    issued_ns: int
    expires_ns: int
    generation: int = 0  # of the account; a newer password ends what was opened with an older one

    def may(self, right: Rights) -> bool:
        return right in Rights(self.rights)


class _Signed(msgspec.Struct, frozen=True, array_like=True):
    """Signatures are over the encoded bytes as they travel, and checked before those are decoded."""

    body: bytes
    signature: bytes


class _Shown(msgspec.Struct, frozen=True, array_like=True):
    grant: bytes  # a _Signed with a Grant
    ticket: bytes  # the body only
    signature: bytes


_encode = msgspec.msgpack.Encoder().encode
_SIGNED = msgspec.msgpack.Decoder(_Signed)
_SHOWN = msgspec.msgpack.Decoder(_Shown)
_GRANT = msgspec.msgpack.Decoder(Grant)
_TICKET = msgspec.msgpack.Decoder(Ticket)


def sign_grant(grant: Grant, authority: SigningKey) -> bytes:
    """What the auth node gets from the prime, and puts into every ticket."""
    body = _encode(grant)
    return _encode(_Signed(body, authority.sign(Purpose.GRANT, body)))


def read_grant(blob: bytes, authority_key: bytes) -> Grant:
    """A grant that the cluster signed; whether it has run out is for the caller. Raises TicketForged."""
    signed = _decode(_SIGNED, blob)
    if not is_signed(authority_key, Purpose.GRANT, signed.body, signed.signature):
        raise TicketForged("the ticket's grant is damaged, or not by this cluster", hint="log in at this cluster")
    return _decode(_GRANT, signed.body)


def sign_ticket(ticket: Ticket, grant: bytes, key: SigningKey) -> bytes:
    """What the listener gets: `grant` as the prime gave it, `key` the one that it is for."""
    body = _encode(ticket)
    return _encode(_Shown(grant, body, key.sign(Purpose.TICKET, body)))


def verify_ticket(
    blob: bytes, authority_key: bytes, now_ns: int, revoked: Revocations | None = None, grace_ns: int = 0
) -> Ticket:
    """The ticket in `blob`, if it holds. `authority_key` is the CA's raw public key.

    With `grace_ns` (RESUME_GRACE_NS) one that ran out is still good enough to resume its session.
    Raises TicketForged, TicketExpired or TicketRevoked. A TicketVerifier does the same at half the cost.
    """
    return TicketVerifier(authority_key, revoked, max_grants=1).verify(blob, now_ns, grace_ns)


class TicketVerifier:
    """Checks the tickets shown to one node; remembers the grants that it has verified.

    A ticket costs one signature check (0.2 ms), the first one from each auth node two. Memory: at most
    `max_grants` grants, about 500 bytes each; only genuine ones are kept, so nobody can flush them.
    """

    def __init__(
        self, authority_key: bytes, revoked: Revocations | None = None, *, max_grants: int = MAX_GRANTS
    ) -> None:
        self._authority_key = authority_key
        self._revoked = revoked
        self._max_grants = max_grants
        self._grants: OrderedDict[bytes, Grant] = OrderedDict()

    def __len__(self) -> int:
        """Grants remembered."""
        return len(self._grants)

    def verify(self, blob: bytes, now_ns: int, grace_ns: int = 0) -> Ticket:
        """See `verify_ticket`."""
        if len(blob) > MAX_TICKET_BYTES:
            raise TicketForged(f"a ticket of {len(blob)} bytes", hint=f"tickets have at most {MAX_TICKET_BYTES}")
        shown = _decode(_SHOWN, blob)
        if _encode(shown) != blob:  # msgpack writes one thing in several ways; only the shortest is ours
            raise TicketForged("the ticket is damaged", hint="log in again")
        grant = self._grant(shown.grant)
        if not is_signed(grant.ticket_key, Purpose.TICKET, shown.ticket, shown.signature):
            raise TicketForged("the ticket is forged or damaged", hint="log in again")
        ticket = _decode(_TICKET, shown.ticket)
        _check_times(ticket, grant, now_ns, grace_ns)
        if self._revoked is not None:
            _check_revoked(ticket, grant, self._revoked)
        return ticket

    def _grant(self, blob: bytes) -> Grant:
        grant = self._grants.get(blob)
        if grant is None:
            grant = self._grants[blob] = read_grant(blob, self._authority_key)
            if len(self._grants) > self._max_grants:
                self._grants.popitem(last=False)
        self._grants.move_to_end(blob)
        return grant


def read_unverified(blob: bytes) -> Ticket:
    """What a ticket says, for the listener that it was given to: nobody else may believe it. Raises TicketForged."""
    return _decode(_TICKET, _decode(_SHOWN, blob).ticket)


def possession_proof(key: SigningKey, nonce: bytes, node: NodeId) -> bytes:
    """The session key's signature over a nonce that `node` made. `node` is the id in its certificate."""
    return key.sign(Purpose.POSSESSION, _possession(nonce, node))


def check_possession(ticket: Ticket, nonce: bytes, node: NodeId, proof: bytes) -> None:
    """Raises TicketForged unless the ticket's owner signed this nonce for this node.

    The node id keeps one node from passing another's nonce on to a listener and using the answer there.
    """
    if not is_signed(ticket.session_key, Purpose.POSSESSION, _possession(nonce, node), proof):
        raise TicketForged(
            "whoever shows this ticket does not hold its session's key", hint="log in with a name and password"
        )


def _possession(nonce: bytes, node: NodeId) -> bytes:
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return nonce + node.encode()


def _decode(decoder: msgspec.msgpack.Decoder[T], blob: bytes) -> T:
    try:
        return decoder.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TicketForged("the ticket is damaged or cut off", hint="log in again") from None


def _check_times(ticket: Ticket, grant: Grant, now_ns: int, grace_ns: int) -> None:
    if ticket.expires_ns - now_ns > MAX_LIFE_NS:
        raise TicketForged(
            f"the ticket claims to hold for {_seconds(ticket.expires_ns - now_ns)} s",
            hint=f"check the clock of the machine of {grant.node}",
        )
    if now_ns > ticket.expires_ns + grace_ns:
        raise TicketExpired(f"the ticket ran out {_seconds(now_ns - ticket.expires_ns)} s ago", hint="log in again")
    if now_ns > grant.expires_ns + grace_ns:
        raise TicketExpired(
            f"the leave of {grant.node} to sign tickets ran out {_seconds(now_ns - grant.expires_ns)} s ago",
            hint="log in again; if that is of no use the prime is away",
        )


def _check_revoked(ticket: Ticket, grant: Grant, revoked: Revocations) -> None:
    if revoked.covers_node(grant.node):
        raise TicketRevoked(f"{grant.node}, which signed this ticket, was removed", hint="log in again")
    if revoked.covers_ticket(ticket.session, ticket.user, ticket.issued_ns):
        raise TicketRevoked("this session was ended", hint="log in again")


def _seconds(ns: int) -> str:
    return f"{ns / NS_PER_S:.1f}"
