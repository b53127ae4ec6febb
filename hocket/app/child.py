"""How a spawned node starts, serves and ends: settings on stdin, a ready line, a watch on its parent.

Nothing here may import the command-line library: a node is up sooner without it.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from typing import Protocol

from hocket.adapters.childside import ParentWatch, read_first_line
from hocket.adapters.descriptors import allow_many
from hocket.app.logs import set_up_logs
from hocket.control.guardian import Guardian
from hocket.core.errors import ErrorCode, HocketError
from hocket.nodes.childsettings import ChildSettings, read_settings
from hocket.nodes.uplink import Watcher

log = logging.getLogger(__name__)


class Node(Protocol):
    """What `serve_child` runs."""

    registered: asyncio.Event

    async def run(self) -> str: ...

    def end(self, why: str) -> None: ...


Make = Callable[[ChildSettings, Watcher], Node]


def child_main(program: str) -> int:
    """`dbNODE.py --child` and `fileNODE.py --child`. Raises HocketError."""
    if program == "db":
        from hocket.nodes.auth import AuthNode

        return serve_child(AuthNode)
    if program == "file":
        from hocket.nodes.file import FileNode

        return serve_child(FileNode)
    raise HocketError("this program is not spawned by control nodes", code=ErrorCode.USAGE)


def serve_child(make: Make) -> int:
    """Run a node whose settings come on stdin; the exit code. Raises HocketError."""
    own = read_settings(read_first_line())
    set_up_logs(own.log_level)
    allow_many()
    return asyncio.run(_serve(make, own))


async def _serve(make: Make, own: ChildSettings) -> int:
    loop = asyncio.get_running_loop()
    guard = _Guard(own, lambda why: node.end(why))
    node = make(own, guard)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, node.end, "told to end")
    guard.watch.arm()
    ready = asyncio.create_task(_say_ready(node, own))
    try:
        why = await node.run()
        log.info("%s ends: %s", own.node, why)
        return 0
    except HocketError as error:
        log.error("%s ends: %s", own.node, error)
        raise
    finally:
        ready.cancel()
        await asyncio.gather(ready, return_exceptions=True)
        guard.watch.close()


class _Guard:
    """Carries a spawned node's guardianship from what happens to what follows."""

    def __init__(self, own: ChildSettings, end: Callable[[str], None]) -> None:
        grace_s = own.policy.orphan_grace_s
        self._guardian = Guardian(parent_is_prime=own.parent == own.standing.prime_node)
        self._parent = own.parent
        self.watch = ParentWatch(
            self._parent_died, lambda: end(f"nobody looked after this node for {grace_s:g} s"), grace_s
        )

    def registered(self) -> None:
        self._guardian.registered()
        self._update()

    def cut_off(self) -> None:
        self._guardian.cut_off()
        self._update()

    def adopted(self) -> None:
        self._guardian.adopted()
        self._update()

    def _parent_died(self) -> None:
        log.info("the control node %s is gone: serving on until it is back", self._parent)
        self._guardian.parent_died()
        self._update()

    def _update(self) -> None:
        (self.watch.supervised if self._guardian.is_supervised else self.watch.unsupervised)()


async def _say_ready(node: Node, own: ChildSettings) -> None:
    await node.registered.wait()
    sys.stdout.write(f"{own.standing.role.value} ready {own.node}\n")
    sys.stdout.flush()
