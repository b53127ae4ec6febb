"""planeNODE.py: let this machine add its capacity to a cluster."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated

from hocket.app.options import Program
from hocket.app.serving import FLAT, JOINING, Joining, NotNegative, Positive, port_range, prepare
from hocket.core import settings
from hocket.nodes.plane import Plane, PlaneConfig

log = logging.getLogger(__name__)

PROGRAM = Program("plane", "Let this machine add its capacity and its music to a cluster.")


@PROGRAM.app.default
def serve(
    *,
    joining: Annotated[Joining, FLAT] = JOINING,
    data: Path = Path("plane-data"),
    music: Path = Path("music"),
    max_load: Positive = settings.MAX_LOAD,
    node_ports: str = "",
    sync_rate: NotNegative = settings.SYNC_RATE,
) -> int:
    """Join a cluster, or come back to it, and serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    data
        Folder for this machine's key and the library's index; made if missing.
    music
        Folder with WAV files.
    max_load
        Nodes (authentication and streaming together) on this machine.
    node_ports
        A-B: the ports that spawned nodes may take, for firewalls. Any free port by default.
    sync_rate
        Bytes per second at which this machine receives copies of other machines' music; 0 for no limit.
    """
    config = PlaneConfig(
        token=joining.token(),
        data=data,
        music=music,
        listen=joining.address(),
        advertise=joining.host(),
        max_load=max_load,
        node_ports=port_range(node_ports),
        sync_rate_bytes_per_s=sync_rate,
        log_level=logging.getLogger().level,
    )
    return asyncio.run(_serve(config))


async def _serve(config: PlaneConfig) -> int:
    plane = Plane(config)
    prepare(plane.end)
    try:
        if await plane.start():
            print(f"plane ready {plane.node}", flush=True)
        log.info("stopping: %s", await plane.run())
    finally:
        await plane.stop()
    return 0


def main() -> int:
    """Entry point of planeNODE.py."""
    return PROGRAM()
