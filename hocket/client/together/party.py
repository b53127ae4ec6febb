"""One peer of a group: what it knows of the group, and what it says and hears; host, relay and follower alike."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.adapters.peers import PeerIdentity, PeerLink, PeerServer, connect, new_identity
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.together.groupclock import GroupClock
from hocket.client.together.hall import Friend, Hall
from hocket.client.together.passport import Passport
from hocket.client.together.supply import Store
from hocket.client.together.values import decode, encode
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, ProtocolError
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, TrackId, UserName, node_id
from hocket.relay.admission import GuestList
from hocket.relay.conductor import Conductor, lead_ns
from hocket.relay.handover import (
    Announce,
    Claimed,
    Decision,
    Follow,
    GaveUp,
    Refuse,
    SignedHandover,
    Succession,
    Tell,
)
from hocket.relay.invites import InviteBook, Scope
from hocket.relay.keys import GROUP_ID_RANDOM_BYTES, GroupId, PeerId, group_id, peer_id
from hocket.relay.limits import Verdict as Allowed
from hocket.relay.lineage import Reign, found
from hocket.relay.queue import Queue, SignedQueue, is_news, sign_queue
from hocket.relay.timeline import Line, SignedLine, Timeline, Verdict, sign_line
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.together import (
    Admitted,
    AskLeaf,
    AskManifest,
    AskPage,
    AskTime,
    HandoverNews,
    JoinFriend,
    LeafNews,
    LineNews,
    Listens,
    Members,
    Parents,
    Pulse,
    QueueNews,
    ReignNews,
    Report,
    TimeIs,
    TrackNews,
    Wish,
)

log = logging.getLogger(__name__)

TICK_S = 0.05
PULSE_S = 0.25
MEMBERS_S = 1.0
FAREWELL_S = 0.3
BAN_S = 24 * 3600


class Party:
    """Base of a peer. `Follower` and `Host` say what they do with decisions, news and wishes."""

    def __init__(self, cluster: Cluster, tell: Callable[[events.Event], None]) -> None:
        self.cluster = cluster
        self.tell = tell
        self.passport = Passport(cluster.wallet, cluster.prime.authority_pem)
        self.identity: PeerIdentity = new_identity(node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES)))
        self.clock = GroupClock()
        self.store = Store(cluster, self.passport.cluster_key, self.on_leaf)
        self.server = PeerServer(self, self.identity)
        self.hall = Hall(self.server, self.store, self.clock.now_ns)
        self.members: dict[PeerId, Report] = {}
        self.path: tuple[str, ...] = ()
        self.upload_bps = 0
        self._signed: dict[tuple[int, int], bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._pulse = 0
        self._next_pulse_s = 0.0
        self._next_members_s = 0.0

    # -- the group

    def found_group(self, *, invite_only: bool) -> None:
        """Be the first host of a new group."""
        self.clock = GroupClock.own()
        group = group_id(random_bytes(GROUP_ID_RANDOM_BYTES))
        self.enter(group, found(group, self.key, self.sign))
        self.lead(invite_only=invite_only)

    def enter(self, group: GroupId, reign: Reign) -> None:
        """Belong to a group whose reign was checked."""
        self.group = group
        self.succession = Succession(self.key, self.sign, reign, time.monotonic_ns())
        self.timeline = Timeline(group, reign.claim.epoch, reign.claim.host_key)
        self.queue = Queue(group)
        self.hall.timeline = self.timeline
        self.hall.now_ns = self.clock.now_ns

    def lead(self, *, invite_only: bool = False) -> None:
        """Take up the host's tools."""
        keys = [link.claim.host_key for link in reversed(self.succession.reign.links)]
        self.guests = GuestList(self.key, InviteBook(self.group, keys), invite_only=invite_only)
        self.conductor = Conductor(self.timeline)
        self.path = (self.id,)

    @property
    def key(self) -> bytes:
        return self.passport.key

    @property
    def id(self) -> PeerId:
        return peer_id(self.key)

    @property
    def name(self) -> str:
        return self.cluster.session.user

    @property
    def is_hosting(self) -> bool:
        return self.succession.is_hosting

    @property
    def now_s(self) -> int:
        return int(self.passport.wallet.cluster_s())

    def sign(self, message: bytes) -> bytes:
        return self.passport.wallet.sign(message)

    def worst_round_trip_ns(self) -> int | None:
        """Of the farthest follower; None where nobody follows."""
        trips = [1000 * report.round_trip_us for report in self.members.values() if report.peer != self.id]
        direct = [1000 * f.report.round_trip_us for f in self.hall.friends if f.report is not None]
        return max([*trips, *direct], default=0) if self.hall.friends else None

    def lead_time_ns(self) -> int:
        """How far ahead a command is to be stamped now."""
        return lead_ns(self.worst_round_trip_ns())

    # -- lines

    def publish(self, line: Line | None) -> None:
        """Sign a line of ours, and tell everybody."""
        if line is not None:
            blob = encode(sign_line(line, self.sign))
            self._remember(line, blob)
            self.hall.broadcast(LineNews(blob))

    def publish_queue(self, queue: Queue) -> None:
        """A new version of the queue, ours to sign."""
        self.queue = queue
        self.hall.broadcast(self.queue_news())

    def queue_news(self) -> QueueNews:
        """The queue under our signature."""
        return QueueNews(encode(sign_queue(self.queue, self.sign)))

    def _remember(self, line: Line, blob: bytes) -> None:
        self._signed[line.order] = blob
        known = {one.order for one in self.timeline.lines}
        self._signed = {order: kept for order, kept in self._signed.items() if order in known or order == line.order}

    def _lines(self) -> tuple[bytes, ...]:
        return tuple(self._signed[line.order] for line in self.timeline.lines if line.order in self._signed)[-32:]

    def take_line(self, link: PeerLink, blob: bytes) -> None:
        """A line came in. Raises ProtocolError for a forged one."""
        signed = decode(blob, SignedLine)
        now_ns = self.clock.now_ns()
        verdict = self.timeline.offer(signed, signed.line.t0_ns if now_ns is None else now_ns)
        if verdict is Verdict.NEWS:
            self._remember(signed.line, blob)
            self.hall.broadcast(LineNews(blob), but=link)
            self.line_news()
        elif verdict is Verdict.FORGED:
            raise ProtocolError("only the host of this session makes lines", code=ErrorCode.NOT_ALLOWED)
        elif verdict is Verdict.OLD_EPOCH:
            link.send(ReignNews(encode(self.succession.reign)))

    # -- links (peers.Owner)

    def opened(self, link: PeerLink) -> None:
        """See `peers.Owner`."""

    def took(self, link: PeerLink, message: Message, correlation: int, at_ns: int) -> Message | None:
        """See `peers.Owner`."""
        if isinstance(message, JoinFriend):
            return self._join(link, message)
        if link.user_data is None:
            raise ProtocolError(f"{type(message).__name__} before joining", code=ErrorCode.NOT_ALLOWED)
        match message:
            case AskTime():
                self._tell_time(link, message, at_ns)
            case TimeIs():
                self.take_time(link, message, at_ns)
            case LineNews():
                self.take_line(link, message.line)
            case ReignNews():
                self._take_reign(link, message)
            case HandoverNews():
                self._take_handover(link, message)
            case QueueNews():
                self._take_queue(link, message)
            case _:
                if isinstance(link.user_data, Friend):
                    return self._from_friend(link.user_data, message, correlation, at_ns)
                self.from_above(link, message)
        return None

    def closed(self, link: PeerLink, error: HocketError) -> None:
        """See `peers.Owner`."""
        friend = link.user_data
        if isinstance(friend, Friend):
            if self.hall.left(friend):
                self._friend_left(friend)
        else:
            self.lost_above(link, error)

    # -- friends

    def _join(self, link: PeerLink, asked: JoinFriend) -> Admitted:
        if not link.is_server:
            raise ProtocolError("I connected to you", code=ErrorCode.NOT_ALLOWED)
        ticket = self.passport.check(link, asked.ticket, asked.proof)
        if asked.group and asked.group != self.group:
            raise HocketError("this is another session now", code=ErrorCode.NOT_ALLOWED, hint="join it anew")
        peer = peer_id(ticket.session_key)
        if self.is_hosting:
            scope = self.guests.admit(ticket.user, ticket.session_key, asked.token or None, self.now_s).scope
        elif peer in self.members or ticket.session_key in self._host_keys():
            scope = Scope.LISTEN
        else:
            raise self._not_the_host(ticket.session_key)
        serves = HostPort(link.peer_address.host, asked.port) if asked.port else None
        friend = Friend(link, ticket.user, ticket.session_key, peer, scope, serves, asked.listens, asked.upload_bps)
        self.before_admission()
        blob, proof = self.passport.show(link)
        welcome = Admitted(blob, proof, self.group, scope, encode(self.succession.reign), self._lines(), (*self.path,))
        before = self.hall.friend(peer)
        self.hall.admit(friend)
        friend.is_told = self.is_hosting or friend.listens
        if friend.is_told and (before is None or not before.is_told):
            self.tell(events.PeerJoined(str(friend.name)))
        asyncio.get_running_loop().call_soon(self._brief, friend)
        return welcome

    def _brief(self, friend: Friend) -> None:
        if friend.listens:
            self.hall.brief(friend)
            self.hall.listen(friend, True)
        self.friend_joined(friend)

    def _host_keys(self) -> set[bytes]:
        roster = self.succession.reign.roster.roster
        return {self.succession.reign.claim.host_key, *roster.successors}

    def _not_the_host(self, key: bytes) -> HocketError:
        if key == self.key:
            return HocketError("you cannot follow yourself", code=ErrorCode.NOT_ALLOWED, hint="you hear it already")
        host = self.members.get(self.succession.reign.claim.host)
        where = f"join {host.address}" if host is not None and host.address else "ask the host for its address"
        return HocketError("I only listen here myself", code=ErrorCode.NOT_ALLOWED, hint=where)

    def _friend_left(self, friend: Friend) -> None:
        if self.is_hosting:
            self.guests.left(friend.id)
        self.members.pop(friend.id, None)
        if friend.is_told:
            self.tell(events.PeerLeft(str(friend.name)))
        self.friend_left(friend)

    def _from_friend(self, friend: Friend, message: Message, correlation: int, at_ns: int) -> Message | None:
        match message:
            case AskManifest() | AskPage() | AskLeaf():
                return self.hall.asked(friend, message, correlation, at_ns)
            case Listens():
                self.hall.listen(friend, message.listens)
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
            friend.report = report = msgspec.structs.replace(
                report, name=str(friend.name), address=address, key=friend.key
            )
            if self.is_hosting:
                self.members[friend.id] = report

    def _grant(self, friend: Friend, wish: Wish, at_ns: int) -> Message:
        if friend.link.patience.command(at_ns) is not Allowed.SERVE:
            raise HocketError("not so fast", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=0.5)
        if not self.is_hosting:
            raise HocketError("I only listen here myself", code=ErrorCode.NOT_ALLOWED)
        self.guests.check_control(friend.id)
        self.wish(friend, wish)
        return Done()

    def kick(self, name: str, *, ban: bool = False) -> bool:
        """Send a friend away, for a day if so wished; False where nobody has this name."""
        if ban:
            self.guests.ban(UserName(name), self.now_s, BAN_S)
        out = [friend for friend in self.hall.friends if friend.name == name]
        for friend in out:
            friend.link.close(HocketError("the host has sent you away", code=ErrorCode.NOT_ALLOWED))
        return bool(out)

    # -- time and news

    def _tell_time(self, link: PeerLink, question: AskTime, at_ns: int) -> None:
        verdict = link.patience.time_question(at_ns)
        if verdict is Allowed.CUT:
            raise ProtocolError("too many questions about the time", code=ErrorCode.TOO_MANY_REQUESTS)
        answer = self.clock.answer(question, at_ns) if verdict is Allowed.SERVE else None
        if answer is not None:
            link.send_time(answer)

    def _take_reign(self, link: PeerLink, news: ReignNews) -> None:
        theirs = decode(news.reign, Reign)
        before = self.succession.reign
        decision = self.succession.on_claim(theirs, time.monotonic_ns())
        if decision is not None:
            self.decide(decision, link)
        elif self.succession.reign is not before:
            self.hall.broadcast(news, but=link)

    def _take_handover(self, link: PeerLink, news: HandoverNews) -> None:
        signed = decode(news.handover, SignedHandover)
        if self.succession.on_handover(signed, time.monotonic_ns()):
            self.hall.broadcast(news, but=link)

    def _take_queue(self, link: PeerLink, news: QueueNews) -> None:
        signed = decode(news.queue, SignedQueue)
        claim = self.succession.reign.claim
        if is_news(self.queue, signed, claim.epoch, claim.host_key):
            self.queue = signed.queue
            self.hall.broadcast(news, but=link)
            self.tell(events.QueueChanged())

    def decide(self, decision: Decision, link: PeerLink | None = None) -> None:
        """Do what the succession says."""
        match decision:
            case Claimed():
                self.claimed()
            case Follow():
                self.hall.broadcast(ReignNews(encode(decision.reign)), but=link)
                claim = decision.reign.claim
                self.timeline.follow(claim.epoch, claim.host_key)
                self.follow(decision)
            case Tell() if link is not None:
                link.send(ReignNews(encode(decision.reign)))
            case Announce():
                self.announce()
            case GaveUp():
                self.gave_up()
            case Refuse() if link is not None:
                raise ProtocolError("a forged claim to host", code=ErrorCode.NOT_ALLOWED)

    # -- the loop

    async def serve(self, at: HostPort) -> HostPort:
        """Let friends in at this address, or the next free port. Raises HocketError (PORT_BUSY)."""
        address = await self.server.start(at)
        self.run()
        return address

    def run(self) -> None:
        """Begin to tick."""
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick_for_ever(), name="party")

    async def _tick_for_ever(self) -> None:
        while True:
            try:
                self.tick()
            except Exception:
                log.exception("a bug while listening together")
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Twenty times a second."""
        self.hall.tick()
        now_s = time.monotonic()
        if self.is_hosting and now_s >= self._next_pulse_s:
            self._next_pulse_s = now_s + PULSE_S
            self._pulse += 1
            self.hall.broadcast(Pulse(self._pulse, self.path))
        if self.is_hosting and now_s >= self._next_members_s:
            self._next_members_s = now_s + MEMBERS_S
            self.tell_members()
        decision = self.succession.tick(time.monotonic_ns())
        if decision is not None:
            self.decide(decision)

    def tell_members(self) -> None:
        """Who is here, to everybody; and who would succeed me."""
        own = Report(self.id, self.name, "", 0, 0, 0, self.key)
        self.members[self.id] = own
        self.hall.broadcast(Members(tuple(self.members.values())))
        able = [f for f in self.hall.friends if f.serves is not None]
        able.sort(key=lambda f: f.report.round_trip_us if f.report is not None else 1 << 30)
        before = self.succession.reign
        self.succession.name_successors(tuple(f.key for f in able))
        if self.succession.reign is not before:
            self.hall.broadcast(ReignNews(encode(self.succession.reign)))

    async def leave(self) -> None:
        """Hand over if there is somebody, and go."""
        signed = self.succession.leave() if hasattr(self, "succession") else None
        if signed is not None and self.hall.friends:
            self.hall.broadcast(HandoverNews(encode(signed)))
            await asyncio.sleep(FAREWELL_S)
        await self.close()

    async def close(self) -> None:
        """End everything. Safe to call twice."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
            self._ticker = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.hall.close(HocketError("the friend has left", code=ErrorCode.CONNECTION_LOST))
        await self.store.close()
        await asyncio.sleep(0)  # closed links tell their owner a turn later

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self, at: HostPort) -> PeerLink:
        """Raises NotReachable."""
        return await connect(at, self, self.identity)

    # -- what hosts and followers do differently

    def before_admission(self) -> None:
        """A newcomer will be told the lines next."""

    def friend_joined(self, friend: Friend) -> None:
        """After it was answered."""

    def friend_left(self, friend: Friend) -> None:
        """It is gone."""

    def line_news(self) -> None:
        """The timeline has a new line of another host."""

    def take_time(self, link: PeerLink, answer: TimeIs, at_ns: int) -> None:
        """An answer to a question of ours."""

    def from_above(self, link: PeerLink, message: Message) -> None:
        """Members, Parents, Pulse, LeafNews, TrackNews: from whom we connected to. Raises ProtocolError."""
        if not isinstance(message, Members | Parents | Pulse | LeafNews | TrackNews):
            raise ProtocolError(f"{type(message).__name__} is not for a follower", code=ErrorCode.NOT_ALLOWED)

    def lost_above(self, link: PeerLink, error: HocketError) -> None:
        """A connection of ours is gone."""

    def wish(self, friend: Friend, wish: Wish) -> None:
        """A friend who may wants something. Raises HocketError."""

    def on_leaf(self, track: TrackId, leaf: int, data: bytes) -> None:
        """A checked leaf is new here."""

    def claimed(self) -> None:
        """I host from now on."""

    def follow(self, decision: Follow) -> None:
        """Another hosts from now on."""

    def announce(self) -> None:
        """Tell those that I lost that I host."""

    def gave_up(self) -> None:
        """Nobody hosts any more."""
