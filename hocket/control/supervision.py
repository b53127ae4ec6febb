"""What a control node knows of its children: slots, states, back-off, last words."""

from collections.abc import Iterator

import msgspec

from hocket.control.backoff import Backoff, BackoffRule
from hocket.control.children import Child
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role

TROUBLE_S = 600.0
"""A crash stays in `status` for this long: far above the longest back-off, so that a loop is known as one."""


class ChildStatus(msgspec.Struct, frozen=True):
    """One line of `status`. `waiting`: it crashed, and `retry_s` pass before another is tried."""

    node_id: NodeId
    role: Role
    state: str  # starting, ready, stopping, crashed, waiting
    pid: int
    up_s: float
    why: str = ""
    failures: int = 0  # in a row, of this role
    retry_s: float = 0.0
    last_lines: tuple[str, ...] = ()


class Supervision:
    """The children of one control node. At most `max_load` live at a time, whoever asks for more."""

    def __init__(self, max_load: int, rule: BackoffRule) -> None:
        self._max_load = max_load
        self._rule = rule
        self._children: dict[NodeId, Child] = {}
        self._backoff: dict[Role, Backoff] = {}
        self._crashed: dict[Role, Child] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._children.values()))

    def __len__(self) -> int:
        return len(self._children)

    def get(self, node_id: NodeId) -> Child | None:
        return self._children.get(node_id)

    def admit(self, node_id: NodeId, role: Role, now_s: float, *, ready_timeout_s: float, stop_grace_s: float) -> Child:
        """A child that is about to be started: it takes a slot until `remove`.

        Raises HocketError: ID_IN_USE, NODE_FULL (no slot), BACKING_OFF (with `retry_s`).
        """
        if node_id in self._children:
            raise HocketError(f"{node_id} runs already", code=ErrorCode.ID_IN_USE)
        if len(self._children) >= self._max_load:
            raise HocketError(
                f"all {self._max_load} slots for nodes are in use", code=ErrorCode.NODE_FULL, hint="raise --max-load"
            )
        wait_s = self._backoff.get(role, Backoff()).wait_s(now_s)
        if wait_s > 0.0:
            crashed = self._crashed[role]
            raise HocketError(
                f"{crashed.node_id} {crashed.why}",
                code=ErrorCode.BACKING_OFF,
                hint=f"the next {role} node is tried in {wait_s:.1f} s",
                retry_s=wait_s,
            )
        child = Child(node_id, role, now_s, ready_timeout_s=ready_timeout_s, stop_grace_s=stop_grace_s)
        self._children[node_id] = child
        return child

    def remove(self, child: Child, now_s: float, jitter: float) -> float:
        """A child is over: its slot is free. Returns until when its role is not to be tried again.

        `jitter` is drawn from [0, 1) by the caller. A clean end costs no wait.
        """
        if not child.is_over:
            raise ValueError(f"{child.node_id} is still {child.shown}")
        self._children.pop(child.node_id, None)
        backoff = self._backoff.get(child.role, Backoff())
        if child.crashed:
            backoff = backoff.failed(self._rule, now_s, child.healthy_s(now_s), jitter)
            self._backoff[child.role] = backoff
            self._crashed[child.role] = child
        return backoff.not_before_s

    def tick(self, now_s: float) -> None:
        """A role's row of failures ends once a later child served for `healthy_s`, or is long past."""
        for role, crashed in list(self._crashed.items()):
            ended_s = crashed.ended_s or 0.0
            served_s = [child.healthy_s(now_s) for child in self if child.role is role and child.started_s >= ended_s]
            if max(served_s, default=0.0) >= self._rule.healthy_s or now_s - ended_s >= TROUBLE_S:
                del self._crashed[role], self._backoff[role]

    def status(self, now_s: float) -> tuple[ChildStatus, ...]:
        """Every child, then for each role that is in trouble the one that crashed last."""
        living = [
            ChildStatus(
                child.node_id,
                child.role,
                child.shown,
                child.pid,
                now_s - child.started_s,
                child.why,
                last_lines=child.last_lines,
            )
            for child in self._children.values()
        ]
        return (*living, *(self._trouble(child, now_s) for child in self._crashed.values()))

    def _trouble(self, child: Child, now_s: float) -> ChildStatus:
        backoff = self._backoff[child.role]
        wait_s = backoff.wait_s(now_s)
        return ChildStatus(
            child.node_id,
            child.role,
            "waiting" if wait_s > 0.0 else "crashed",
            0,
            (child.ended_s or now_s) - child.started_s,
            child.why,
            backoff.failures,
            wait_s,
            child.last_lines,
        )
