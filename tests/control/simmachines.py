"""The simulator's prime, planes and nodes: processes, the network between them, the prime's judgement."""

from collections.abc import Callable

from hocket.control.actions import Action, Frozen, Introduction, LeaseNumber, Probe, RegistrationRefused, Removed
from hocket.control.backoff import BackoffRule
from hocket.control.booking import Bookings, Order
from hocket.control.children import Child
from hocket.control.registry import Registry
from hocket.control.supervision import Supervision
from hocket.control.view import NodeState
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from tests.control.simvalues import (
    GRACE_S,
    HEARTBEAT_S,
    LIMITS,
    PRIME,
    TICK_S,
    TIMING,
    Control,
    Node,
    SeededTime,
    User,
)

SILENT = ("no heartbeat", "its control connection ended")


class Machines(SeededTime):
    """A prime and its planes. `faults` scales how often things go wrong; 0.0 is a perfect day."""

    def __init__(self, seed: int, planes: int = 3, max_load: int = 5, faults: float = 1.0) -> None:
        super().__init__(seed)
        self.faults = faults
        self.max_load = max_load
        self.removals: list[tuple[float, Removed]] = []
        self.freezes: list[Frozen] = []
        self.suspected_s: dict[NodeId, float] = {}
        self.silent_removals = 0
        self.users: list[User] = []
        self.workers: list[Node] = []  # every worker process that ever was, by age
        self._waiting: dict[NodeId, list[Callable[[bool], None]]] = {}
        self.controls: dict[NodeId, Control] = {}
        self.prime_up = True
        self._start_prime()
        for number in range(planes):
            self._start_plane(NodeId(f"plane-{number}"))
        self._at(TICK_S, self._tick)

    def _send(self, control_id: NodeId, what: Callable[[], None]) -> None:
        """A message between the prime and the machine of a control node, either way."""
        if not self.controls[control_id].cut:
            self._at(self.random.uniform(0.001, 0.05), what)

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
