"""The prime's own children: orders become processes, and processes that end become news."""

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from hocket.adapters.brood import Brood, Program
from hocket.adapters.tls import Credentials
from hocket.control.backoff import BackoffRule
from hocket.control.booking import Order
from hocket.control.children import Child
from hocket.control.supervision import ChildStatus, Supervision
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.childsettings import ChildSettings
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.members import Members

log = logging.getLogger(__name__)

READY_TIMEOUT_S = 20.0
STOP_GRACE_S = 2.5
"""Less than the prime itself may take to stop."""

SCRIPTS = {Role.AUTH: "dbNODE.py", Role.FILE: "fileNODE.py"}
ROOT = Path(__file__).parents[3]


class Nursery:
    """Spawns, watches and stops the prime's children. At most `max_load` of them live at a time."""

    def __init__(
        self,
        config: PrimeConfig,
        members: Members,
        issue: Callable[[Role, NodeId], Credentials],
        authority_key: bytes,
        prime: Callable[[], HostPort],
        index: Path,
    ) -> None:
        """`issue` makes a node's certificate; `prime` tells where the prime listens."""
        self._config = config
        self._members = members
        self._issue = issue
        self._authority_key = authority_key
        self._prime = prime
        self._index = index
        self._brood = Brood(
            Supervision(config.max_load, BackoffRule()),
            self._gone,
            ready_timeout_s=READY_TIMEOUT_S,
            stop_grace_s=STOP_GRACE_S,
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, order: Order) -> None:
        """Start the ordered node; returns at once. If it comes to nothing the registry is told."""
        task = asyncio.create_task(self._spawn(order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def status(self) -> tuple[ChildStatus, ...]:
        """Every child, and the last crashed one of each role that is in trouble."""
        now_s = self._members.now_s()
        supervision = self._brood.supervision
        supervision.tick(now_s)
        return supervision.status(now_s)

    async def stop(self) -> None:
        """End all children at once, within STOP_GRACE_S."""
        await self._brood.stop_all()
        await asyncio.gather(*self._tasks)

    async def _spawn(self, order: Order) -> None:
        program = Program(
            (sys.executable, ROOT / SCRIPTS[order.role], "--child"),
            self._settings(order).line(),
            rf"^{order.role.value} ready ",
        )
        log.info("spawning %s", order.node_id)
        try:
            await self._brood.spawn(order.node_id, order.role, program)
        except HocketError as error:
            log.warning("%s did not come up: %s", order.node_id, error)
            self._members.leave(order.node_id, str(error))

    def _gone(self, child: Child, not_before_s: float) -> None:
        self._members.leave(child.node_id, child.why or "its process ended")
        if child.crashed:
            self._members.registry.block_spawns(self._members.own_id, child.role, not_before_s, self._members.now_s())
        self._members.wake()

    def _settings(self, order: Order) -> ChildSettings:
        config = self._config
        prime = self._prime()
        return ChildSettings(
            role=order.role,
            node=order.node_id,
            parent=self._members.own_id,
            prime=prime.on_this_machine,
            prime_node=self._members.own_id,
            credentials=self._issue(order.role, order.node_id),
            authority_key=self._authority_key,
            listen=HostPort(prime.host, 0),
            ports=config.node_ports,
            capacity=order.capacity,
            music=str(config.music.resolve()),
            index=str(self._index),
            audio_plain=config.audio_plain,
            ticket_s=config.ticket_s,
            session_heartbeat_s=config.session_heartbeat_s,
            session_grace_s=config.session_grace_s,
            orphan_grace_s=config.orphan_grace_s,
            log_level=config.log_level,
        )
