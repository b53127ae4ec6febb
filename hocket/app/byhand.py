"""dbNODE.py and fileNODE.py as a person starts them."""

import asyncio
import logging

from hocket.app.serving import prepare
from hocket.nodes.auth import AuthNode
from hocket.nodes.byhand import ByHand, by_hand
from hocket.nodes.file import FileNode

log = logging.getLogger(__name__)


async def serve_by_hand(asked: ByHand) -> int:
    """Run a node that a person started: the ready line once the prime knows it."""
    async with by_hand(asked) as node:
        prepare(node.end)
        ready = asyncio.create_task(_say_ready(asked, node))
        try:
            log.info("stopping: %s", await node.run())
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
    return 0


async def _say_ready(asked: ByHand, node: AuthNode | FileNode) -> None:
    await node.registered.wait()
    print(f"{asked.role.value} ready {node.id}", flush=True)
