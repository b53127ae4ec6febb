"""What `controlNODE.py` asks of a prime."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role, TrackId, UserName
from hocket.wire.kinds import Kind
from hocket.wire.limits import Password, ShortText, Text
from hocket.wire.message import Message
from hocket.wire.messages.common import Done

OPERATOR = frozenset({Role.OPERATOR})
AT_PRIME = frozenset({Role.PRIME})


class NodeStatus(msgspec.Struct, frozen=True, array_like=True):
    """One node of `status`. Rates are means over the last heartbeats."""

    id: NodeId
    role: Role
    plane: NodeId
    address: HostPort
    state: str  # starting, ready, draining, suspect, stopping, crashed, waiting
    load: int
    capacity: int
    pid: int
    memory_bytes: int = 0  # 0 where the prime cannot see it
    sent_bytes_per_s: float = 0.0
    up_s: float = 0.0
    last_lines: tuple[str, ...] = ()  # of a crashed child
    tracks: int = 0  # that a machine's music folder holds


class TransferStatus(msgspec.Struct, frozen=True, array_like=True):
    """One copy on its way from one machine to another."""

    track: TrackId
    name: str
    source: NodeId
    target: NodeId
    done_bytes: int
    size_bytes: int


class Status(Message, kind=Kind.STATUS):
    """The cluster at a glance. `missing_copies` are those that are being made, or could be."""

    prime: NodeId
    address: HostPort
    tracks: int  # of the whole library, wherever they are
    unplayable: int  # in the prime's own folder
    listeners: int
    missing_copies: int
    nodes: tuple[NodeStatus, ...]
    up_s: float
    problems: tuple[str, ...] = ()
    scan_done: int = 0  # bytes of new music that were read
    scan_total: int = 0
    transfers: tuple[TransferStatus, ...] = ()
    copies_wanted: int = 0
    copies_present: int = 0  # of those; spare ones do not count


class StatusGet(Message, kind=Kind.STATUS_GET, senders=OPERATOR, receivers=AT_PRIME, reply=Status):
    """How is the cluster?"""


class UserRow(msgspec.Struct, frozen=True, array_like=True):
    """One account. `created_ns` in wall time, 0 for demo accounts."""

    name: UserName
    rights: int
    disabled: bool
    created_ns: int
    demo: bool = False


class Users(Message, kind=Kind.USERS):
    """A page of accounts by name; `more` says that another page follows the last name."""

    users: tuple[UserRow, ...]
    more: bool = False


class UsersList(Message, kind=Kind.USERS_LIST, senders=OPERATOR, receivers=AT_PRIME, reply=Users):
    """Accounts whose names sort after `after`."""

    after: ShortText = ""


class UserAdd(Message, kind=Kind.USER_ADD, senders=OPERATOR, receivers=AT_PRIME, reply=Done):
    """USER_EXISTS, BAD_NAME, BAD_PASSWORD."""

    name: ShortText
    password: Password
    rights: int


class UserPassword(Message, kind=Kind.USER_PASSWORD, senders=OPERATOR, receivers=AT_PRIME, reply=Done):
    """A new password; open sessions of the account end."""

    name: ShortText
    password: Password


class UserDisable(Message, kind=Kind.USER_DISABLE, senders=OPERATOR, receivers=AT_PRIME, reply=Done):
    """Disable or enable an account; disabling ends its sessions at once."""

    name: ShortText
    disabled: bool = True


class UserRemove(Message, kind=Kind.USER_REMOVE, senders=OPERATOR, receivers=AT_PRIME, reply=Done):
    """Remove an account and end its sessions at once."""

    name: ShortText


class Invite(Message, kind=Kind.INVITE):
    """A hocket:// address for listeners, fingerprint included; `warning` e.g. that it is this machine's only."""

    address: Annotated[str, Meta(max_length=512)]
    warning: Text = ""


class InviteGet(Message, kind=Kind.INVITE_GET, senders=OPERATOR, receivers=AT_PRIME, reply=Invite):
    """How do listeners reach us?"""


class DrainNode(Message, kind=Kind.DRAIN_NODE, senders=OPERATOR, receivers=AT_PRIME, reply=Done):
    """No new listeners on this node, hand over those it has, retire it. NODE_MISSING."""

    node: NodeId


class Spawned(Message, kind=Kind.SPAWNED):
    """It was ordered under that id; `status` tells when it is ready."""

    node: NodeId


class SpawnNode(Message, kind=Kind.SPAWN_NODE, senders=OPERATOR, receivers=AT_PRIME, reply=Spawned):
    """One more node of a role (auth or file), wherever the scheduler would start the next one. CLUSTER_FULL.

    It retires like any other when nobody uses it.
    """

    role: Role
