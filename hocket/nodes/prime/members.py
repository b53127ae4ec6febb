"""Who is in the cluster: the registry's I/O shell. Links in, leases, probes, removals out."""

import asyncio
import logging
import ssl
from collections.abc import Callable

from hocket.adapters import link as links
from hocket.adapters.clocks import SystemClock
from hocket.adapters.link import Link
from hocket.control.actions import Action, Frozen, Introduction, LeaseNumber, Probe, RegistrationRefused, Removed
from hocket.control.beats import next_beat_in_s
from hocket.control.registry import Registry
from hocket.control.view import ClusterView, NodeRecord, NodeState
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.config import PrimeConfig
from hocket.wire.message import Message
from hocket.wire.messages.common import Ping, Pong
from hocket.wire.messages.nodes import Heartbeat, HeartbeatHeard, Register

log = logging.getLogger(__name__)

TICK_S = 0.25


class Rate:
    """Bytes per second of one node, over its last heartbeats."""

    __slots__ = ("_at_s", "_sent_bytes", "bytes_per_s")

    def __init__(self) -> None:
        self._at_s = 0.0
        self._sent_bytes = 0
        self.bytes_per_s = 0.0

    def heard(self, sent_bytes: int, now_s: float) -> None:
        elapsed_s = now_s - self._at_s
        if elapsed_s < 0.5 and self._at_s:
            return
        if self._at_s and sent_bytes >= self._sent_bytes:
            self.bytes_per_s = (sent_bytes - self._sent_bytes) / elapsed_s
        self._at_s, self._sent_bytes = now_s, sent_bytes


class Member:
    """A registered node's connection."""

    __slots__ = ("lease", "link", "rate", "ticket_key")

    def __init__(self, link: Link, lease: LeaseNumber, ticket_key: bytes) -> None:
        self.link = link
        self.lease = lease
        self.ticket_key = ticket_key
        self.rate = Rate()


class Members:
    """The registry and the links behind it. `changed` wakes whoever waits for a node to come up or go."""

    def __init__(
        self,
        config: PrimeConfig,
        own: Introduction,
        context: ssl.SSLContext,
        on_removed: Callable[[NodeRecord, str], None],
    ) -> None:
        self._config = config
        self._own = own
        self._context = context
        self._on_removed = on_removed
        self._clock = SystemClock()
        self._members: dict[NodeId, Member] = {}
        self._probes: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._changed = asyncio.Event()
        self.registry = Registry(own, config.timing, self._clock.monotonic_s())

    # -- what other parts use

    @property
    def own_id(self) -> NodeId:
        """The prime's node id."""
        return self._own.node_id

    def now_s(self) -> float:
        return self._clock.monotonic_s()

    def view(self) -> ClusterView:
        return self.registry.view(self.now_s())

    def record(self, node: NodeId) -> NodeRecord | None:
        return self.registry.get(node)

    def link(self, node: NodeId) -> Link:
        """A registered node's connection. Raises NotReachable."""
        member = self._members.get(node)
        if member is None or not member.link.is_open:
            raise NotReachable(f"{node} is not connected", hint="`controlNODE.py status` shows its state")
        return member.link

    def is_current(self, link: Link) -> bool:
        """Whether this is the connection by which its node is registered."""
        member = self._members.get(link.peer.node)
        return member is not None and member.link is link

    def links(self, *roles: Role) -> list[Link]:
        """Open connections of all nodes with one of these roles."""
        return [
            member.link for member in self._members.values() if member.link.is_open and member.link.peer.role in roles
        ]

    def children_links(self, control: NodeId) -> list[Link]:
        """Open connections of the nodes that run under a control node."""
        members = [self._members.get(child) for child in self.registry.children(control)]
        return [member.link for member in members if member is not None and member.link.is_open]

    def sent_bytes_per_s(self, node: NodeId) -> float:
        member = self._members.get(node)
        return member.rate.bytes_per_s if member else 0.0

    def ticket_key(self, node: NodeId) -> bytes:
        """The public key that a registered auth node signs tickets with."""
        return self._members[node].ticket_key

    async def wait_change(self, timeout_s: float) -> None:
        """Until a node came up or left, or time is over."""
        changed = self._changed
        try:
            async with asyncio.timeout(timeout_s):
                await changed.wait()
        except TimeoutError:
            pass

    async def wait_ready(self, node: NodeId, timeout_s: float) -> bool:
        """Whether an ordered node came up in time; False as soon as it is known not to."""
        deadline_s = self.now_s() + timeout_s
        while (record := self.registry.get(node)) is not None:
            if record.state is not NodeState.STARTING:
                return record.state is NodeState.READY
            if (left_s := deadline_s - self.now_s()) <= 0:
                return False
            await self.wait_change(left_s)
        return False

    def leave(self, node: NodeId, why: str) -> None:
        """A node is known to be gone."""
        self._act(self.registry.leave(node, why, self.now_s()))

    def wake(self) -> None:
        """Let waiters look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    # -- messages of nodes

    def register(self, link: Link, message: Register) -> LeaseNumber:
        """Take a node in. Raises RegistrationRefused."""
        peer = link.peer
        own_link = self._members.get(peer.node)
        if own_link is not None and own_link.link is link:
            raise RegistrationRefused("registered on this connection already")
        introduction = Introduction(
            peer.node,
            peer.role,
            message.parent,
            message.boot,
            _known_address(message.address, link),
            message.pid,
            message.capacity,
            message.load,
        )
        lease = self.registry.register(introduction, self.now_s())
        self._members[peer.node] = Member(link, lease, message.ticket_key)
        if own_link is not None:
            own_link.link.close()
        log.info("%s registered at %s", peer.node, message.address)
        self.wake()
        return lease

    def heartbeat(self, link: Link, message: Heartbeat, cluster_ns: int) -> HeartbeatHeard:
        """Prolong a lease. Raises HocketError (NODE_MISSING): register again."""
        member = self._members.get(link.peer.node)
        now_s = self.now_s()
        if (
            member is None
            or member.link is not link
            or not self.registry.heartbeat(link.peer.node, member.lease, message.load, now_s, draining=message.draining)
        ):
            raise HocketError(f"{link.peer.node} is not registered on this connection", code=ErrorCode.NODE_MISSING)
        member.rate.heard(message.sent_bytes, now_s)
        return HeartbeatHeard(cluster_ns, next_beat_in_s(now_s, self._config.heartbeat_s))

    def closed(self, link: Link) -> None:
        """A connection ended: its node is a suspect at once."""
        node = link.peer.node
        member = self._members.get(node)
        if member is not None and member.link is link:
            self._act(self.registry.connection_lost(node, member.lease, self.now_s()))

    # -- time

    async def run(self) -> None:
        """Let time do its work, until cancelled; then nobody is probed any more."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                self._act(self.registry.tick(self.now_s()))
        finally:
            self._stopped = True
            for task in self._probes:
                task.cancel()
            await asyncio.gather(*self._probes, return_exceptions=True)

    def _act(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            match action:
                case Probe() if not self._stopped:
                    log.info("%s is suspected: probing %s", action.node_id, action.address)
                    task = asyncio.create_task(self._probe(action))
                    self._probes.add(task)
                    task.add_done_callback(self._probes.discard)
                case Removed():
                    self._removed(action)
                case Frozen():
                    log.warning(
                        "%d nodes vanished together: suspecting this machine's own network, nobody is removed for now",
                        action.vanished,
                    )
        if actions:
            self.wake()

    def _removed(self, removed: Removed) -> None:
        node = removed.record.node_id
        log.info("%s is out: %s", node, removed.why)
        member = self._members.pop(node, None)
        if member is not None:
            member.link.close()
        self._on_removed(removed.record, removed.why)

    async def _probe(self, probe: Probe) -> None:
        record = self.registry.get(probe.node_id)
        if record is None:
            return
        try:
            await self._ping(record)
        except HocketError as error:
            self._act(self.registry.probe_failed(probe.node_id, probe.number, error.text, self.now_s()))
        else:
            self._act(self.registry.probe_answered(probe.node_id, probe.number, self.now_s()))
            self._hang_up(probe.node_id)

    def _hang_up(self, node: NodeId) -> None:
        """It lives, but its connection is mute: only once that is closed does it come back on a new one."""
        record, member = self.registry.get(node), self._members.get(node)
        if record is not None and member is not None and record.state is NodeState.SUSPECT:
            member.link.close(NotReachable("no heartbeat came on this connection", code=ErrorCode.TIMED_OUT))

    async def _ping(self, record: NodeRecord) -> None:
        """Connect afresh and ask. On plain audio ports the prime comes as a listener: no certificate is seen."""
        timeout_s = self._config.timing.probe_s
        plain = record.role is Role.FILE and self._config.policy.audio_plain
        mine = links.hello(Role.LISTENER if plain else Role.PRIME, self._own.node_id)
        context = None if plain else self._context
        expect = (record.role, record.node_id)
        link = await links.connect(
            record.address, context, mine, _Nobody(), expect=expect, believe=plain, timeout_s=timeout_s
        )
        try:
            await link.request(Ping(), Pong, timeout_s)
        finally:
            link.close()
            await link.wait_closed()


def _known_address(told: HostPort, link: Link) -> HostPort:
    """A node of another machine that listens on every interface is reached where its connection comes from."""
    peer = link.peer_address
    return HostPort(peer.host, told.port) if told.is_wildcard and not peer.is_loopback else told


class _Nobody:
    """Owns the link of a probe, on which nothing comes unasked."""

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return Pong() if isinstance(message, Ping) else None

    def on_closed(self, link: Link, error: HocketError) -> None: ...
