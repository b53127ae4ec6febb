"""primeNODE.py: host a cluster on this machine."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from hocket.app.options import Program, UsageError
from hocket.app.serving import FLAT, NotNegative, Positive, Seconds, only_host, port_range, prepare
from hocket.auth.tickets import MAX_LIFE_NS
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.node import Prime
from hocket.wire.messages.planes import ChildPolicy

log = logging.getLogger(__name__)

PROGRAM = Program("prime", "Host a cluster on this machine: registry, log-ins, streaming nodes and the music library.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What this machine may be used for."""

    max_load: Positive = settings.MAX_LOAD
    "Nodes (authentication and streaming together) on this machine."

    max_users: Positive = settings.MAX_USERS
    "Listeners on one authentication node."

    max_streams: Positive = settings.MAX_STREAMS
    "Listeners on one streaming node."

    idle: Seconds = settings.IDLE_S
    "Seconds after which a node that nobody uses ends."

    node_ports: str = ""
    "A-B: the ports that spawned nodes may take, for firewalls. Any free port by default."


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How patient nodes and listeners are."""

    lease: Seconds = settings.LEASE_S
    "Seconds without a heartbeat after which a node is suspected."

    heartbeat: Seconds = settings.HEARTBEAT_S
    "Seconds between the heartbeats of nodes."

    ticket: Seconds = settings.TICKET_S
    "Seconds that a listener's ticket holds."

    session_heartbeat: Seconds = settings.SESSION_HEARTBEAT_S
    "Seconds between the heartbeats of listeners."

    session_grace: Seconds = settings.SESSION_GRACE_S
    "Seconds after its ticket's end in which a session can still be resumed on another node."

    orphan_grace: Seconds = settings.ORPHAN_GRACE_S
    "Seconds that nodes serve on without a prime."


ROOM = Room()
TIMES = Times()


@PROGRAM.app.default
def serve(
    *,
    listen: str = settings.PRIME,
    advertise: str = "",
    data: Path = Path("data"),
    music: Path = Path("music"),
    room: Annotated[Room, FLAT] = ROOM,
    audio: Literal["tls", "plain"] = "tls",
    demo: bool = False,
    replicas: NotNegative = settings.REPLICAS,
    sync_rate: NotNegative = settings.SYNC_RATE,
    records: str = "",
    times: Annotated[Times, FLAT] = TIMES,
) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Parameters
    ----------
    listen
        HOST:PORT for listeners and nodes; 0.0.0.0:50001 opens it to other machines, port 0 takes a free one.
    advertise
        Host that others are told instead of the one listened on: behind a router that forwards ports.
    data
        Folder for keys, accounts and the library's index; made if missing.
    music
        Folder with WAV files.
    audio
        `plain` sends audio without TLS, for networks that you trust; control connections always use TLS.
    demo
        Let the demo accounts log in from other machines, too (while no real account exists).
    replicas
        Machines that keep each track; 0 for all of them.
    sync_rate
        Bytes per second at which this machine receives copies of other machines' music; 0 for no limit.
    records
        SQLAlchemy URL of the account database; SQLite in the data folder by default.
    """
    own = PrimeConfig(
        listen=HostPort.parse(listen),
        advertise=only_host(advertise),
        data=data,
        music=music,
        demo=demo,
        replicas=replicas,
        sync_rate_bytes_per_s=sync_rate,
        records=records,
        log_level=logging.getLogger().level,
    )
    return asyncio.run(_serve(_completed(own, room, times, audio_plain=audio == "plain")))


def _completed(own: PrimeConfig, room: Room, times: Times, *, audio_plain: bool) -> PrimeConfig:
    """The settings with those that come in groups. Raises UsageError."""
    _check_times(times.ticket, times.session_heartbeat)
    policy = ChildPolicy(
        audio_plain=audio_plain,
        ticket_s=times.ticket,
        session_heartbeat_s=times.session_heartbeat,
        session_grace_s=times.session_grace,
        orphan_grace_s=times.orphan_grace,
        max_users=room.max_users,
        max_streams=room.max_streams,
    )
    return msgspec.structs.replace(
        own,
        max_load=room.max_load,
        idle_s=room.idle,
        node_ports=port_range(room.node_ports),
        policy=policy,
        heartbeat_s=times.heartbeat,
        lease_s=times.lease,
    )


def _check_times(ticket_s: float, session_heartbeat_s: float) -> None:
    if session_heartbeat_s * 2 > ticket_s:
        raise UsageError(
            f"--ticket {ticket_s:g} is too short for --session-heartbeat {session_heartbeat_s:g}",
            hint="a ticket must outlive at least two heartbeats",
        )
    if ticket_s * NS_PER_S > MAX_LIFE_NS:
        raise UsageError(f"--ticket {ticket_s:g} is too long", hint=f"at most {MAX_LIFE_NS // NS_PER_S} s")


async def _serve(config: PrimeConfig) -> int:
    prime = Prime(config)
    prepare(prime.end)
    address = await prime.start()
    try:
        print(f"prime ready {address}", flush=True)
        log.info("stopping: %s", await prime.run())
    finally:
        await prime.stop()
    return 0


def main() -> int:
    """Entry point of primeNODE.py."""
    return PROGRAM()
