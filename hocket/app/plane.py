"""planeNODE.py: let this machine add its capacity to a cluster."""

import asyncio
import logging
from pathlib import Path

from hocket.app.logs import hide
from hocket.app.options import Program
from hocket.app.serving import NotNegative, Positive, port_range, prepare
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.nodes.plane import Plane, PlaneConfig

log = logging.getLogger(__name__)

PROGRAM = Program("plane", "Let this machine add its capacity and its music to a cluster.")


@PROGRAM.app.default
def serve(
    *,
    join: str = "",
    data: Path = Path("plane-data"),
    music: Path = Path("music"),
    listen: str = "",
    advertise: str = "",
    max_load: Positive = settings.MAX_LOAD,
    node_ports: str = "",
    sync_rate: NotNegative = settings.SYNC_RATE,
) -> int:
    """Join a cluster, or come back to it, and serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    join
        The token that `controlNODE.py token` printed on the prime's machine; needed once.
    data
        Folder for this machine's key and the library's index; made if missing.
    music
        Folder with WAV files.
    listen
        HOST:PORT for the prime, other machines and listeners; by default the address by which this machine
        reaches the prime, and any free port.
    advertise
        Host that others are told instead of the one listened on: behind a router that forwards ports.
    max_load
        Nodes (authentication and streaming together) on this machine.
    node_ports
        A-B: the ports that spawned nodes may take, for firewalls. Any free port by default.
    sync_rate
        Bytes per second at which this machine receives copies of other machines' music; 0 for no limit.
    """
    hide(join)
    config = PlaneConfig(
        token=join,
        data=data,
        music=music,
        listen=HostPort.parse(listen) if listen else None,
        advertise=advertise,
        max_load=max_load,
        node_ports=port_range(node_ports),
        sync_rate_bytes_per_s=sync_rate,
        log_level=logging.getLogger().level,
    )
    return asyncio.run(_serve(config))


async def _serve(config: PlaneConfig) -> int:
    plane = Plane(config)
    prepare(plane.end)
    await plane.start()
    try:
        print(f"plane ready {plane.node}", flush=True)
        log.info("stopping: %s", await plane.run())
    finally:
        await plane.stop()
    return 0


def main() -> int:
    """Entry point of planeNODE.py."""
    return PROGRAM()
