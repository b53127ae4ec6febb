"""dbNODE.py and fileNODE.py as a person starts them."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from hocket.app.serving import Joining, prepare
from hocket.core.ids import Role
from hocket.nodes.auth import AuthNode
from hocket.nodes.byhand import ByHand, by_hand
from hocket.nodes.file import FileNode

log = logging.getLogger(__name__)


Capacity = Annotated[
    int,
    Parameter(
        validator=Number(gte=0), help="Listeners at most; by default what the prime's owner decided for all nodes."
    ),
]


def run_by_hand(role: Role, joining: Joining, capacity: int, data: Path, music: Path | None = None) -> int:
    """Run a node that a person started until it is told to end; the exit code. Raises HocketError."""
    asked = ByHand(
        role=role,
        token=joining.token(),
        data=data,
        music=music,
        listen=joining.address(),
        advertise=joining.host(),
        capacity=capacity,
        log_level=logging.getLogger().level,
    )
    return asyncio.run(_serve(asked))


async def _serve(asked: ByHand) -> int:
    """The ready line comes once the prime knows the node."""
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
