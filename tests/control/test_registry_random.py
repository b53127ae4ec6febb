"""The registry under random events, checked after each one."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hocket.control.actions import Action, HoldId, LeaseNumber, Probe, Removed
from hocket.control.registry import Registry
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from tests.control.kit import PRIME, TIMING, intro

_CONTROLS = st.sampled_from(["plane-0", "plane-1"])
_CHILDREN = st.sampled_from([f"{role}-{number}" for role in ("auth", "file") for number in range(3)])
_NODES = st.one_of(_CONTROLS, _CHILDREN)
_PARENTS = st.sampled_from([PRIME, "plane-0", "plane-1"])


class RegistryMachine(RuleBasedStateMachine):
    """Drives a registry as an I/O shell would, and as a confused one might."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.registry = Registry(intro(PRIME, Role.PRIME, capacity=2), TIMING, 0.0)
        self.leases: dict[NodeId, LeaseNumber] = {}
        self.heard_s: dict[NodeId, float] = {}
        self.holds: dict[HoldId, NodeId] = {}
        self.probes: list[Probe] = []
        self.revision = 0

    def take(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, Probe):
                self.probes.append(action)
            elif isinstance(action, Removed):
                gone = action.record.node_id
                self.leases.pop(gone, None)
                self.holds = {hold: node for hold, node in self.holds.items() if node != gone}

    @rule(seconds=st.floats(0.0, 4.0))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        before = {node.node_id: node for node in self.registry.view(self.now_s).nodes}
        actions = self.registry.tick(self.now_s)
        for action in actions:
            if isinstance(action, Removed) and action.record.parent not in [
                other.record.node_id for other in actions if isinstance(other, Removed)
            ]:
                was = before[action.record.node_id]
                quiet_s = self.now_s - self.heard_s.get(was.node_id, float("-inf"))
                assert quiet_s >= TIMING.settle_s
        self.take(actions)
        self.holds = {hold: node for hold, node in self.holds.items() if self.registry._hold_ends._at_s.get(hold)}

    @rule(node=_NODES, parent=_PARENTS, boot=st.sampled_from("ab"), load=st.integers(0, 3))
    def register(self, node: str, parent: str, boot: str, load: int) -> None:
        role = Role(node.split("-")[0])
        own_parent = None if role is Role.PLANE else parent
        try:
            number = self.registry.register(intro(node, role, own_parent, boot=boot, load=load, capacity=3), self.now_s)
        except HocketError:
            return
        assert number > self.leases.get(NodeId(node), LeaseNumber(0))
        self.leases[NodeId(node)] = number
        self.heard_s[NodeId(node)] = self.now_s

    @rule(node=_CHILDREN, parent=_PARENTS)
    def expect(self, node: str, parent: str) -> None:
        try:
            self.registry.expect(NodeId(node), Role(node.split("-")[0]), NodeId(parent), 3, self.now_s)
        except HocketError:
            return

    @rule(node=_NODES, load=st.integers(0, 3), draining=st.booleans())
    def heartbeat(self, node: str, load: int, draining: bool) -> None:
        number = self.leases.get(NodeId(node))
        if number is not None and self.registry.heartbeat(NodeId(node), number, load, self.now_s, draining=draining):
            self.heard_s[NodeId(node)] = self.now_s
            found = self.registry.get(NodeId(node))
            assert found is not None
            assert found.state != "suspect"

    @rule(node=_NODES)
    def connection_lost(self, node: str) -> None:
        number = self.leases.get(NodeId(node))
        if number is not None:
            self.take(self.registry.connection_lost(NodeId(node), number, self.now_s))

    @rule(ok=st.booleans(), which=st.integers(0, 100))
    def probe_result(self, ok: bool, which: int) -> None:
        if self.probes:
            probe = self.probes[which % len(self.probes)]
            if ok:
                self.take(self.registry.probe_answered(probe.node_id, probe.number, self.now_s))
            else:
                self.take(self.registry.probe_failed(probe.node_id, probe.number, "refused", self.now_s))

    @rule(node=_NODES)
    def leave(self, node: str) -> None:
        self.take(self.registry.leave(NodeId(node), "left", self.now_s))

    @rule(node=_NODES)
    def retire(self, node: str) -> None:
        if NodeId(node) in self.registry:
            self.registry.retire(NodeId(node), self.now_s)

    @rule(node=_CHILDREN, seconds=st.floats(0.1, 9.0))
    def hold(self, node: str, seconds: float) -> None:
        try:
            hold = self.registry.hold(NodeId(node), self.now_s + seconds, self.now_s)
        except HocketError:
            return
        self.holds[hold] = NodeId(node)

    @rule(which=st.integers(0, 100), load=st.none() | st.integers(0, 3))
    def release(self, which: int, load: int | None) -> None:
        if self.holds:
            hold = sorted(self.holds)[which % len(self.holds)]
            del self.holds[hold]
            self.registry.release(hold, self.now_s, load=load)

    @invariant()
    def the_tree_is_whole(self) -> None:
        nodes = {node.node_id: node for node in self.registry.view(self.now_s).nodes}
        assert PRIME in nodes
        loads = Counter(node.parent for node in nodes.values() if not node.is_control)
        for node in nodes.values():
            assert node.parent in nodes
            assert nodes[node.parent].is_control
            if node.is_control:
                assert node.load == loads[node.node_id] <= node.capacity
                assert len(self.registry.children(node.node_id)) == node.load
            assert (node.idle_since_s is None) == (node.used > 0)

    @invariant()
    def promises_add_up(self) -> None:
        open_holds = Counter(self.holds.values())
        for node in self.registry.view(self.now_s).nodes:
            assert node.held == open_holds[node.node_id]

    @invariant()
    def the_revision_never_moves_back(self) -> None:
        assert self.registry.revision >= self.revision
        self.revision = self.registry.revision

    @invariant()
    def everyone_has_a_deadline(self) -> None:
        assert len(self.registry._deadlines) == len(self.registry) - 1


RegistryMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
TestRegistryRandom = RegistryMachine.TestCase
