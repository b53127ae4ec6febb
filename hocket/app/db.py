"""dbNODE.py by hand: run one authentication node of a cluster on this machine."""

import asyncio
import logging
from pathlib import Path

from hocket.app.byhand import serve_by_hand
from hocket.app.logs import hide
from hocket.app.options import Program
from hocket.core.address import HostPort
from hocket.core.ids import Role
from hocket.nodes.byhand import ByHand

PROGRAM = Program("db", "Run one authentication node of a cluster by hand; control nodes spawn theirs by themselves.")


@PROGRAM.app.default
def serve(
    *,
    join: str = "",
    data: Path = Path("auth-data"),
    listen: str = "",
    advertise: str = "",
    capacity: int = 0,
) -> int:
    """Join a cluster, or come back to it, and serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    join
        The token that `controlNODE.py token` printed on the prime's machine; needed once.
    data
        Folder for this node's key; made if missing.

    listen
        HOST:PORT; by default the address by which this machine reaches the prime, and any free port.
    advertise
        Host that others are told instead of the one listened on.
    capacity
        Listeners at most; by default what the prime's owner decided for all nodes.
    """
    hide(join)
    asked = ByHand(
        role=Role.AUTH,
        token=join,
        data=data,
        listen=HostPort.parse(listen) if listen else None,
        advertise=advertise,
        capacity=capacity,
        log_level=logging.getLogger().level,
    )
    return asyncio.run(serve_by_hand(asked))


def main() -> int:
    """Entry point of dbNODE.py."""
    return PROGRAM()
