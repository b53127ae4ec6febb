"""Where demands go: an existing node, a node that is about to come up, a new one, or nowhere.

Pure functions of the cluster's view. A caller books each answer in the registry (`Registry.hold`,
`Registry.expect`) before it asks again: so simultaneous demands fill the free places of nodes that
are still starting, and only the overflow spawns more.

Two kinds of nodes share the slots. A cluster that spent its last slot on a second authentication
node could log people in but never play, so the last free slot of the cluster goes only to a kind
that has no node yet.
"""

from collections.abc import Collection, Sequence

import msgspec

from hocket.control.view import ClusterView, Limits, NodeRecord, NodeState
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role

WORKERS = (Role.AUTH, Role.FILE)
RETIRE_AGAIN_S = 10.0
"""A node ends within seconds of being told."""

_MAX_NAMED = 3

_KIND = {Role.AUTH: "authentication", Role.FILE: "streaming"}


class Place(msgspec.Struct, frozen=True):
    """This node has room now."""

    node_id: NodeId


class Wait(msgspec.Struct, frozen=True):
    """This node will have room as soon as it is up."""

    node_id: NodeId


class Spawn(msgspec.Struct, frozen=True):
    """Order a node of this role from this control node, then wait for it."""

    role: Role
    control_id: NodeId
    capacity: int


class Full(msgspec.Struct, frozen=True):
    """No room, and no slot for a new node; `retry_s` > 0 if one opens by itself then."""

    text: str
    hint: str
    retry_s: float = 0.0

    def error(self) -> HocketError:
        """As the CLUSTER_FULL that the listener gets."""
        return HocketError(self.text, code=ErrorCode.CLUSTER_FULL, hint=self.hint, retry_s=self.retry_s)


class NoHolder(msgspec.Struct, frozen=True):
    """No control node that is here and well holds the track."""


class Retire(msgspec.Struct, frozen=True):
    """Tell this node to end."""

    node_id: NodeId
    why: str


Answer = Place | Wait | Spawn | Full


def place_login(view: ClusterView, limits: Limits, avoid: Collection[NodeId] = ()) -> Answer:
    """Where a listener logs in: the authentication node with the most room.

    `avoid` names nodes that just failed this listener.
    """
    return _place(view, limits, Role.AUTH, avoid, None)


def place_play(
    view: ClusterView, limits: Limits, holders: Collection[NodeId] | None, avoid: Collection[NodeId] = ()
) -> Answer | NoHolder:
    """Which streaming node serves a listener: the one with the most room on a machine that holds the track.

    `holders` are the control nodes whose folders hold it; None: any will do.
    """
    controls = _usable_controls(view)
    if holders is None or controls.keys() <= set(holders):
        return _place(view, limits, Role.FILE, avoid, None)
    able = [control for control in controls if control in holders]
    if not able:
        return NoHolder()
    answer = _place(view, limits, Role.FILE, avoid, able)
    return _full_of_holders(answer, able) if isinstance(answer, Full) else answer


def warm_play(view: ClusterView, limits: Limits) -> Spawn | None:
    """A login is about to be followed by a play: the streaming node to start for it, if none has room."""
    answer = place_play(view, limits, None)
    return answer if isinstance(answer, Spawn) else None


def one_more(view: ClusterView, limits: Limits, role: Role) -> Spawn | Full:
    """The operator wants another node of a role, whether or not those that are there have room."""
    return _spawn(view, limits, role, tuple(_usable_controls(view).values()))


def tidy(view: ClusterView, limits: Limits) -> tuple[Retire, ...]:
    """Nodes to retire: drained ones that are empty, those that nobody used for `idle_s`, and those that were
    told before but are still here: the message may have been lost.

    While somebody is logged in one streaming node stays, so that pressing play does not wait for a
    process to start.
    """
    deaf = [
        node
        for node in view.nodes
        if node.retired_s is not None
        and node.state is NodeState.DRAINING
        and view.now_s - node.retired_s >= RETIRE_AGAIN_S
    ]
    staying = [node for node in view.nodes if node.role is not Role.PRIME and not node.retiring]
    drained = [node for node in staying if node.state is NodeState.DRAINING and not node.used]
    ready = [node for node in staying if node.role in WORKERS and node.state is NodeState.READY]
    idle = {node.node_id: node for node in ready if _idle_s(node, view.now_s) >= limits.idle_s}
    files = [node for node in ready if node.role is Role.FILE]
    someone_is_in = any(node.used for node in view.nodes if node.role is Role.AUTH)
    if someone_is_in and files and all(node.node_id in idle for node in files):
        del idle[min(files, key=_by_age).node_id]
    return (
        *(Retire(node.node_id, "still here after it was told to end") for node in deaf),
        *(Retire(node.node_id, "drained") for node in drained),
        *(Retire(node_id, f"nobody used it for {limits.idle_s:g} s") for node_id in idle),
    )


def _idle_s(node: NodeRecord, now_s: float) -> float:
    return -1.0 if node.used or node.idle_since_s is None else now_s - node.idle_since_s


def _by_age(node: NodeRecord) -> tuple[float, NodeId]:
    return (node.since_s, node.node_id)


def _usable_controls(view: ClusterView) -> dict[NodeId, NodeRecord]:
    return {node.node_id: node for node in view.nodes if node.is_control and node.state is NodeState.READY}


def _place(
    view: ClusterView, limits: Limits, role: Role, avoid: Collection[NodeId], holders: Collection[NodeId] | None
) -> Answer:
    controls = _usable_controls(view)
    allowed = controls if holders is None else {key: node for key, node in controls.items() if key in holders}
    usable = [
        node
        for node in view.nodes
        if node.role is role and node.parent in allowed and node.free and node.node_id not in avoid
    ]
    ready = [node for node in usable if node.state is NodeState.READY]
    if ready:
        best = min(ready, key=lambda node: (-node.free, controls[node.parent].role is not Role.PRIME, node.node_id))
        return Place(best.node_id)
    starting = [node for node in usable if node.state is NodeState.STARTING]
    if starting:
        return Wait(min(starting, key=_by_age).node_id)
    return _spawn(view, limits, role, tuple(allowed.values()), any_track=holders is None)


def _spawn(
    view: ClusterView, limits: Limits, role: Role, candidates: Sequence[NodeRecord], *, any_track: bool = True
) -> Spawn | Full:
    """The prime's own slots first, then the planes' evenly; to stream `any_track`, whole libraries before parts."""
    with_slot = [node for node in candidates if node.free]
    if not with_slot:
        return _full(view, role, "")
    if not _may_take_slot(view, role):
        return _full(view, role, "; the last one is kept for the other kind of node")
    able = [node for node in with_slot if node.blocked_until_s(role) <= view.now_s]
    if not able:
        retry_s = min(node.blocked_until_s(role) for node in with_slot) - view.now_s
        return Full(
            f"the last {_KIND[role]} nodes that were started crashed; the next try is in {retry_s:.1f} s",
            "`controlNODE.py status` shows their last words",
            retry_s,
        )
    most = max(node.tracks for node in able)
    chosen = min(
        able,
        key=lambda node: (
            role is Role.FILE and any_track and node.tracks < most,
            node.role is not Role.PRIME,
            node.load,
            node.node_id,
        ),
    )
    return Spawn(role, chosen.node_id, limits.capacity(role))


def _may_take_slot(view: ClusterView, role: Role) -> bool:
    """Whether a slot is left for this kind once every other kind that has no node got one."""
    controls = _usable_controls(view)
    free = sum(node.free for node in controls.values())
    here = {node.role for node in view.nodes if node.parent in controls}
    return free > sum(kind not in here for kind in WORKERS if kind is not role)


def _full_of_holders(full: Full, holders: Collection[NodeId]) -> Full:
    """Other machines may have room, but not the track."""
    named = ", ".join(sorted(holders)[:_MAX_NAMED]) + (" and others" if len(holders) > _MAX_NAMED else "")
    hint = f"{full.hint}; or keep more copies (--replicas)"
    return msgspec.structs.replace(full, text=f"{full.text}; the track is on {named} only", hint=hint)


def _full(view: ClusterView, role: Role, why: str) -> Full:
    controls = [node for node in view.nodes if node.is_control]
    nodes = [node for node in view.nodes if node.role is role]
    taken, places = sum(node.used for node in nodes), sum(node.capacity for node in nodes)
    used, slots = sum(node.load for node in controls), sum(node.capacity for node in controls)
    flag = "--max-users or --max-load" if role is Role.AUTH else "--max-load"
    return Full(
        f"no {_KIND[role]} node has room ({taken} of {places} places on {len(nodes)} taken) "
        f"and no slot is free for one more ({used} of {slots} in use{why})",
        f"add a machine (`controlNODE.py token`, then `planeNODE.py --join TOKEN` there) or raise {flag}",
    )
