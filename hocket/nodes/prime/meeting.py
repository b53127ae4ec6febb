"""Brings friends together who cannot reach one another: both dial at once, or what they say is carried."""

import logging
import time
from collections.abc import Callable
from typing import Protocol, cast

import msgspec

from hocket.adapters.link import Link
from hocket.auth.tickets import Ticket
from hocket.core.address import BadAddress, HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.relay.addresses import without_mapping
from hocket.relay.keys import GroupId
from hocket.relay.limits import Allowance, TokenBucket
from hocket.relay.lineage import Reign
from hocket.relay.meetings import Caller, Channel, Hosting, Meetings
from hocket.relay.punch import AHEAD_NS
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.reach import (
    Carried,
    Carry,
    CarryEnd,
    CarryEnded,
    FriendComes,
    HostHere,
    HostSeen,
    MeetHost,
    MeetingAt,
    MeetNow,
)

log = logging.getLogger(__name__)

COMES_TIMEOUT_S = 8.0
"""The host may have to make a new connection first."""

OFFENCES = Allowance(per_s=5, burst=50)
"""Refused requests of one connection; beyond that it is closed."""

_READ_REIGN = msgspec.msgpack.Decoder(Reign)


class Tickets(Protocol):
    """Who showed a ticket on which connection."""

    def ticket(self, link: Link) -> Ticket:
        """The one that holds. Raises TicketRefused."""
        ...


class Meeting:
    """Answers what `hocket.wire.messages.reach` declares."""

    def __init__(self, visitors: Tickets, cluster_ns: Callable[[], int]) -> None:
        self._visitors = visitors
        self._cluster_ns = cluster_ns
        self._book = Meetings()
        self._offences: dict[Link, TokenBucket] = {}

    async def take(self, link: Link, message: Message) -> Message | None:
        """One message from a listener. Raises HocketError; who goes on asking after refusals is cut off."""
        try:
            return await self._take(link, message)
        except HocketError:
            bucket = self._offences.setdefault(link, TokenBucket(OFFENCES))
            if not bucket.take(time.monotonic_ns()):
                link.close(ProtocolError("too many refused requests", code=ErrorCode.TOO_MANY_REQUESTS))
            raise

    def gone(self, link: Link) -> None:
        """A connection closed."""
        self._offences.pop(link, None)
        for channel in self._book.gone(link):
            self._tell_ended(channel, channel.other(link), "the other side is gone")

    async def _take(self, link: Link, message: Message) -> Message | None:
        match message:
            case HostHere():
                return self._here(link, message)
            case MeetHost():
                return await self._meet(link, message)
            case Carry():
                self._carry(link, message)
            case CarryEnd():
                other = self._book.end(link, message.channel)
                if other is not None:
                    cast(Link, other).notify(CarryEnded(message.channel, "the other side is done"))
        return None

    def _caller(self, link: Link) -> Caller:
        ticket = self._visitors.ticket(link)
        seen = HostPort(without_mapping(link.peer_address.host), link.peer_address.port)
        return Caller(link, ticket.user, ticket.session_key, seen)

    def _here(self, link: Link, message: HostHere) -> HostSeen:
        caller, group = self._caller(link), GroupId(message.group)
        if message.is_door:
            self._book.door(caller, group)
        else:
            reign = _reign(message.reign) if group else None
            now_ns = time.monotonic_ns()
            self._book.here(caller, group, reign, message.addresses, is_listed=message.is_listed, now_ns=now_ns)
        return HostSeen(caller.seen)

    async def _meet(self, link: Link, message: MeetHost) -> MeetingAt:
        caller = self._caller(link)
        at = _address(message.address) if not message.group else None
        host = self._book.find(caller, GroupId(message.group), at, time.monotonic_ns())
        if not message.carry:
            await self._announce(host, caller, message.token, None)
            return self._both_dial(host, caller)
        await self._announce(host, caller, message.token, None)  # so that its door is there
        channel = self._book.open_channel(host, caller, time.monotonic_ns())
        try:
            await self._announce(host, caller, message.token, channel)
        except BaseException:
            self._book.end(link, channel.number)
            raise
        log.debug("channel %d carries between %s and %s", channel.number, caller.user, host.caller.user)
        return MeetingAt(host.caller.key, caller.seen, self._cluster_ns(), (), channel.number)

    async def _announce(self, host: Hosting, caller: Caller, token: bytes, channel: Channel | None) -> None:
        """Ask the host; then it has a door, at which it is seen. Raises HocketError."""
        comes = FriendComes(caller.user, caller.key, token, channel.number if channel is not None else 0)
        line = cast(Link, host.caller.link)
        await line.request(comes, Done, COMES_TIMEOUT_S)
        self._visitors.ticket(line)  # it may be banned since it said that it hosts
        if host.door is None:
            raise NotReachable("the host has no connection to be met at")
        self._visitors.ticket(cast(Link, host.door.link))

    def _both_dial(self, host: Hosting, caller: Caller) -> MeetingAt:
        assert host.door is not None
        at_ns = self._cluster_ns() + AHEAD_NS
        cast(Link, host.door.link).notify(MeetNow(caller.seen, at_ns))
        return MeetingAt(host.caller.key, host.door.seen, at_ns, self._book.direct(host, caller))

    def _carry(self, link: Link, message: Carry) -> None:
        try:
            self._visitors.ticket(link)
            other = self._book.carry(link, message.channel, len(message.data), time.monotonic_ns())
        except HocketError as error:
            other = self._book.end(link, message.channel)
            for end in (link, other):
                if end is not None:
                    cast(Link, end).notify(CarryEnded(message.channel, error.text))
            raise
        if other is not None:
            cast(Link, other).notify(Carried(message.channel, message.data))

    def _tell_ended(self, channel: Channel, end: object, why: str) -> None:
        link = cast(Link, end)
        if link.is_open:
            link.notify(CarryEnded(channel.number, why))


def _reign(blob: bytes) -> Reign:
    try:
        return _READ_REIGN.decode(blob)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HocketError("that does not prove that you host", code=ErrorCode.NOT_ALLOWED) from None


def _address(text: str) -> HostPort | None:
    try:
        return HostPort.parse(text)
    except BadAddress:
        return None
