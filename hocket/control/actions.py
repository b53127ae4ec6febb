"""What goes into the registry and what it asks of its I/O shell, as values."""

from typing import NewType

import msgspec

from hocket.control.view import NodeRecord
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role

LeaseNumber = NewType("LeaseNumber", int)
"""One registration of one node. Later ones are higher: what an older connection says is stale."""

HoldId = NewType("HoldId", int)
"""A place on a node that was promised to one demand."""


class RegistrationRefused(HocketError):
    """The registry does not take this node; `retry_s` > 0 where waiting may help."""

    code = ErrorCode.NOT_ALLOWED


class Introduction(msgspec.Struct, frozen=True):
    """What a node says of itself when it registers. `boot` is fresh for each of its processes."""

    node_id: NodeId
    role: Role
    parent: NodeId
    boot: str
    address: HostPort
    pid: int
    capacity: int
    load: int = 0
    tracks: int = 0


class Probe(msgspec.Struct, frozen=True):
    """Connect to the node afresh, then tell `probe_answered` or `probe_failed` with this number."""

    node_id: NodeId
    address: HostPort
    number: int


class Removed(msgspec.Struct, frozen=True):
    """The node is out of the registry: close its connection, tell who waits for it."""

    record: NodeRecord
    why: str


class Frozen(msgspec.Struct, frozen=True):
    """Too many vanished together: nobody is removed for silence until then."""

    vanished: int
    until_s: float


Action = Probe | Removed | Frozen


class Counters(msgspec.Struct):
    """What happened to one node since it came."""

    registrations: int = 0
    heartbeats: int = 0
    suspicions: int = 0
    copies_refused: int = 0
