"""What the owner of a cluster may decide."""

from pathlib import Path

import msgspec

from hocket.control.view import Limits, Timing
from hocket.core import settings
from hocket.core.address import HostPort


class PrimeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One prime's settings; the flags of `primeNODE.py` fill them."""

    listen: HostPort = HostPort.parse(settings.PRIME)
    data: Path = Path("data")
    music: Path = Path("music")
    max_load: int = settings.MAX_LOAD
    max_users: int = settings.MAX_USERS
    max_streams: int = settings.MAX_STREAMS
    idle_s: float = settings.IDLE_S
    node_ports: tuple[int, int] | None = None
    audio_plain: bool = False
    demo: bool = False
    records: str = ""  # SQLAlchemy URL; "" = SQLite in the data folder
    heartbeat_s: float = settings.HEARTBEAT_S
    lease_s: float = settings.LEASE_S
    ticket_s: float = settings.TICKET_S
    session_heartbeat_s: float = settings.SESSION_HEARTBEAT_S
    session_grace_s: float = settings.SESSION_GRACE_S
    orphan_grace_s: float = settings.ORPHAN_GRACE_S
    log_level: int = 20

    @property
    def limits(self) -> Limits:
        return Limits(max_users=self.max_users, max_streams=self.max_streams, idle_s=self.idle_s)

    @property
    def timing(self) -> Timing:
        return Timing(lease_s=self.lease_s)
