"""What the owner of a cluster may decide."""

from pathlib import Path

import msgspec

from hocket.control.view import Limits, Timing
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.wire.messages.planes import ChildPolicy


class PrimeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One prime's settings; the flags of `primeNODE.py` fill them."""

    listen: HostPort = HostPort.parse(settings.PRIME)
    advertise: str = ""  # the host that others are told; "" = the listening one
    data: Path = Path("data")
    music: Path = Path("music")
    max_load: int = settings.MAX_LOAD
    idle_s: float = settings.IDLE_S
    node_ports: tuple[int, int] | None = None
    demo: bool = False
    policy: ChildPolicy = ChildPolicy()
    replicas: int = settings.REPLICAS
    sync_rate_bytes_per_s: int = settings.SYNC_RATE
    records: str = ""  # SQLAlchemy URL; "" = SQLite in the data folder
    heartbeat_s: float = settings.HEARTBEAT_S
    lease_s: float = settings.LEASE_S
    log_level: int = 20

    def told(self, address: HostPort) -> HostPort:
        """Where others find what runs at an address: whoever shares the prime's listening host is on its machine."""
        on_its_machine = address.host == self.listen.host
        return HostPort(self.advertise, address.port) if self.advertise and on_its_machine else address

    @property
    def limits(self) -> Limits:
        return Limits(max_users=self.policy.max_users, max_streams=self.policy.max_streams, idle_s=self.idle_s)

    @property
    def timing(self) -> Timing:
        return Timing(lease_s=self.lease_s)
