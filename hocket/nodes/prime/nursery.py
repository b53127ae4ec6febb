"""Orders become nodes: on this machine as the prime's children, on another by asking its plane."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from hocket.adapters.tls import Credentials
from hocket.control.booking import Order
from hocket.control.children import Child
from hocket.control.supervision import ChildStatus
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.members import Members
from hocket.nodes.raising import READY_TIMEOUT_S, Home, Raising
from hocket.wire.messages.common import Done
from hocket.wire.messages.planes import ChildGone, ChildPolicy, SpawnChild

log = logging.getLogger(__name__)

ASK_PLANE_S = READY_TIMEOUT_S + 5.0


class Nursery:
    """Has nodes raised and tells the registry what becomes of them."""

    def __init__(
        self,
        members: Members,
        home: Callable[[], Home],
        max_load: int,
        policy: ChildPolicy,
        issue: Callable[[Role, NodeId], Credentials],
    ) -> None:
        """`issue` makes the certificate of a node on this machine."""
        self._members = members
        self._policy = policy
        self._issue = issue
        self._raising = Raising(home, max_load, self._gone)
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, order: Order) -> None:
        """Carry out an order; returns at once. If it comes to nothing the registry is told."""
        self._start(self._spawn(order))

    def child_gone(self, plane: NodeId, message: ChildGone) -> None:
        """A plane tells that a child of its own ended."""
        record = self._members.record(message.node)
        if record is not None and record.parent == plane:
            self._members.leave(message.node, message.why)
            if message.retry_in_s > 0:
                until_s = self._members.now_s() + message.retry_in_s
                self._members.registry.block_spawns(plane, record.role, until_s, self._members.now_s())
        self._members.wake()

    def status(self) -> tuple[ChildStatus, ...]:
        """The prime's own children, and the last crashed one of each role that is in trouble."""
        return self._raising.status(self._members.now_s())

    async def stop(self) -> None:
        """End the prime's own children; planes look after theirs."""
        await self._raising.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _spawn(self, order: Order) -> None:
        log.info("%s is ordered from %s", order.node_id, order.control_id)
        try:
            if order.control_id == self._members.own_id:
                credentials = self._issue(order.role, order.node_id)
                await self._raising.spawn(order.node_id, order.role, order.capacity, self._policy, credentials)
            else:
                plane = self._members.link(order.control_id)
                message = SpawnChild(order.node_id, order.role, order.capacity, self._policy)
                await plane.request(message, Done, ASK_PLANE_S)
        except HocketError as error:
            log.warning("%s did not come up: %s", order.node_id, error)
            self._members.leave(order.node_id, str(error))
            if error.retry_s > 0 and order.control_id in self._members.registry:
                now_s = self._members.now_s()
                self._members.registry.block_spawns(order.control_id, order.role, now_s + error.retry_s, now_s)
            self._members.wake()

    def _gone(self, child: Child, not_before_s: float) -> None:
        self._members.leave(child.node_id, child.why or "its process ended")
        if child.crashed:
            own, now_s = self._members.own_id, self._members.now_s()
            self._members.registry.block_spawns(own, child.role, not_before_s, now_s)
        self._members.wake()
