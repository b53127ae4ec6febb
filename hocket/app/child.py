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
from hocket.app.logs import set_up_logs
from hocket.core.errors import ErrorCode, HocketError
from hocket.nodes.childsettings import ChildSettings, read_settings

log = logging.getLogger(__name__)


class Node(Protocol):
    """What `serve_child` runs."""

    registered: asyncio.Event

    async def run(self) -> str: ...

    def end(self, why: str) -> None: ...


Make = Callable[[ChildSettings, Callable[[bool], None]], Node]


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
    return asyncio.run(_serve(make, own))


async def _serve(make: Make, own: ChildSettings) -> int:
    loop = asyncio.get_running_loop()

    def on_supervised(is_supervised: bool) -> None:
        (watch.supervised if is_supervised else watch.unsupervised)()

    node = make(own, on_supervised)
    watch = ParentWatch(
        lambda: log.info("the control node %s is gone: serving on until one takes over", own.parent),
        lambda: node.end(f"nobody looked after this node for {own.orphan_grace_s:g} s"),
        own.orphan_grace_s,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, node.end, "told to end")
    watch.arm()
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
        watch.close()


async def _say_ready(node: Node, own: ChildSettings) -> None:
    await node.registered.wait()
    sys.stdout.write(f"{own.role.value} ready {own.node}\n")
    sys.stdout.flush()
