"""The prime's registry of nodes, by id: who is here, under whom, how loaded, how alive.

A node is an id, never an address: several control nodes may share one machine, and what leaves with
one of them is what registered under its id. All times are the caller's monotonic seconds. A heartbeat
costs O(1); `tick` looks only at nodes whose time may have run out.
"""

import msgspec

from hocket.control.actions import (
    Action,
    Counters,
    Frozen,
    HoldId,
    Introduction,
    LeaseNumber,
    Probe,
    RegistrationRefused,
    Removed,
)
from hocket.control.deadlines import Deadlines
from hocket.control.lease import SUSPECTED, Command, Event, Lease, State, new_lease
from hocket.control.massloss import MassLoss
from hocket.control.view import ClusterView, NodeRecord, NodeState, Timing
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role

_NO_LEASE = LeaseNumber(0)

_SILENCE = {
    State.EXPECTED: "it never came up",
    State.ALIVE: "no heartbeat",
    State.SUSPECT: "no answer to the probe",
    State.REPRIEVED: "it answered the probe but did not come back",
}


class _Entry:
    """One node's present: its public record and what only the registry needs."""

    __slots__ = (
        "boot",
        "contest_boot",
        "contest_s",
        "counters",
        "draining",
        "heard_s",
        "lease",
        "number",
        "probe",
        "record",
        "suspected_s",
        "why",
    )

    def __init__(self, record: NodeRecord, lease: Lease, now_s: float) -> None:
        self.record = record
        self.lease = lease
        self.number = _NO_LEASE
        self.boot = ""
        self.heard_s = now_s
        self.suspected_s = now_s
        self.probe = 0
        self.draining = False
        self.why = ""
        self.contest_boot = ""
        self.contest_s = now_s
        self.counters = Counters()

    @property
    def shown(self) -> NodeState:
        if self.lease.state in SUSPECTED:
            return NodeState.SUSPECT
        if self.lease.state is State.EXPECTED:
            return NodeState.STARTING
        return NodeState.DRAINING if self.draining else NodeState.READY


class Registry:
    """All nodes of one cluster; `prime` is the one that keeps it and never leaves."""

    def __init__(self, prime: Introduction, timing: Timing, now_s: float) -> None:
        self._timing = timing
        self._entries: dict[NodeId, _Entry] = {}
        self._children: dict[NodeId, set[NodeId]] = {}
        self._holds: dict[HoldId, _Entry] = {}
        self._hold_ends: Deadlines[HoldId] = Deadlines()
        self._deadlines: Deadlines[NodeId] = Deadlines()
        self._last_hold = 0
        self._last_probe = 0
        self._mass_loss = MassLoss(timing.lease_s)
        self._prime_id = prime.node_id
        self.revision = 0
        record = NodeRecord(
            prime.node_id,
            Role.PRIME,
            prime.node_id,
            NodeState.READY,
            prime.capacity,
            now_s,
            prime.address,
            prime.pid,
            idle_since_s=now_s,
            tracks=prime.tracks,
        )
        self._add(record, State.ALIVE, now_s)  # no deadline: it judges itself by MassLoss alone

    # what is known

    def __contains__(self, node_id: NodeId) -> bool:
        return node_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, node_id: NodeId) -> NodeRecord | None:
        entry = self._entries.get(node_id)
        return entry.record if entry else None

    def children(self, control_id: NodeId) -> frozenset[NodeId]:
        """The nodes that run under a control node, starting ones included."""
        return frozenset(self._children.get(control_id, ()))

    def counters(self, node_id: NodeId) -> Counters:
        """Raises HocketError NODE_MISSING."""
        return self._known(node_id).counters

    def story(self, node_id: NodeId) -> tuple[str, ...]:
        """The last turns of a node's lease, oldest first. Raises HocketError NODE_MISSING."""
        return self._known(node_id).lease.story.events

    def view(self, now_s: float) -> ClusterView:
        """Every node at this moment."""
        return ClusterView(tuple(entry.record for entry in self._entries.values()), now_s, self.revision)

    def is_frozen(self, now_s: float) -> bool:
        """Whether removals for silence are held back after a mass loss."""
        return self._mass_loss.is_frozen(now_s)

    @property
    def next_tick_s(self) -> float:
        """No later than this `tick` has something to look at; may be early."""
        return min(self._deadlines.next_s, self._hold_ends.next_s)

    # coming and going

    def expect(self, node_id: NodeId, role: Role, parent: NodeId, capacity: int, now_s: float) -> NodeRecord:
        """A node was ordered from a control node: it takes a slot from now on.

        Raises HocketError: ID_IN_USE, PARENT_MISSING, NODE_FULL if the control node has no slot left.
        """
        if node_id in self._entries:
            raise HocketError(f"{node_id} is in the registry already", code=ErrorCode.ID_IN_USE)
        self._check_slot(node_id, parent)
        record = NodeRecord(node_id, role, parent, NodeState.STARTING, capacity, now_s, idle_since_s=now_s)
        entry = self._add(record, State.EXPECTED, now_s)
        self._deadlines.set(node_id, now_s + self._timing.ready_s)
        return entry.record

    def register(self, intro: Introduction, now_s: float) -> LeaseNumber:
        """A node comes, or comes back on a newer connection, which replaces its older one.

        Raises RegistrationRefused: ID_IN_USE (another process of this id was heard lately: try again),
        ID_COPIED (that process lives on: somebody copied a data folder), PARENT_MISSING, NODE_FULL,
        NOT_ALLOWED (role or control node differ from what is known of this id).
        """
        entry = self._entries.get(intro.node_id)
        if entry is None:
            entry = self._admit(intro, now_s)
        else:
            self._check_identity(entry, intro)
            self._check_copy(entry, intro, now_s)
        self.revision += 1  # even if nothing else changes: the number must differ from the last one's
        self._hear(entry, now_s)
        entry.boot, entry.contest_boot = intro.boot, ""
        entry.counters.registrations += 1
        load = entry.record.load if entry.record.is_control else max(0, intro.load)
        self._change(
            entry,
            now_s,
            address=intro.address,
            pid=intro.pid,
            capacity=intro.capacity,
            load=load,
            tracks=intro.tracks,
        )
        entry.number = LeaseNumber(self.revision)
        return entry.number

    def heartbeat(
        self, node_id: NodeId, number: LeaseNumber, load: int, now_s: float, *, draining: bool = False
    ) -> bool:
        """A registered node is still here. False: it is not, or not on this connection; it must register again.

        `load` of a control node is not believed: the registry counts the nodes under it.
        """
        entry = self._entries.get(node_id)
        if entry is None or entry.number != number:
            return False
        entry.heard_s = now_s
        entry.counters.heartbeats += 1
        if entry.lease.state is State.ALIVE:
            self._deadlines.set(node_id, now_s + self._timing.lease_s)
        else:
            self._hear(entry, now_s)
        if draining and not entry.draining:
            self.drain(node_id, now_s)
        if load != entry.record.load and not entry.record.is_control:
            self._change(entry, now_s, load=max(0, load))
        return True

    def connection_lost(self, node_id: NodeId, number: LeaseNumber, now_s: float) -> tuple[Action, ...]:
        """The control connection of this registration ended. Of an older registration it means nothing."""
        entry = self._entries.get(node_id)
        if entry is None or entry.number != number:
            return ()
        entry.number = _NO_LEASE
        if entry.record.retiring:
            return self.leave(node_id, "retired", now_s)
        return self._feed(entry, Event.EOF, now_s, "its control connection ended")

    def probe_answered(self, node_id: NodeId, number: int, now_s: float) -> tuple[Action, ...]:
        """The node answered on a fresh connection: it gets one more lease to come back."""
        return self._probed(node_id, number, Event.PROBE_OK, now_s, "")

    def probe_failed(self, node_id: NodeId, number: int, why: str, now_s: float) -> tuple[Action, ...]:
        """Nobody answered at the node's address, or somebody else did."""
        return self._probed(node_id, number, Event.PROBE_FAILED, now_s, why)

    def leave(self, node_id: NodeId, why: str, now_s: float) -> tuple[Removed, ...]:
        """A node is known to be gone: it said goodbye, its process ended, it was revoked.

        What registered under a control node goes with it. A node that is not here: nothing.
        """
        entry = self._entries.get(node_id)
        if entry is None or node_id == self._prime_id:
            return ()
        return self._take_out(entry, Event.LEFT, why, now_s)

    def tick(self, now_s: float) -> tuple[Action, ...]:
        """Let time do its work: leases and promises that ran out, losses judged, the lost removed."""
        for hold in self._hold_ends.due(now_s):
            self.release(hold, now_s)
        actions: list[Action] = []
        lost: list[_Entry] = []
        while due := self._deadlines.due(now_s):
            for entry in [self._entries[node_id] for node_id in due]:
                if entry.lease.state is State.LOST:
                    lost.append(entry)
                else:
                    actions += self._feed(entry, Event.SILENT, now_s, _SILENCE[entry.lease.state])
        # All that vanished by now is known before the first of them is removed.
        if vanished := self._mass_loss.judge(self._present, now_s):
            self.revision += 1
            actions.append(Frozen(vanished, self._mass_loss.frozen_until_s))
        for entry in lost:
            actions += self._bury(entry, now_s)
        return tuple(actions)

    # duty and places

    def drain(self, node_id: NodeId, now_s: float) -> tuple[NodeId, ...]:
        """Give a node, and what runs under it, nothing new. Returns those that were not draining yet.

        Raises HocketError: NODE_MISSING; NOT_ALLOWED for the prime itself.
        """
        if node_id == self._prime_id:
            raise HocketError(
                "the prime itself cannot be drained", code=ErrorCode.NOT_ALLOWED, hint="stop its process instead"
            )
        fresh = [self._known(node_id), *(self._entries[child] for child in sorted(self.children(node_id)))]
        fresh = [entry for entry in fresh if not entry.draining]
        for entry in fresh:
            entry.draining = True
            self._change(entry, now_s)
        return tuple(entry.record.node_id for entry in fresh)

    def retire(self, node_id: NodeId, now_s: float) -> None:
        """The node is being told to end. Raises HocketError NODE_MISSING."""
        entry = self._known(node_id)
        entry.draining = True
        self._change(entry, now_s, retired_s=now_s)

    def hold(self, node_id: NodeId, until_s: float, now_s: float) -> HoldId:
        """Promise one of a node's free places until it shows in its load; `release` it then.

        Raises HocketError: NODE_MISSING, NODE_FULL.
        """
        entry = self._known(node_id)
        if not entry.record.free:
            raise HocketError(f"{node_id} has no free place", code=ErrorCode.NODE_FULL)
        self._last_hold += 1
        hold = HoldId(self._last_hold)
        self._holds[hold] = entry
        self._hold_ends.set(hold, until_s)
        self._change(entry, now_s, held=entry.record.held + 1)
        return hold

    def extend_hold(self, hold: HoldId, until_s: float) -> None:
        """Let a promise end at another time. An ended promise: nothing."""
        if hold in self._holds:
            self._hold_ends.set(hold, until_s)

    def release(self, hold: HoldId, now_s: float, *, load: int | None = None) -> None:
        """End a promise; `load` is the node's own count if it just told it. An ended promise: nothing."""
        entry = self._holds.pop(hold, None)
        self._hold_ends.drop(hold)
        if entry is not None:
            held, load = entry.record.held - 1, entry.record.load if load is None else load
            self._change(entry, now_s, held=held, load=load)

    def block_spawns(self, control_id: NodeId, role: Role, until_s: float, now_s: float) -> None:
        """Order no such node from a control node before `until_s`: they crash there. Raises NODE_MISSING."""
        entry = self._known(control_id)
        others = [(kind, end_s) for kind, end_s in entry.record.blocked if kind is not role and end_s > now_s]
        self._change(entry, now_s, blocked=(*others, (role, until_s)))

    def note_tracks(self, control_id: NodeId, tracks: int, now_s: float) -> None:
        """A control node's music folder holds so many tracks now. Raises HocketError NODE_MISSING."""
        self._change(self._known(control_id), now_s, tracks=tracks)

    # inside

    def _known(self, node_id: NodeId) -> _Entry:
        entry = self._entries.get(node_id)
        if entry is None:
            raise HocketError(
                f"there is no node {node_id}", code=ErrorCode.NODE_MISSING, hint="`controlNODE.py status` lists them"
            )
        return entry

    def _check_slot(self, node_id: NodeId, parent: NodeId) -> None:
        control = self._entries.get(parent)
        if control is None or not control.record.is_control:
            raise RegistrationRefused(
                f"{parent}, the control node of {node_id}, is not here",
                code=ErrorCode.PARENT_MISSING,
                hint="it has to join first",
                retry_s=self._timing.retry_s,
            )
        if control.record.load >= control.record.capacity:
            raise RegistrationRefused(
                f"{parent} holds {control.record.load} nodes of {control.record.capacity} already",
                code=ErrorCode.NODE_FULL,
                hint="raise its --max-load",
            )

    def _admit(self, intro: Introduction, now_s: float) -> _Entry:
        """A node that nobody ordered: a plane that joins, or an orphan that comes back to its control node."""
        if intro.role is Role.PLANE and intro.parent == intro.node_id:
            pass
        elif intro.role in (Role.AUTH, Role.FILE):
            self._check_slot(intro.node_id, intro.parent)
        else:
            raise RegistrationRefused(f"{intro.node_id} may not register as {intro.role} under {intro.parent}")
        record = NodeRecord(
            intro.node_id, intro.role, intro.parent, NodeState.READY, intro.capacity, now_s, idle_since_s=now_s
        )
        return self._add(record, State.ALIVE, now_s)

    def _check_identity(self, entry: _Entry, intro: Introduction) -> None:
        known = entry.record
        if (known.role, known.parent) != (intro.role, intro.parent) or intro.node_id == self._prime_id:
            raise RegistrationRefused(f"{intro.node_id} is known here as {known.role} under {known.parent}")

    def _check_copy(self, entry: _Entry, intro: Introduction, now_s: float) -> None:
        """Two live processes under one id. Who is heard after the other one first asked was not replaced by it."""
        if entry.lease.state is not State.ALIVE or entry.boot == intro.boot:
            return
        if entry.contest_boot != intro.boot or now_s - entry.contest_s > 2 * self._timing.lease_s:
            entry.contest_boot, entry.contest_s = intro.boot, now_s
        if entry.heard_s > entry.contest_s:
            entry.counters.copies_refused += 1
            raise RegistrationRefused(
                f"{intro.node_id} is here already, from {entry.record.address}: its data folder was copied",
                code=ErrorCode.ID_COPIED,
                hint="give this one a data folder of its own and join it again",
            )
        raise RegistrationRefused(
            f"{intro.node_id} was heard a moment ago from another process",
            code=ErrorCode.ID_IN_USE,
            retry_s=self._timing.retry_s,
        )

    def _add(self, record: NodeRecord, state: State, now_s: float) -> _Entry:
        entry = _Entry(record, new_lease(state), now_s)
        self._entries[record.node_id] = entry
        self.revision += 1
        if record.is_control:
            self._children[record.node_id] = set()
        else:
            entry.draining = self._entries[record.parent].draining
            self._children[record.parent].add(record.node_id)
            self._count_children(record.parent, now_s)
        return entry

    def _count_children(self, control_id: NodeId, now_s: float) -> None:
        self._change(self._entries[control_id], now_s, load=len(self._children[control_id]))

    def _change(self, entry: _Entry, now_s: float, **fields: object) -> None:
        """Replace a record, keeping what follows from others true: state, idle time, revision."""
        record = msgspec.structs.replace(entry.record, **fields)
        idle_since_s = None if record.used else record.idle_since_s if record.idle_since_s is not None else now_s
        record = msgspec.structs.replace(record, state=entry.shown, idle_since_s=idle_since_s)
        if record != entry.record:
            entry.record = record
            self.revision += 1

    def _hear(self, entry: _Entry, now_s: float) -> None:
        fresh = {"idle_since_s": now_s} if entry.lease.state is State.EXPECTED else {}
        entry.lease.feed(Event.HEARD)
        entry.heard_s = now_s
        self._mass_loss.forget(entry.record.node_id)
        self._deadlines.set(entry.record.node_id, now_s + self._timing.lease_s)
        self._change(entry, now_s, **fresh)

    def _probed(self, node_id: NodeId, number: int, event: Event, now_s: float, why: str) -> tuple[Action, ...]:
        entry = self._entries.get(node_id)
        if entry is None or entry.probe != number:
            return ()
        return self._feed(entry, event, now_s, why)

    def _feed(self, entry: _Entry, event: Event, now_s: float, why: str) -> tuple[Action, ...]:
        """Turn a lease and set its next deadline; a probe is the only action that a turn asks for."""
        node_id, before = entry.record.node_id, entry.lease.state
        command = entry.lease.feed(event)
        after = entry.lease.state
        if after is before:
            return ()
        actions: tuple[Action, ...] = ()
        if command is Command.PROBE:
            entry.suspected_s, entry.why = now_s, why
            self._last_probe += 1
            entry.probe = self._last_probe
            entry.counters.suspicions += 1
            self._mass_loss.vanish(node_id, now_s)
            self._deadlines.set(node_id, now_s + self._timing.probe_s)
            actions = (Probe(node_id, entry.record.address, entry.probe),)
        elif command is Command.CONDEMN:
            entry.why = f"{entry.why}, {why}" if entry.why and why else entry.why or why
            self._deadlines.set(node_id, max(now_s, entry.suspected_s + self._timing.settle_s))
        elif after is State.REPRIEVED:
            self._deadlines.set(node_id, now_s + self._timing.lease_s)
        self._change(entry, now_s)
        return actions

    def _present(self) -> int:
        return sum(entry.lease.state is not State.EXPECTED for entry in self._entries.values()) - 1

    def _bury(self, entry: _Entry, now_s: float) -> tuple[Removed, ...]:
        node_id = entry.record.node_id
        if self._entries.get(node_id) is not entry:
            return ()  # it went with its control node in this very tick
        if self._mass_loss.is_frozen(now_s) and entry.probe:
            self._deadlines.set(node_id, self._mass_loss.frozen_until_s)
            return ()
        return self._take_out(entry, Event.BURIED, entry.why, now_s)

    def _take_out(self, entry: _Entry, event: Event, why: str, now_s: float) -> tuple[Removed, ...]:
        """Remove a node and, by parent id, exactly what runs under it."""
        entry.lease.feed(event)
        del self._entries[entry.record.node_id]
        removed = [self._forget(entry, event, why)]
        for node_id in sorted(self._children.pop(entry.record.node_id, ())):
            child = self._entries.pop(node_id)
            child.lease.feed(Event.LEFT)
            removed.append(self._forget(child, event, f"{entry.record.node_id}, its control node, is gone ({why})"))
        if not entry.record.is_control:
            self._children[entry.record.parent].discard(entry.record.node_id)
            self._count_children(entry.record.parent, now_s)
        return tuple(removed)

    def _forget(self, entry: _Entry, event: Event, why: str) -> Removed:
        """A loss for silence stays part of the mass-loss count, a loss that is certain does not."""
        node_id = entry.record.node_id
        self._deadlines.drop(node_id)
        if event is Event.BURIED:
            self._mass_loss.bury(node_id)
        else:
            self._mass_loss.forget(node_id)
        self.revision += 1
        return Removed(entry.record, why)
