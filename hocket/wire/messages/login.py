"""From an unknown listener to an open session."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role, SeatId, SessionId, TrackId, UserName
from hocket.wire.kinds import Kind
from hocket.wire.limits import MAX_OTHER_AUTHS, Blob, Password, ShortText, Text
from hocket.wire.message import PEOPLE, Message
from hocket.wire.messages.common import Done, Signature

PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
Avoid = Annotated[tuple[NodeId, ...], Meta(max_length=64)]


class AuthAt(msgspec.Struct, frozen=True, array_like=True):
    """An authentication node. One that listens on every interface is found under the prime's host."""

    node: NodeId
    address: HostPort


Auths = Annotated[tuple[AuthAt, ...], Meta(max_length=MAX_OTHER_AUTHS)]


class LoginAt(Message, kind=Kind.LOGIN_AT):
    """Log in there: a seat is kept for `seat_ttl_s` seconds."""

    node: NodeId
    address: HostPort
    seat: SeatId
    seat_ttl_s: float


class FindLogin(Message, kind=Kind.FIND_LOGIN, senders=PEOPLE, receivers={Role.PRIME}, reply=LoginAt):
    """Where do I log in? May take as long as a new node takes to start. CLUSTER_FULL where nothing has room.

    `avoid` names nodes that just failed the listener.
    """

    avoid: Avoid = ()


class StreamAt(Message, kind=Kind.STREAM_AT):
    """Stream from there. `plain`: without TLS, as the cluster's owner decided for a trusted network."""

    node: NodeId
    address: HostPort
    plain: bool = False


class FindStream(Message, kind=Kind.FIND_STREAM, senders=PEOPLE, receivers={Role.PRIME}, reply=StreamAt):
    """Which streaming node serves me? Needs a ticket on this connection (Present).

    `track` prefers nodes that hold it; "" means any.
    """

    track: TrackId = TrackId("")
    avoid: Avoid = ()


class LoggedIn(Message, kind=Kind.LOGGED_IN):
    """The session is open; heartbeats every `heartbeat_s` bring fresh tickets."""

    session: SessionId
    user: UserName
    ticket: Blob
    ticket_life_s: float
    heartbeat_s: float
    cluster_ns: int  # the cluster's time now


class Login(Message, kind=Kind.LOGIN, senders=PEOPLE, receivers={Role.AUTH}, reply=LoggedIn):
    """Open a session. LOGIN_REFUSED for a wrong name and a wrong password alike; TOO_MANY_ATTEMPTS.

    `session_key` is the public half of a key pair made for this session.
    """

    user: ShortText
    password: Password
    seat: SeatId
    session_key: PublicKey


class Resume(Message, kind=Kind.RESUME, senders=PEOPLE, receivers={Role.AUTH}, reply=LoggedIn):
    """Go on with a session whose auth node is gone: its last ticket, within grace, and a proof of possession."""

    ticket: Blob
    proof: Signature
    seat: SeatId


class FreshTicket(Message, kind=Kind.FRESH_TICKET):
    """The next ticket. `others`, if that is news: where the session can be resumed while the prime is away."""

    ticket: Blob
    cluster_ns: int
    others: Auths | None = None


class SessionHeartbeat(Message, kind=Kind.SESSION_HEARTBEAT, senders=PEOPLE, receivers={Role.AUTH}, reply=FreshTicket):
    """Still here."""


class LogOut(Message, kind=Kind.LOG_OUT, senders=PEOPLE, receivers={Role.AUTH}, reply=Done):
    """End the session at once."""


class SessionEnded(Message, kind=Kind.SESSION_ENDED, senders={Role.AUTH, Role.FILE}, receivers=PEOPLE):
    """The session is over: banned, disabled, logged out elsewhere. No fresh ticket will come."""

    code: ShortText
    text: Text
