"""A whole control plane in one process and in seeded time: a prime, planes, their children, listeners.

The pure machines of `hocket.control` are the real ones. Simulated are processes, the network (delay,
loss, partitions), people who log in, play and leave, and whoever kills things. `World.step` checks
what must hold at every moment; the tests check what must hold in the end.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hocket.control.actions import Action, Frozen, Introduction, LeaseNumber, Probe, RegistrationRefused, Removed
from hocket.control.backoff import BackoffRule
from hocket.control.booking import Booking, Bookings, Order
from hocket.control.children import Child
from hocket.control.registry import Registry
from hocket.control.scheduler import Full, NoHolder
from hocket.control.supervision import Supervision
from hocket.control.view import Limits, NodeState, Timing
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role

TIMING = Timing(lease_s=5.0, probe_s=2.0, settle_s=1.0, ready_s=20.0, retry_s=0.5)
LIMITS = Limits(max_users=3, max_streams=4, idle_s=30.0)
GRACE_S = 40.0
TICK_S = 0.25
HEARTBEAT_S = 1.0
SEAT_S = 10.0
SILENT = ("no heartbeat", "its control connection ended")
PRIME = NodeId("prime-000000000000")


@dataclass(slots=True)
class Node:
    """A process of a worker or a control node. Its host is its control node's machine."""

    node_id: NodeId
    role: Role
    parent: NodeId
    boot: str
    capacity: int
    alive: bool = True
    number: LeaseNumber | None = None  # of its registration, None while it has none
    heard_prime_s: float = 0.0
    orphaned: bool = False
    unsupervised_s: float | None = None
    seats: dict[int, float] = field(default_factory=dict)  # ticket of the seat -> when it falls free
    users: set[int] = field(default_factory=set)

    @property
    def load(self) -> int:
        return len(self.seats) + len(self.users)


@dataclass(slots=True)
class Control:
    """A prime or plane: its process, its children, whether it is cut off from the prime."""

    node: Node
    supervision: Supervision
    children: dict[NodeId, tuple[Node, Child]] = field(default_factory=dict)
    cut: bool = False


@dataclass(slots=True)
class User:
    """Somebody who logs in, plays, and leaves."""

    number: int
    leaves_s: float
    auth: Node | None = None
    file: Node | None = None
    asking: set[Role] = field(default_factory=set)
    gone: bool = False
    refused: int = 0
    avoid: dict[NodeId, float] = field(default_factory=dict)


class World:
    """All of it. `faults` scales how often things go wrong; 0.0 is a perfect day."""

    def __init__(self, seed: int, planes: int = 3, max_load: int = 5, faults: float = 1.0) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.faults = faults
        self.max_load = max_load
        self.trace: list[str] = []
        self.removals: list[tuple[float, Removed]] = []
        self.freezes: list[Frozen] = []
        self.suspected_s: dict[NodeId, float] = {}
        self.silent_removals = 0
        self.users: list[User] = []
        self.workers: list[Node] = []  # every worker process that ever was, by age
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._waiting: dict[NodeId, list[Callable[[bool], None]]] = {}
        self.controls: dict[NodeId, Control] = {}
        self.prime_up = True
        self._start_prime()
        for number in range(planes):
            self._start_plane(NodeId(f"plane-{number}"))
        self._at(TICK_S, self._tick)

    # time and chance

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        end_s = self.now_s + seconds
        while self._events and self._events[0][0] <= end_s:
            self.now_s, _, what = heapq.heappop(self._events)
            what()
        self.now_s = end_s

    def _at(self, delay_s: float, what: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._events, (self.now_s + delay_s, self._sequence, what))

    def _note(self, text: str) -> None:
        self.trace.append(f"{self.now_s:.3f} {text}")

    def _send(self, control_id: NodeId, what: Callable[[], None]) -> None:
        """A message between the prime and the machine of a control node, either way."""
        if not self.controls[control_id].cut:
            self._at(self.random.uniform(0.001, 0.05), what)

    def _randomness(self) -> bytes:
        return self.random.randbytes(6)

    # processes

    def _start_prime(self) -> None:
        self._boot = f"boot-{self.random.getrandbits(32):x}"
        intro = Introduction(PRIME, Role.PRIME, PRIME, self._boot, HostPort("10.0.0.1", 1), 1, self.max_load)
        self.registry = Registry(intro, TIMING, self.now_s)
        self.bookings = Bookings(self.registry, LIMITS, TIMING.ready_s)
        self._waiting.clear()
        self.suspected_s.clear()
        self.prime_up = True
        node = Node(PRIME, Role.PRIME, PRIME, self._boot, self.max_load)
        self.controls[PRIME] = Control(node, Supervision(self.max_load, BackoffRule()))
        self._note("prime starts")

    def _start_plane(self, plane_id: NodeId) -> None:
        cut = self.controls[plane_id].cut if plane_id in self.controls else False
        boot = f"boot-{self.random.getrandbits(32):x}"
        node = Node(plane_id, Role.PLANE, plane_id, boot, self.max_load)
        self.controls[plane_id] = Control(node, Supervision(self.max_load, BackoffRule()), cut=cut)
        self._note(f"{plane_id} starts")
        self._live(node)

    def _spawn(self, order: Order) -> None:
        """An order reached its control node."""
        control = self.controls[order.control_id]
        if not control.node.alive:
            return
        try:
            child = control.supervision.admit(
                order.node_id, order.role, self.now_s, ready_timeout_s=10.0, stop_grace_s=2.0
            )
        except HocketError as error:
            self._tell_gone(order.node_id, order.control_id, order.role, str(error), self.now_s + error.retry_s)
            return
        node = Node(order.node_id, order.role, order.control_id, child.node_id, order.capacity)
        control.children[order.node_id] = (node, child)
        self.workers.append(node)
        if self.random.random() < 0.05 * self.faults:
            self._at(self.random.uniform(0.01, 0.5), lambda: self._end(node, "crashed at start", clean=False))
        else:
            self._at(self.random.uniform(0.2, 1.0), lambda: self._up(node, child))

    def _up(self, node: Node, child: Child) -> None:
        if node.alive:
            child.ready(self.now_s)
            self._live(node)

    def _end(self, node: Node, words: str, *, clean: bool) -> None:
        """A worker's process ends; its connection's end reaches the prime unless the network is cut."""
        if not node.alive:
            return
        node.alive = False
        self._note(f"{node.node_id} ends: {words}")
        self._drop(node)
        for user in self.users:
            if node in (user.auth, user.file):
                user.avoid[node.node_id] = self.now_s + 15.0
                if user.auth is node:
                    user.auth = None
                if user.file is node:
                    user.file = None
        control = self.controls[node.parent]
        owned = control.children.get(node.node_id)
        if owned is not None and owned[0] is node and control.node.alive:
            del control.children[node.node_id]
            owned[1].ended(words, self.now_s, clean=clean)
            until_s = control.supervision.remove(owned[1], self.now_s, self.random.random())
            self._tell_gone(node.node_id, node.parent, node.role, words, until_s)

    def _drop(self, node: Node) -> None:
        """The end of a node's connection, as the prime sees it."""
        number, node.number = node.number, None
        registry = self.registry
        if number is not None:
            self._send(
                node.parent,
                lambda: self._act(registry, registry.connection_lost(node.node_id, number, self.now_s)),
            )

    def _tell_gone(self, node_id: NodeId, control_id: NodeId, role: Role, why: str, until_s: float) -> None:
        """A control node tells the prime that a child is no more."""
        registry = self.registry

        def arrive() -> None:
            if registry is self.registry and self.prime_up:
                if control_id in registry:
                    registry.block_spawns(control_id, role, until_s, self.now_s)
                self._act(registry, registry.leave(node_id, why, self.now_s))

        self._send(control_id, arrive)

    # a node's side

    def _live(self, node: Node) -> None:
        """A node's own loop: register, heartbeat, notice the prime's loss, end as an orphan."""
        if not node.alive:
            return
        delay_s = HEARTBEAT_S * self.random.uniform(0.9, 1.1)
        if node.number is not None and self.now_s - node.heard_prime_s > TIMING.lease_s:
            self._drop(node)
        if node.number is None:
            delay_s = 0.5
            self._send(node.parent, lambda: self._register(node))
        else:
            number = node.number
            self._send(node.parent, lambda: self._heartbeat(node, number))
        if node.role in (Role.AUTH, Role.FILE) and not self._survives(node):
            return
        self._at(delay_s, lambda: self._live(node))

    def _survives(self, node: Node) -> bool:
        """Orphans and nodes without a prime end after their grace."""
        supervised = node.number is not None and self.now_s - node.heard_prime_s <= TIMING.lease_s
        if supervised:
            node.unsupervised_s = None
        elif node.unsupervised_s is None:
            node.unsupervised_s = self.now_s
        elif self.now_s - node.unsupervised_s >= GRACE_S:
            self._end(node, "nobody looked after it", clean=True)
            return False
        return True

    def _register(self, node: Node) -> None:
        if not node.alive or not self.prime_up or node.number is not None:
            return
        intro = Introduction(
            node.node_id,
            node.role,
            node.parent,
            node.boot,
            HostPort("10.0.0.1", 1),  # all of them share one address
            1,
            node.capacity,
            node.load,
        )
        try:
            number = self.registry.register(intro, self.now_s)
        except RegistrationRefused as error:
            if not error.retry_s:
                self._end(node, f"refused: {error.code}", clean=True)
            return
        node.number, node.heard_prime_s = number, self.now_s
        self.suspected_s.pop(node.node_id, None)
        self._note(f"{node.node_id} registers")
        self._wake(node.node_id)

    def _heartbeat(self, node: Node, number: LeaseNumber) -> None:
        if not node.alive or not self.prime_up or node.number != number:
            return
        for seat in [seat for seat, end_s in node.seats.items() if end_s <= self.now_s]:
            del node.seats[seat]
        if self.registry.heartbeat(node.node_id, number, node.load, self.now_s):
            self.suspected_s.pop(node.node_id, None)
            self._send(node.parent, lambda: self._answered(node, number))
        else:
            node.number = None

    def _answered(self, node: Node, number: LeaseNumber) -> None:
        if node.number == number:
            node.heard_prime_s = self.now_s

    # the prime's side

    def _tick(self) -> None:
        self._at(TICK_S, self._tick)
        if not self.prime_up:
            return
        self._act(self.registry, self.registry.tick(self.now_s))
        for retire in self.bookings.tidy(self.now_s):
            self._send_retire(retire.node_id)
        self._check()

    def _send_retire(self, node_id: NodeId) -> None:
        record = self.registry.get(node_id)
        found = [node for node in self.workers if node.node_id == node_id]
        if record is not None and found and found[0].number is not None:
            self._send(record.parent, lambda: self._end(found[0], "retired", clean=True))

    def _act(self, registry: Registry, actions: tuple[Action, ...]) -> None:
        if registry is not self.registry or not self.prime_up:
            return  # it came for an earlier life of the prime
        for action in actions:
            if isinstance(action, Probe):
                self.suspected_s[action.node_id] = self.now_s
                self._probe(action)
            elif isinstance(action, Frozen):
                self.freezes.append(action)
                self._note(f"frozen: {action.vanished} vanished")
            else:
                self._removed(action)

    def _removed(self, removed: Removed) -> None:
        node_id = removed.record.node_id
        if removed.why.startswith(SILENT):
            self.silent_removals += 1
            assert not self.registry.is_frozen(self.now_s), f"{node_id} was removed while removals are frozen"
            suspected_for_s = self.now_s - self.suspected_s[node_id]
            assert suspected_for_s >= TIMING.settle_s, f"{node_id} was removed {suspected_for_s} s after suspicion"
        self.removals.append((self.now_s, removed))
        self.suspected_s.pop(node_id, None)
        self._note(f"{node_id} is out: {removed.why}")
        self._wake(node_id)

    def _probe(self, probe: Probe) -> None:
        registry, record = self.registry, self.registry.get(probe.node_id)
        assert record is not None

        def answer() -> None:
            alive = any(node.alive for node in self._processes() if node.node_id == probe.node_id)
            if alive:
                self._act(registry, registry.probe_answered(probe.node_id, probe.number, self.now_s))
            else:
                self._act(registry, registry.probe_failed(probe.node_id, probe.number, "refused", self.now_s))

        self._send(record.parent, answer)

    def _processes(self) -> list[Node]:
        return [*(control.node for control in self.controls.values()), *self.workers]

    def _wake(self, node_id: NodeId) -> None:
        record = self.registry.get(node_id)
        if record is None or record.state is not NodeState.STARTING:
            ready = record is not None and record.state is NodeState.READY
            for waiter in self._waiting.pop(node_id, []):
                waiter(ready)

    # people

    def arrive(self, stays_s: float) -> User:
        """Somebody comes, logs in and plays for a while."""
        user = User(len(self.users), self.now_s + stays_s)
        self.users.append(user)
        self._want(user)
        return user

    def _want(self, user: User) -> None:
        """A client's loop: keep a session and a stream, until it is time to go."""
        if user.gone:
            return
        if self.now_s >= user.leaves_s:
            user.gone = True
            for node in (user.auth, user.file):
                if node is not None:
                    node.users.discard(user.number)
            return
        user.avoid = {node: end_s for node, end_s in user.avoid.items() if end_s > self.now_s}
        for role, has in ((Role.AUTH, user.auth), (Role.FILE, user.file)):
            if has is None and role not in user.asking and (role is Role.AUTH or user.auth is not None):
                self._ask(user, role)
        self._at(0.5, lambda: self._want(user))

    def _ask(self, user: User, role: Role) -> None:
        if not self.prime_up:
            return
        if role is Role.AUTH:
            order = self.bookings.warm(self._randomness(), self.now_s)
            if order is not None:
                self._order(order)
            answer: Booking | Full | NoHolder = self.bookings.login(self._randomness(), self.now_s, user.avoid)
        else:
            answer = self.bookings.play(None, self._randomness(), self.now_s, user.avoid)
        if not isinstance(answer, Booking):
            user.refused += 1
            return
        user.asking.add(role)
        booking, registry = answer, self.registry
        if booking.order is not None:
            self._order(booking.order)
        if booking.ready:
            self._take(user, role, booking, registry)
        else:

            def up(ready: bool) -> None:
                if ready and not user.gone:
                    self._take(user, role, booking, registry)
                else:
                    self._give_up(user, role, booking, registry)

            self._waiting.setdefault(booking.node_id, []).append(up)

    def _order(self, order: Order) -> None:
        self._send(order.control_id, lambda: self._spawn(order))

    def _give_up(self, user: User, role: Role, booking: Booking, registry: Registry) -> None:
        user.asking.discard(role)
        user.avoid[booking.node_id] = self.now_s + 15.0
        if registry is self.registry:
            self.bookings.cancel(booking, self.now_s)

    def _take(self, user: User, role: Role, booking: Booking, registry: Registry) -> None:
        """Reserve the seat by a message, or go straight to the streaming node."""
        node = next((node for node in self.workers if node.node_id == booking.node_id), None)
        seat = self._sequence
        answered: list[bool] = []

        def late() -> None:
            if not answered:
                answered.append(False)
                self._give_up(user, role, booking, registry)

        def reply(load: int) -> None:
            if answered:
                return
            answered.append(True)
            if registry is self.registry and self.prime_up:
                self.bookings.seated(booking, load, self.now_s)
            self._at(self.random.uniform(0.01, 0.3), lambda: self._enter(user, role, node, seat))

        def reserve() -> None:
            if node is not None and node.alive and node.load < node.capacity:
                node.seats[seat] = self.now_s + SEAT_S
                load = node.load
                self._send(node.parent, lambda: reply(load))

        if role is Role.FILE:
            self.bookings.sent(booking, self.now_s)
            self._at(self.random.uniform(0.01, 0.1), lambda: self._enter(user, role, node, seat))
            return
        self._at(3.0, late)
        if node is not None:
            self._send(node.parent, reserve)

    def _enter(self, user: User, role: Role, node: Node | None, seat: int) -> None:
        """The listener connects to the node that it was sent to."""
        user.asking.discard(role)
        if node is None:
            return
        node.seats.pop(seat, None)
        if not node.alive or node.load >= node.capacity:
            user.avoid[node.node_id] = self.now_s + 15.0
        elif not user.gone:
            node.users.add(user.number)
            if role is Role.AUTH:
                user.auth = node
            else:
                user.file = node

    # mischief

    def mischief(self) -> None:
        """One random thing goes wrong, or right again."""
        planes = [control for control_id, control in self.controls.items() if control_id != PRIME]
        living = [node for node in self.workers if node.alive]
        what = self.random.choice(["kill", "kill", "plane", "cut", "cut all", "heal", "heal", "prime", "hang up"])
        self._note(what)
        if what == "kill" and living:
            self._end(self.random.choice(living), "was ended by SIGKILL", clean=False)
        elif what == "plane":
            self.kill_control(self.random.choice(planes))
        elif what == "cut":
            self.random.choice(planes).cut = True
        elif what == "cut all" and self.random.random() < 0.3:
            for control in planes:
                control.cut = True
        elif what == "heal":
            self.random.choice(planes).cut = False
        elif what == "prime" and self.random.random() < 0.3:
            self.kill_prime(self.random.uniform(0.1, 10.0))
        elif what == "hang up" and living:
            self._drop(self.random.choice(living))

    def kill_control(self, control: Control, back_after_s: float | None = None) -> None:
        """A plane's process ends: its children are orphans; after a while it starts again."""
        if not control.node.alive:
            return
        control.node.alive = False
        self._note(f"{control.node.node_id} ends")
        self._drop(control.node)
        back_s = self.random.uniform(0.1, 20.0) if back_after_s is None else back_after_s
        self._at(back_s, lambda: self._start_plane(control.node.node_id))

    def kill_prime(self, back_after_s: float) -> None:
        """The prime's process ends: everyone's connection does; it starts again with an empty registry."""
        if not self.prime_up:
            return
        self.prime_up = False
        self._note("prime ends")
        self.controls[PRIME].node.alive = False
        for node in self._processes():
            if node.alive and not self.controls[node.parent].cut:
                node.number = None
        self._at(back_after_s, self._start_prime)

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = 0.0
        for control in self.controls.values():
            control.cut = False

    # what must hold at every moment

    def _check(self) -> None:
        nodes = {record.node_id: record for record in self.registry.view(self.now_s).nodes}
        for record in nodes.values():
            assert record.parent in nodes, f"{record.node_id} has no control node"
            if record.is_control:
                assert record.load == len(self.registry.children(record.node_id)) <= record.capacity
            elif record.state is NodeState.STARTING:
                assert record.held <= record.capacity
        for worker in self.workers:
            assert worker.load <= worker.capacity, f"{worker.node_id} is overbooked"
        for control in self.controls.values():
            assert len(control.supervision) <= self.max_load
