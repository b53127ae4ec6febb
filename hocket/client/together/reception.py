"""Lets friends in and out, and hears what they report and wish for."""

import asyncio

import msgspec

from hocket.adapters.peers import PeerLink
from hocket.adapters.peers.tcpinfo import tcp_info
from hocket.client import events
from hocket.client.together.circle import Circle
from hocket.client.together.hall import Friend
from hocket.client.together.values import encode
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, ProtocolError
from hocket.core.ids import UserName
from hocket.relay.invites import Scope
from hocket.relay.keys import peer_id
from hocket.relay.limits import Verdict as Allowed
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.together import (
    Admitted,
    AskLeaf,
    AskManifest,
    AskPage,
    Distances,
    Held,
    JoinFriend,
    Listens,
    Report,
    Wish,
)

BAN_S = 24 * 3600

QUIET_S = 2.0
THIN_QUIET_S = 0.4
"""A newcomer is pushed no music by the host for so long: what it hears first it asks for, and on a line that keeps
the order its first time stamps would wait for all the rest. A thin line is shared out by pushing."""


class Reception:
    """The door of one circle, whether it hosts or passes on."""

    def __init__(self, circle: Circle) -> None:
        self._circle = circle

    def join(self, link: PeerLink, asked: JoinFriend) -> Admitted:
        """Somebody asks to come in: the answer. Raises HocketError where they may not, ProtocolError for a cheat."""
        circle = self._circle
        if not link.is_server:
            raise ProtocolError("I connected to you", code=ErrorCode.NOT_ALLOWED)
        ticket = circle.passport.check(link, asked.ticket, asked.proof)
        if circle.is_in and asked.group and asked.group != circle.group:
            raise HocketError("this is another session now", code=ErrorCode.NOT_ALLOWED, hint="join it anew")
        peer = peer_id(ticket.session_key)
        if circle.is_hosting:
            scope = circle.guests.admit(ticket.user, ticket.session_key, asked.token or None, circle.now_s).scope
        elif not circle.is_in:
            raise HocketError("I am in no session yet", code=ErrorCode.NOT_ALLOWED, hint="try again in a moment")
        elif peer in circle.members or ticket.session_key in self._host_keys():
            scope = Scope.LISTEN
        else:
            raise self._not_the_host(ticket.session_key)
        serves = HostPort(link.peer_address.host, asked.port) if asked.port and not link.is_carried else None
        friend = Friend(link, ticket.user, ticket.session_key, peer, scope, serves, asked.listens, asked.upload_bps)
        circle.before_admission()
        blob, proof = circle.passport.show(link)
        welcome = Admitted(
            blob,
            proof,
            circle.group,
            scope,
            encode(circle.succession.reign),
            circle.signed_lines(),
            (*circle.path,),
        )
        before = circle.hall.friend(peer)
        circle.hall.admit(friend)
        friend.is_told = circle.is_hosting or friend.listens
        if friend.is_told and (before is None or not before.is_told):
            circle.tell(events.PeerJoined(str(friend.name)))
        asyncio.get_running_loop().call_soon(self._brief, friend)
        return welcome

    def _brief(self, friend: Friend) -> None:
        is_fed_here = self._circle.place(friend)
        if friend.listens and is_fed_here:
            self._circle.hall.brief(friend)
            asyncio.get_running_loop().call_later(self._quiet_s, self._push_music, friend)
        self._circle.friend_joined(friend)

    @property
    def _quiet_s(self) -> float:
        if not self._circle.is_hosting:
            return 0.0
        return THIN_QUIET_S if self._circle.hall.upload_bps else QUIET_S

    def _push_music(self, friend: Friend) -> None:
        hall = self._circle.hall
        if friend.listens and not friend.link.is_closed and hall.friend(friend.id) is friend:
            hall.listen(friend, True)

    def _host_keys(self) -> set[bytes]:
        roster = self._circle.succession.reign.roster.roster
        return {self._circle.succession.reign.claim.host_key, *roster.successors}

    def _not_the_host(self, key: bytes) -> HocketError:
        circle = self._circle
        if key == circle.key:
            return HocketError("this is your own session", code=ErrorCode.NOT_ALLOWED, hint="you hear it already")
        host = circle.members.get(circle.succession.reign.claim.host)
        where = f"join {host.address}" if host is not None and host.address else "ask the host for its address"
        return HocketError("I only listen here myself", code=ErrorCode.NOT_ALLOWED, hint=where)

    def left(self, friend: Friend) -> None:
        """A friend's connection is gone."""
        if self._circle.is_hosting:
            self._circle.guests.left(friend.id, self._circle.now_s)
            self._circle.members.pop(friend.id, None)
        if friend.is_told:
            self._circle.tell(events.PeerLeft(str(friend.name)))
        self._circle.friend_left(friend)

    def hear(self, friend: Friend, message: Message, correlation: int, at_ns: int) -> Message | None:
        """What a friend asks for or tells: the reply, if there is one. Raises HocketError, ProtocolError."""
        match message:
            case AskManifest() | AskPage() | AskLeaf():
                return self._circle.hall.asked(friend, message, correlation, at_ns)
            case Listens():
                self._circle.hall.turn(friend, message.listens)
            case Held():
                self._circle.hall.held(friend, message)
            case Distances() if self._circle.is_hosting:
                self._circle.branches.learn(friend, message)
            case Report():
                self._take_report(friend, message)
            case Wish():
                return self._grant(friend, message, at_ns)
            case _:
                raise ProtocolError(f"{type(message).__name__} is the host's to send", code=ErrorCode.NOT_ALLOWED)
        return None

    def _take_report(self, friend: Friend, report: Report) -> None:
        if report.peer == friend.id:
            address = str(friend.serves) if friend.serves else ""
            info = tcp_info(friend.link.sock)
            lost_ppm = 0 if info is None else friend.losses.take(info.sent_bytes, info.again_bytes)
            friend.report = report = msgspec.structs.replace(
                report, name=str(friend.name), address=address, key=friend.key, lost_ppm=lost_ppm
            )
            if self._circle.is_hosting:
                self._circle.members[friend.id] = report

    def _grant(self, friend: Friend, wish: Wish, at_ns: int) -> Message:
        circle = self._circle
        if friend.link.patience.command(at_ns) is not Allowed.SERVE:
            raise HocketError("not so fast", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=0.5)
        if not circle.is_hosting:
            raise HocketError("I only listen here myself", code=ErrorCode.NOT_ALLOWED)
        circle.guests.check_control(friend.id)
        circle.wish(friend, wish)
        return Done()

    def kick(self, name: str, *, ban: bool = False) -> bool:
        """Send a friend away, for a day if so wished; False where nobody has this name."""
        if ban:
            self._circle.guests.ban(UserName(name), self._circle.now_s, BAN_S)
        out = [friend for friend in self._circle.hall.friends if friend.name == name]
        for friend in out:
            self._circle.guests.send_away(friend.id, self._circle.now_s)
            friend.link.close(HocketError("the host has sent you away", code=ErrorCode.NOT_ALLOWED))
        return bool(out)
