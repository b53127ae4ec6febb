"""What one peer knows of its group: who is in it, who hosts, what plays when, what comes next."""

import time
from collections.abc import Callable

from hocket.adapters.clocks import random_bytes
from hocket.adapters.peers import Owner, PeerIdentity, PeerLink, PeerServer, new_identity
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.together.branches import Branches
from hocket.client.together.groupclock import GroupClock
from hocket.client.together.hall import Friend, Hall
from hocket.client.together.passport import Passport
from hocket.client.together.roll import Roll
from hocket.client.together.supply import Store
from hocket.client.together.values import decode, encode
from hocket.core.clock import NS_PER_MS
from hocket.core.errors import ErrorCode, ProtocolError
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, TrackId, node_id
from hocket.relay.admission import GuestList
from hocket.relay.allotment import newcomers, question_ns, reports_per_s
from hocket.relay.conductor import Conductor, lead_ns
from hocket.relay.handover import Succession
from hocket.relay.invites import InviteBook
from hocket.relay.keys import GROUP_ID_RANDOM_BYTES, GroupId, PeerId, group_id, peer_id
from hocket.relay.lineage import Reign, found, line_up
from hocket.relay.queue import Queue, sign_queue
from hocket.relay.timeline import Line, SignedLine, Timeline, Verdict, sign_line
from hocket.wire.messages.together import LineNews, Parents, QueueNews, ReignNews, Report, TimePace, Wish

FAR_US = 1 << 30
LINE_UP_S = 30.0
"""Successors change places for their distance no more often: a new roster goes to everybody."""


def fresh_identity() -> PeerIdentity:
    """A certificate for the links of one session. Takes a tenth of a second when it is the first one."""
    return new_identity(node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES)))


class Circle:
    """Base of `Party`, which talks with friends over links; its hooks are for `Host` and `Follower`."""

    def __init__(
        self, owner: Owner, cluster: Cluster, tell: Callable[[events.Event], None], identity: PeerIdentity | None
    ) -> None:
        """`identity`: one that was made in advance."""
        self.cluster = cluster
        self.tell = tell
        self.passport = Passport(cluster.wallet, cluster.prime.authority_pem)
        self.identity: PeerIdentity = fresh_identity() if identity is None else identity
        self.clock = GroupClock()
        self.store = Store(cluster, self.passport.cluster_key, self.on_leaf)
        self.server = PeerServer(owner, self.identity)
        self.hall = Hall(self.server, self.store, self.clock.now_ns)
        self.members: dict[PeerId, Report] = {}
        self.path: tuple[str, ...] = ()
        self._signed: dict[tuple[int, int], bytes] = {}
        self._prepare()

    def _prepare(self) -> None:
        """What a host keeps about its friends, still empty."""
        self.branches = Branches(self.id, self.hall)
        self._roll = Roll(self.members)
        self._pace_ms = 0
        self._line_up_s = 0.0

    @property
    def upload_bps(self) -> int:
        """What this line sends; 0: no limit is known."""
        return self.hall.upload_bps

    @upload_bps.setter
    def upload_bps(self, upload_bps: int) -> None:
        self.hall.upload_bps = upload_bps

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
        self._prepare()

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
        return self.is_in and self.succession.is_hosting

    @property
    def is_in(self) -> bool:
        """Whether it belongs to a group: a stranger may knock before the host has let us in."""
        return hasattr(self, "succession")

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

    def signed_lines(self) -> tuple[bytes, ...]:
        """All that are in force or to come, as they were signed."""
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

    # -- the host's care for its friends

    def place(self, friend: Friend) -> bool:
        """A newcomer: let the others know, and say where it gets the music; whether from here."""
        if not self.is_hosting:
            return True
        is_fed_here = friend.link.is_carried or self.branches.add(friend)
        friend.listens = friend.listens and is_fed_here
        self.tell_members(friend)
        if friend.link.is_carried:
            friend.link.send(Parents(self._relays()))
        return is_fed_here

    def _relays(self) -> tuple[str, ...]:
        """Friends whom one that has me through the prime alone may reach, to take the music from."""
        return tuple(str(friend.serves) for friend in self.hall.friends if friend.serves is not None)[:8]

    def tell_members(self, newcomer: Friend | None = None, passed_s: float = 0.0) -> None:
        """Who is here, and how they are; who would succeed me; how often to ask for the time."""
        self.members[self.id] = Report(self.id, self.name, "", 0, 0, 0, self.key)
        for friend in self.hall.friends:
            self.members.setdefault(friend.id, friend.introduction)
        spare, count = self.hall.spare_bps, len(self.hall.friends)
        turns = passed_s * reports_per_s(spare, count)
        news = self._roll.changes(self.members, turns, newcomers(spare, count, passed_s))
        if news is not None:
            self.hall.broadcast(news, but=None if newcomer is None else newcomer.link)
        if newcomer is not None:
            newcomer.link.send(self._roll.whole())
        self._name_successors()
        self._tell_pace(newcomer)

    def _name_successors(self) -> None:
        serving = [friend for friend in self.hall.friends if friend.serves is not None]
        able = {friend.key: friend.report.round_trip_us if friend.report else FAR_US for friend in serving}
        before, now_s = self.succession.reign, time.monotonic()
        anew = now_s >= self._line_up_s
        if anew:
            self._line_up_s = now_s + LINE_UP_S
        self.succession.name_successors(line_up(before.roster.roster.successors, able, anew=anew))
        if self.succession.reign is not before:
            self.hall.broadcast(ReignNews(encode(self.succession.reign)))

    def _tell_pace(self, newcomer: Friend | None) -> None:
        wanted_ms = question_ns(self.hall.spare_bps, len(self.hall.friends)) // NS_PER_MS
        if not 3 * self._pace_ms <= 4 * wanted_ms <= 5 * self._pace_ms:
            self._pace_ms = wanted_ms
            self.hall.broadcast(TimePace(wanted_ms, self.hall.silence_ms))
        elif newcomer is not None:
            newcomer.link.send(TimePace(self._pace_ms, self.hall.silence_ms))

    # -- what hosts and followers do differently

    def before_admission(self) -> None:
        """A newcomer will be told the lines next."""

    def friend_joined(self, friend: Friend) -> None:
        """After it was answered."""
        if self.is_hosting:
            friend.link.send(self.queue_news())

    def friend_left(self, friend: Friend) -> None:
        """It is gone."""
        if self.is_hosting:
            self.branches.remove(friend.id)

    def wish(self, friend: Friend, wish: Wish) -> None:
        """A friend who may wants something. Raises HocketError."""

    def on_leaf(self, track: TrackId, leaf: int, data: bytes) -> None:
        """A checked leaf is new here."""

    def line_news(self) -> None:
        """The timeline has a new line of another host."""
