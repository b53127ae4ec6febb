"""Friends who cannot reach one another: by way of the prime both dial at once, or it carries what they say.

Nobody names an address to be dialled: the prime tells each side where it sees the other's connection come from.
"""

from typing import Annotated

from msgspec import Meta

from hocket.core.address import HostPort
from hocket.core.ids import Role, UserName
from hocket.wire.kinds import Kind
from hocket.wire.limits import Count, ShortText
from hocket.wire.message import PEOPLE, Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.login import PublicKey
from hocket.wire.messages.together import Large, Token

MAX_ADDRESSES = 8
MAX_CARRY_BYTES = 16 * 1024

Addresses = Annotated[tuple[HostPort, ...], Meta(max_length=MAX_ADDRESSES)]
Piece = Annotated[bytes, Meta(max_length=MAX_CARRY_BYTES)]


class HostSeen(Message, kind=Kind.HOST_SEEN):
    """Friends will be sent to you. `address`: where this connection comes from, as seen here."""

    address: HostPort


class HostHere(Message, kind=Kind.HOST_HERE, senders=PEOPLE, receivers={Role.PRIME}, reply=HostSeen):
    """I host this group while this connection lasts ("": no longer). Needs a ticket on this connection. NOT_ALLOWED.

    `reign` proves it. `addresses`: where friends join. Not `is_listed`: found by the group alone, never by an address.
    `is_door`: this connection leaves from the port at which friends join, and only says where it is seen.
    """

    group: ShortText
    reign: Large = b""
    addresses: Addresses = ()
    is_listed: bool = True
    is_door: bool = False


class FriendComes(Message, kind=Kind.FRIEND_COMES, senders={Role.PRIME}, receivers={Role.LISTENER}, reply=Done):
    """A user of the cluster wants to come to you, its host: be at your door. NOT_ALLOWED, INVITE_REFUSED, NODE_FULL.

    `channel`: it will speak through this one of your door; 0: both of you will dial.
    """

    user: UserName
    key: PublicKey
    token: Token = b""
    channel: Count = 0


class MeetingAt(Message, kind=Kind.MEETING_AT):
    """The host with this session key awaits you: dial `address` at the cluster's time `at_ns`, from this very port.

    `addresses`: where it may be reached without further ado. `channel`: speak through it instead.
    """

    key: PublicKey
    address: HostPort
    at_ns: Count
    addresses: Addresses = ()
    channel: Count = 0


class MeetHost(Message, kind=Kind.MEET_HOST, senders=PEOPLE, receivers={Role.PRIME}, reply=MeetingAt):
    """I cannot reach the host of this group, or at this address. Needs a ticket on this connection.

    NOT_REACHABLE where nobody is known to host there, AMBIGUOUS, TOO_MANY_REQUESTS, and what the host says.
    `carry`: dialling failed, let us speak through you.
    """

    group: ShortText = ""
    address: ShortText = ""
    token: Token = b""
    carry: bool = False


class MeetNow(Message, kind=Kind.MEET_NOW, senders={Role.PRIME}, receivers={Role.LISTENER}):
    """The friend that was announced comes from there: dial it from your door at the cluster's time `at_ns`."""

    address: HostPort
    at_ns: Count


class Carry(Message, kind=Kind.CARRY, senders=PEOPLE, receivers={Role.PRIME}):
    """Bytes for the other end of a channel. They are TLS between the friends: the prime can neither read nor forge."""

    channel: Count
    data: Piece


class Carried(Message, kind=Kind.CARRIED, senders={Role.PRIME}, receivers={Role.LISTENER}):
    """Bytes from the other end of a channel."""

    channel: Count
    data: Piece


class CarryEnd(Message, kind=Kind.CARRY_END, senders=PEOPLE, receivers={Role.PRIME}):
    """This side is done with a channel."""

    channel: Count


class CarryEnded(Message, kind=Kind.CARRY_ENDED, senders={Role.PRIME}, receivers={Role.LISTENER}):
    """A channel is gone."""

    channel: Count
    why: ShortText = ""
