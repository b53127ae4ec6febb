"""How a control node, prime or plane, raises a node: its settings, its program, its process."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from hocket.adapters.brood import Brood, Program
from hocket.adapters.tls import Credentials
from hocket.control.backoff import BackoffRule
from hocket.control.children import Child
from hocket.control.supervision import ChildStatus, Supervision
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role
from hocket.nodes.childsettings import ChildSettings
from hocket.nodes.standing import Standing
from hocket.wire.messages.planes import ChildPolicy

READY_TIMEOUT_S = 20.0
STOP_GRACE_S = 2.5
"""Less than the control node itself may take to stop."""

SCRIPTS = {Role.AUTH: "dbNODE.py", Role.FILE: "fileNODE.py"}
ROOT = Path(__file__).parents[2]


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """What all children of one control node share."""

    control: NodeId
    prime: HostPort  # as a process of this machine reaches it
    prime_node: NodeId
    authority_key: bytes
    listen_host: str
    ports: tuple[int, int] | None
    advertise: str
    music: Path
    index: Path
    log_level: int


class Raising:
    """The children of one control node. At most `max_load` live at a time; await `stop` in the end, always.

    `home` is asked anew for each child. `on_gone(child, not_before_s)` is called for each child that is
    over, with the monotonic time before which no other of its role is started.
    """

    def __init__(self, home: Callable[[], Home], max_load: int, on_gone: Callable[[Child, float], None]) -> None:
        self._home = home
        self._brood = Brood(
            Supervision(max_load, BackoffRule()),
            on_gone,
            ready_timeout_s=READY_TIMEOUT_S,
            stop_grace_s=STOP_GRACE_S,
        )

    def __len__(self) -> int:
        """Children that live, or are being started."""
        return len(self._brood.supervision)

    async def spawn(
        self, node: NodeId, role: Role, capacity: int, policy: ChildPolicy, credentials: Credentials
    ) -> None:
        """Start a node and wait until it is ready. Raises HocketError (NODE_FULL, BACKING_OFF, SPAWN_FAILED)."""
        home = self._home()
        standing = Standing(role, node, home.prime, home.prime_node, credentials)
        settings = _settings(home, standing, capacity, policy)
        argv = (sys.executable, ROOT / SCRIPTS[role], "--child")
        await self._brood.spawn(node, role, Program(argv, settings.line(), rf"^{role.value} ready "))

    def status(self, now_s: float) -> tuple[ChildStatus, ...]:
        """Every child, and the last crashed one of each role that is in trouble."""
        self._brood.supervision.tick(now_s)
        return self._brood.supervision.status(now_s)

    async def stop(self) -> None:
        """End all children at once, within STOP_GRACE_S."""
        await self._brood.stop_all()


def _settings(home: Home, standing: Standing, capacity: int, policy: ChildPolicy) -> ChildSettings:
    return ChildSettings(
        standing=standing,
        parent=home.control,
        authority_key=home.authority_key,
        listen=HostPort(home.listen_host, 0),
        ports=home.ports,
        advertise=home.advertise,
        capacity=capacity,
        music=str(home.music.resolve()),
        index=str(home.index),
        policy=policy,
        log_level=home.log_level,
    )
