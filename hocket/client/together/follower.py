"""One who listens along: finds the host, learns its clock, takes the music where it is told to, and may succeed it."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from hocket.adapters.peers import PeerIdentity, PeerLink
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.together.above import Above
from hocket.client.together.approach import Approach
from hocket.client.together.baton import Baton
from hocket.client.together.clockmemory import ClockMemory
from hocket.client.together.device import OpenOutput
from hocket.client.together.entrance import Entrance
from hocket.client.together.hall import Friend
from hocket.client.together.parents import Parents as ParentSearch
from hocket.client.together.parents import address_of, path_by
from hocket.client.together.party import Party
from hocket.client.together.questions import Questions
from hocket.client.together.reach import Reach
from hocket.client.together.seeking import Way
from hocket.client.together.timed import TimedPlayer
from hocket.client.together.values import decode, encode
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_MS, NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError, Refused
from hocket.relay.chunks import ChunkMismatch
from hocket.relay.handover import Follow
from hocket.relay.handover import State as Succeeding
from hocket.relay.invites import JoinAddress
from hocket.relay.keys import PeerId
from hocket.relay.lineage import Reign, accept, accept_from_invite
from hocket.relay.timeline import State as LineState
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.together import (
    Admitted,
    LeafNews,
    Listens,
    Members,
    Parents,
    Pulse,
    ReignNews,
    Report,
    TimeIs,
    TimePace,
    TrackNews,
    Wish,
)

log = logging.getLogger(__name__)

REPORT_S = 1.0
PULSELESS_S = 1.0
"""After the host is due: who passes music on passes its pulse on, unless both wait for one another."""
REPORT_QUESTIONS = 4
"""Where questions about the time are rare, reports are more so."""

QUIET_NS = NS_PER_S // 2
"""A host that was not heard for so long is asked for the time anew."""

RECONNECT_S = 0.3
SHOW_S = 3.0
"""A claim is shown on a connection that stays open for so long."""

_FINAL = frozenset({ErrorCode.NOT_ALLOWED, ErrorCode.INVITE_REFUSED})


class Follower(Party):
    """`on_over` is called once when it is over without this side's will, `on_hosting` when it hosts, or no longer."""

    def __init__(
        self,
        cluster: Cluster,
        tell: Callable[[events.Event], None],
        open_output: OpenOutput,
        on_over: Callable[[HocketError | None], None],
        on_hosting: Callable[[bool], None],
        identity: PeerIdentity | None = None,
    ) -> None:
        super().__init__(cluster, tell, identity)
        self._on_hosting = on_hosting
        self.hall.fetches = False
        self.timed = TimedPlayer(self.clock, self.store.reader, open_output, tell)
        self.store.on_change = self.timed.changed
        self._baton = Baton(self, self.timed.changed)
        self._on_over = on_over
        self._host: PeerLink | None = None
        self._host_at: HostPort | None = None
        self._entrance = Entrance(self)
        self.memory = ClockMemory()
        self._questions = Questions(self.clock, self._is_quiet)
        self._parents = ParentSearch(self._enter_at, self._fed_by)
        self._reconnecting: asyncio.Task[None] | None = None
        self._next_report_s = 0.0
        self._pulse_s = 0.0
        self._report_every_s = REPORT_S
        self._is_over = False
        self._approach = Approach(cluster, tell, self._come_in)

    # -- joining

    async def join(self, address: JoinAddress, serve_at: HostPort | None) -> None:
        """Come in. Raises HocketError: NOT_REACHABLE, NOT_ALLOWED, INVITE_REFUSED, TICKET_REFUSED, NODE_FULL."""
        if serve_at is not None:
            self._entrance.serving = asyncio.create_task(self._serve(serve_at), name="serve")
        self._entrance.token = address.invite.token if address.invite is not None else b""
        at = await self._approach.first(address)
        self.run()
        host = self._host
        assert host is not None
        assert isinstance(host.user_data, Above)
        self.tell(events.Joined(host.user_data.name, str(at)))

    async def _serve(self, at: HostPort) -> None:
        try:
            await self.server.start(at)
        except HocketError as error:
            log.warning("nobody can be passed the music on to: %s", error)

    async def _come_in(self, at: HostPort, address: JoinAddress | None = None, way: Way | None = None) -> None:
        """Connect to the host; with an address for the first time, else again or to its successor."""
        link, above = await self._entrance.connect(at, is_host=True, way=way)
        try:
            self.clock.begin()
            self._questions.put_to(link)
            admitted = await self._entrance.ask(link, above, listens=self._music is None and not link.is_carried)
            reign = decode(admitted.reign, Reign)
            if way is not None and above.key != way.key:
                raise NotReachable(f"somebody else than the host answers at {at}")
            if address is not None:
                self._enter(admitted, reign, address)
            else:
                self.take_reign(link, reign)  # another one may host by now, as nobody could tell us
        except BaseException:
            link.close()
            raise
        old, self._host, self._host_at = self._host, link, at
        if old is not None and old is not link:
            old.user_data = None
            old.close()
        if not link.is_carried:
            self.store.add_link(above.id, link)
        self.succession.heard(time.monotonic_ns())
        for line in admitted.lines:
            self.take_line(link, line)
        self._catch_up(link, above)
        self.line_news()

    def _catch_up(self, link: PeerLink, above: Above) -> None:
        """Take what was said before we were in."""
        for message in self._entrance.early(above):
            self.took(link, message, 0, time.monotonic_ns())

    def took(self, link: PeerLink, message: Message, correlation: int, at_ns: int) -> Message | None:
        return None if self._entrance.is_early(link, message) else super().took(link, message, correlation, at_ns)

    def secured(self, link: PeerLink) -> None:
        self._entrance.secured(link)

    def _enter(self, admitted: Admitted, reign: Reign, address: JoinAddress) -> None:
        invite = address.invite
        if invite is not None:
            trusted = accept_from_invite(reign, invite.group, invite.host_fingerprint)
        else:
            trusted = accept(reign, reign)
        if trusted is None or trusted.claim.group != admitted.group:
            raise HocketError(
                "whoever answers there is not the one that you were invited by",
                code=ErrorCode.INVITE_REFUSED,
                hint="ask your friend for a new invite",
            )
        self.memory.recall(trusted.claim.group, self.clock)
        self.enter(trusted.claim.group, trusted)
        self.timed.timeline = self.timeline
        self.path = (*admitted.path, self.id)

    # -- what comes from above

    def take_time(self, link: PeerLink, answer: TimeIs, at_ns: int) -> None:
        above = link.user_data
        if isinstance(above, Above) and above.is_host:
            if hasattr(self, "succession"):
                self.succession.heard(time.monotonic_ns())  # what was lost and sent again came long after its stamp
            self.clock.take(answer, at_ns)
            self.clock.ask(link)
            if not self.timed.is_sounding:
                self.timed.changed()

    def _is_quiet(self) -> bool:
        return hasattr(self, "succession") and self.succession.quiet_ns(time.monotonic_ns()) > QUIET_NS

    def line_news(self) -> None:
        self.timed.changed()

    def from_above(self, link: PeerLink, message: Message) -> None:
        above = link.user_data
        assert isinstance(above, Above)
        match message:
            case LeafNews():
                self.store.pushed(above.id, message.track, message.leaf, message.data)
            case TrackNews():
                self.store.told(above.id, message.vouched, message.number, message.page)
            case Pulse():
                self._take_pulse(link, above, message)
            case Members() if above.is_host:
                self._take_members(message)
            case Parents() if above.is_host:
                self._take_parents(message)
            case TimePace() if above.is_host:
                self.clock.pace(message.question_ms * NS_PER_MS)
                self.succession.bear(message.silence_ms * NS_PER_MS)
                self._report_every_s = max(REPORT_S, REPORT_QUESTIONS * message.question_ms / 1000)
            case _:
                super().from_above(link, message)

    def _take_pulse(self, link: PeerLink, above: Above, pulse: Pulse) -> None:
        if above.is_host or link is self._music:
            self.succession.heard(time.monotonic_ns())
        if link is (self._music or self._host) and not self.is_hosting:
            self._pulse_s = time.monotonic()
            try:
                self.path = (*path_by(self.id, pulse.path), self.id)
            except ProtocolError as error:
                log.warning("a loop of relays: leaving %s", above.at)
                link.close(error)
                return
            self.hall.broadcast(Pulse(pulse.number, self.path))

    def _take_members(self, news: Members) -> None:
        known = {} if news.whole else {peer: one for peer, one in self.members.items() if peer not in news.gone}
        self.members = known | {PeerId(one.peer): one for one in news.members if one.key}
        host = self.members.get(self.succession.reign.claim.host)
        if host is not None and not host.address and self._host_at is not None:
            self.members[PeerId(host.peer)] = msgspec.structs.replace(host, address=str(self._host_at))

    def _take_parents(self, wish: Parents) -> None:
        self._parents.look_for([at for text in wish.addresses if (at := address_of(text)) is not None])

    async def _enter_at(self, at: HostPort) -> tuple[PeerLink, Above]:
        """Come in at a relay. Raises HocketError."""
        link, above = await self._entrance.connect(at, is_host=False)
        try:
            admitted = await self._entrance.ask(link, above, listens=True)
            path_by(self.id, admitted.path)
        except BaseException:
            link.user_data = None
            link.close()
            raise
        return link, above

    def _fed_by(self, old: Above | None, above: Above | None) -> None:
        self._pulse_s = time.monotonic()
        if old is not None:
            self.store.remove_link(old.id)
        link = self._music
        if link is not None and above is not None:
            self.store.add_link(above.id, link)
            self._catch_up(link, above)
        host = self._host.user_data if self._host is not None and link is not None else None
        self.store.spare(host.id if isinstance(host, Above) else None)
        if self._host is not None:
            self._host.send(Listens(link is None))
        self._look_at_way()

    @property
    def _music(self) -> PeerLink | None:
        """To the parent; None where the music comes from the host."""
        return self._parents.link

    def lost_above(self, link: PeerLink, error: HocketError) -> None:
        above = link.user_data
        if not isinstance(above, Above):
            return
        self._entrance.lost(above, error)
        if above.key:
            self.store.remove_link(above.id)
        if link is self._music:
            self._parents.lost()
        elif link is self._host:
            self._host = None
            self._approach.lost()
            if isinstance(error, Refused) and error.code in _FINAL:
                self._over(error)
            elif not self.is_hosting:
                self._reconnect()

    def _reconnect(self) -> None:
        if not self._is_over and (self._reconnecting is None or self._reconnecting.done()):
            self._reconnecting = asyncio.create_task(self._reconnect_until_in(), name="find the host again")

    async def _reconnect_until_in(self) -> None:
        while not self._is_over and not self.is_hosting and self._host is None:
            at = self._host_at
            if at is not None:
                try:
                    await self._approach.again(self.group, at)
                except Refused as error:
                    log.info("not let in again: %s", error)
                    if error.code in _FINAL:
                        self._over(error)
                except (HocketError, ChunkMismatch) as error:
                    log.info("the host is away: %s", error)
                else:
                    return
            await asyncio.sleep(RECONNECT_S)

    # -- what it does by itself

    def tick(self) -> None:
        if self._host is None and self._approach.is_blind:
            self.succession.heard(time.monotonic_ns())
        super().tick()
        self._look_at_way()
        now_s = time.monotonic()
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + self._report_every_s
            self._report()
        is_led = self.succession.state is Succeeding.FOLLOWING
        due_s = self._pulse_s + self.succession.silence_ns / NS_PER_S
        if self._music is not None and is_led and now_s > due_s + PULSELESS_S:
            self._music.close(NotReachable("nothing of the host comes through you"))
        if self.is_hosting:
            self._baton.follow_on()

    def _look_at_way(self) -> None:
        if self._host is not None and not self.is_hosting:
            above = self._music.user_data if self._music is not None else None
            relay = above.name if isinstance(above, Above) else ""
            self._approach.look(self._host, relay, self.store.nodes.node)

    def _report(self) -> None:
        if self._host is not None:
            offset_us, buffer_ms = round(1e6 * self.timed.error_s), round(1000 * self.timed.buffer_s)
            trip_us = max(0, self.clock.round_trip_ns // 1000)
            measured = offset_us, buffer_ms, trip_us, self.key, self.clock.jitter_ns // 1000
            self._host.send(Report(self.id, self.name, "", *measured))

    # -- succession

    def claimed(self) -> None:
        if self._is_played_out():
            self._over(None)  # the host's music was over, and so is the session
            return
        before = self._host_at
        self.clock.lead()
        claim = self.succession.reign.claim
        self.timeline.follow(claim.epoch, claim.host_key)
        self.lead()
        self.steward.inherit()
        self.hall.fetches = True
        now_ns = self.clock.now_ns()
        if now_ns is not None:
            for line in self.conductor.take_over(now_ns):
                self.publish(line)
        self.publish_queue(self.queue.succeed(claim.epoch))
        self.hall.broadcast(ReignNews(encode(self.succession.reign)))
        for friend in self.hall.friends:
            self.hall.turn(friend, self.branches.add(friend))
        self.tell(events.Moved(str(before or ""), "me", "the host is gone"))
        self._on_hosting(True)
        self.announce()

    def _is_played_out(self) -> bool:
        now_ns = self.clock.now_ns()
        line = self.timeline.at(now_ns) if now_ns is not None else None
        is_over = line is None or line.state is LineState.STOPPED
        return is_over and self.queue.next_up is None and (now_ns is None or self.timeline.after(now_ns) is None)

    def announce(self) -> None:
        here = {friend.id for friend in self.hall.friends}
        for one in self.members.values():
            at = address_of(one.address)
            if one.peer not in here and one.peer != self.id and at is not None:
                self.start(self._show_reign(at))

    async def _show_reign(self, at: HostPort) -> None:
        try:
            link, above = await self._entrance.connect(at, is_host=False)
            await self._entrance.ask(link, above, listens=False)
            self._catch_up(link, above)
            link.send(ReignNews(encode(self.succession.reign)))
            await asyncio.sleep(SHOW_S)
            link.close()
        except HocketError as error:
            log.info("%s was not told who hosts: %s", at, error)

    def follow(self, decision: Follow) -> None:
        claim = decision.reign.claim
        host = self.members.get(claim.host)
        at = address_of(host.address) if host is not None else None
        if decision.yielded:
            self.hall.fetches = False
            self._on_hosting(False)
        old, self._host = self._host, None
        if old is not None:
            old.user_data = None
            old.close()
        self.tell(events.Moved(str(self._host_at or ""), str(at or ""), "another one hosts now"))
        self._host_at = at or self._host_at
        self._reconnect()

    def gave_up(self) -> None:
        self._over(NotReachable("the host is gone, and nobody took over", hint="join another friend"))

    def _over(self, error: HocketError | None) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_over(error)

    # -- commands: ours while we host, wishes while we follow

    async def command(self, what: str, value: float = 0.0, text: str = "") -> None:
        """Pause, resume, seek, skip or suggest. Raises HocketError (NOT_ALLOWED, NOT_REACHABLE)."""
        wish = Wish(what, value, text)
        if self.is_hosting:
            self._baton.do(wish)
            return
        if self._host is None:
            raise NotReachable("the host is out of reach just now")
        await self._host.request(wish, Done)

    def wish(self, friend: Friend, wish: Wish) -> None:
        self._baton.do(wish)

    async def close(self) -> None:
        if self.is_in:
            self.memory.keep(self.group, self.clock)
        self._is_over = True
        await self._parents.close()
        await self._questions.close()
        for task in (self._reconnecting, self._entrance.serving):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._approach.close()
        if self._host is not None:
            self._host.user_data = None
            self._host.close()
        await self.timed.close()
        await super().close()

    @property
    def reach(self) -> Reach | None:
        """By which way it has its host; None while that is not known."""
        return self._approach.reach

    @property
    def host_name(self) -> str:
        """Whom it follows; its own name once it hosts."""
        above = self._host.user_data if self._host is not None else None
        return above.name if isinstance(above, Above) else ""
