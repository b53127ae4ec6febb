"""One peer of a group: what it says and hears; host, relay and follower alike."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from hocket.adapters.peers import PeerIdentity, PeerLink, connect
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.together.above import Above
from hocket.client.together.beacon import Beacon
from hocket.client.together.circle import Circle
from hocket.client.together.hall import Friend
from hocket.client.together.reception import Reception
from hocket.client.together.steward import Steward
from hocket.client.together.surveyor import Surveyor
from hocket.client.together.values import decode, encode
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.relay.fetchplan import least_lead_ns
from hocket.relay.handover import (
    Announce,
    Claimed,
    Decision,
    Follow,
    GaveUp,
    Refuse,
    SignedHandover,
    Tell,
)
from hocket.relay.limits import Verdict as Allowed
from hocket.relay.lineage import Reign
from hocket.relay.queue import SignedQueue, is_news
from hocket.wire.message import Message
from hocket.wire.messages.together import (
    AskDistances,
    AskTime,
    HandoverNews,
    JoinFriend,
    LeafNews,
    LedgerNews,
    LineNews,
    Members,
    Parents,
    Pulse,
    QueueNews,
    ReignNews,
    TimeIs,
    TimePace,
    TrackNews,
)

log = logging.getLogger(__name__)

TICK_S = 0.05
ASLEEP_NS = 250_000_000
"""Between two ticks: this machine was suspended or held up, the host may have spoken."""

PULSE_S = 0.25
MEMBERS_S = 1.0
FAREWELL_S = 0.3
CONNECT_TIMEOUT_S = 5.0


class Party(Circle):
    """Base of a peer. `Follower` and `Host` say what they do with decisions, news and wishes."""

    def __init__(
        self, cluster: Cluster, tell: Callable[[events.Event], None], identity: PeerIdentity | None = None
    ) -> None:
        super().__init__(self, cluster, tell, identity)
        self._reception = Reception(self)
        self.steward = Steward(self)
        self.beacon = Beacon(self)
        self.surveyor = Surveyor()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._pulse = 0
        self._next_pulse_s = 0.0
        self._ticked_ns = time.monotonic_ns()
        self._next_members_s = 0.0

    # -- links (peers.Owner)

    def secured(self, link: PeerLink) -> None:
        """See `peers.Owner`."""

    def opened(self, link: PeerLink) -> None:
        """See `peers.Owner`."""

    def took(self, link: PeerLink, message: Message, correlation: int, at_ns: int) -> Message | None:
        """See `peers.Owner`."""
        if isinstance(message, JoinFriend):
            welcome = self._reception.join(link, message)
            self.steward.look()
            return welcome
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
                self.take_reign(link, decode(message.reign, Reign))
            case HandoverNews():
                self._take_handover(link, message)
            case QueueNews():
                self._take_queue(link, message)
            case LedgerNews():
                self.steward.take(message)
            case AskDistances() if isinstance(link.user_data, Above) and link.user_data.is_host:
                self.surveyor.ask(link, message)
            case _:
                if isinstance(link.user_data, Friend):
                    return self._reception.hear(link.user_data, message, correlation, at_ns)
                self.from_above(link, message)
        return None

    def closed(self, link: PeerLink, error: HocketError) -> None:
        """See `peers.Owner`."""
        friend = link.user_data
        if isinstance(friend, Friend):
            if self.hall.left(friend):
                self._reception.left(friend)
        else:
            self.lost_above(link, error)

    def kick(self, name: str, *, ban: bool = False) -> bool:
        """Send a friend away, for a day if so wished; False where nobody has this name."""
        out = self._reception.kick(name, ban=ban)
        self.steward.look()
        return out

    # -- time and news

    def _tell_time(self, link: PeerLink, question: AskTime, at_ns: int) -> None:
        verdict = link.patience.time_question(at_ns)
        if verdict is Allowed.CUT:
            raise ProtocolError("too many questions about the time", code=ErrorCode.TOO_MANY_REQUESTS)
        answer = self.clock.answer(question, at_ns) if verdict is Allowed.SERVE else None
        if answer is not None:
            link.send_time(answer)
            if isinstance(link.user_data, Friend):
                link.user_data.answered_ns = at_ns

    def take_reign(self, link: PeerLink, theirs: Reign) -> None:
        """Somebody shows who hosts. Raises ProtocolError for a forger."""
        before = self.succession.reign
        decision = self.succession.on_claim(theirs, time.monotonic_ns())
        if decision is not None:
            self.decide(decision, link)
        elif self.succession.reign is not before:
            self.hall.broadcast(ReignNews(encode(theirs)), but=link)

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
                if decision.yielded:
                    self.steward.resign()
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
        self.store.least_lead_ns = least_lead_ns(len(self.path) - 1, self.hall.feeds)
        self.hall.tick()
        self.beacon.look()
        now_s = time.monotonic()
        if self.is_hosting and now_s >= self._next_pulse_s:
            self._next_pulse_s = now_s + PULSE_S
            self._pulse += 1
            self.hall.pulse(Pulse(self._pulse, self.path), round(PULSE_S * NS_PER_S))
        if self.is_hosting and now_s >= self._next_members_s:
            self._next_members_s = now_s + MEMBERS_S
            self.tell_members(passed_s=MEMBERS_S)
            self.branches.look()
            self.steward.look()
        now_ns = time.monotonic_ns()
        if now_ns - self._ticked_ns > ASLEEP_NS:
            self.succession.slept(now_ns - self._ticked_ns, now_ns)
        self._ticked_ns = now_ns
        decision = self.succession.tick(now_ns)
        if decision is not None:
            self.decide(decision)

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
        await self.surveyor.close()
        self.beacon.stop()
        await self.hall.close(HocketError("the friend has left", code=ErrorCode.CONNECTION_LOST))
        await self.beacon.close()
        await self.store.close()
        await asyncio.sleep(0)  # closed links tell their owner a turn later

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self, at: HostPort, timeout_s: float = CONNECT_TIMEOUT_S) -> PeerLink:
        """Raises NotReachable."""
        return await connect(at, self, self.identity, timeout_s)

    def link_over(self, sock: socket.socket) -> PeerLink:
        """Speak as a follower over a connection that is there. Raises NotReachable."""
        try:
            return PeerLink(sock, self, self.identity, server=False)
        except OSError as error:
            sock.close()
            raise NotReachable(f"the connection broke at once: {error.strerror or error}") from None

    # -- what hosts and followers do differently

    def take_time(self, link: PeerLink, answer: TimeIs, at_ns: int) -> None:
        """An answer to a question of ours."""

    def from_above(self, link: PeerLink, message: Message) -> None:
        """Members, Parents, Pulse, TimePace, LeafNews, TrackNews: from whom we connected to. Raises ProtocolError."""
        if not isinstance(message, Members | Parents | Pulse | TimePace | LeafNews | TrackNews):
            raise ProtocolError(f"{type(message).__name__} is not for a follower", code=ErrorCode.NOT_ALLOWED)

    def lost_above(self, link: PeerLink, error: HocketError) -> None:
        """A connection of ours is gone."""

    def claimed(self) -> None:
        """I host from now on."""

    def follow(self, decision: Follow) -> None:
        """Another hosts from now on."""

    def announce(self) -> None:
        """Tell those that I lost that I host."""

    def gave_up(self) -> None:
        """Nobody hosts any more."""
