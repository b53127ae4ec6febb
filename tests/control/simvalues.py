"""What the simulator is made of: processes, machines, people, and seeded time."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hocket.control.actions import LeaseNumber
from hocket.control.children import Child
from hocket.control.supervision import Supervision
from hocket.control.view import Limits, Timing
from hocket.core.ids import NodeId, Role

TIMING = Timing(lease_s=5.0, probe_s=2.0, settle_s=1.0, ready_s=20.0, retry_s=0.5)
LIMITS = Limits(max_users=3, max_streams=4, idle_s=30.0)
GRACE_S = 40.0
TICK_S = 0.25
HEARTBEAT_S = 1.0
SEAT_S = 10.0
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


class SeededTime:
    """Time that passes from event to event, and chance that is the same for one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.trace: list[str] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

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

    def _randomness(self) -> bytes:
        return self.random.randbytes(6)
