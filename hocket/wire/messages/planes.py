"""How machines join a cluster, keep their certificates fresh, and raise nodes for the prime."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hocket.core import settings
from hocket.core.ids import NodeId, Role
from hocket.wire.kinds import Kind
from hocket.wire.limits import Count, Text
from hocket.wire.message import CHILDREN, Message
from hocket.wire.messages.common import Done

PemText = Annotated[str, Meta(max_length=8192)]
RequestDer = Annotated[bytes, Meta(max_length=4096)]
CERTIFIED_NODES = frozenset({Role.PLANE, Role.AUTH, Role.FILE})


class ChildPolicy(msgspec.Struct, frozen=True, array_like=True):
    """What the cluster's owner decided for every authentication and streaming node."""

    audio_plain: bool = False
    ticket_s: float = settings.TICKET_S
    session_heartbeat_s: float = settings.SESSION_HEARTBEAT_S
    session_grace_s: float = settings.SESSION_GRACE_S
    orphan_grace_s: float = settings.ORPHAN_GRACE_S
    max_users: int = settings.MAX_USERS
    max_streams: int = settings.MAX_STREAMS


class Joined(Message, kind=Kind.JOINED):
    """Welcome: the certificate for the request's key, and whose cluster it is."""

    certificate: PemText
    prime: NodeId
    policy: ChildPolicy


class Join(Message, kind=Kind.JOIN, senders={Role.LISTENER}, receivers={Role.PRIME}, reply=Joined):
    """A machine that has no certificate yet asks for one; sent only once the fingerprint matched.

    `request_der` is a PKCS 10 request that names the node. TOKEN_REFUSED.
    """

    token_id: Annotated[bytes, Meta(max_length=64)]
    secret: Annotated[bytes, Meta(max_length=64)]
    request_der: RequestDer


class Certified(Message, kind=Kind.CERTIFIED):
    """A fresh certificate."""

    certificate: PemText


class Certify(Message, kind=Kind.CERTIFY, senders=CERTIFIED_NODES, receivers={Role.PRIME}, reply=Certified):
    """Certify my next key, or a child that I was told to spawn. NOT_ALLOWED for anybody else's id."""

    request_der: RequestDer


class SpawnChild(Message, kind=Kind.SPAWN_CHILD, senders={Role.PRIME}, receivers={Role.PLANE}, reply=Done):
    """Raise this node. Answered when it is up; BACKING_OFF, NODE_FULL, SPAWN_FAILED with its last words."""

    node: NodeId
    role: Role
    capacity: Count
    policy: ChildPolicy


class ChildGone(Message, kind=Kind.CHILD_GONE, senders={Role.PLANE}, receivers={Role.PRIME}):
    """A child's process ended. `retry_in_s` > 0: its role keeps crashing, order none before that."""

    node: NodeId
    why: Text
    retry_in_s: float = 0.0


class Supervised(Message, kind=Kind.SUPERVISED, senders={Role.PRIME}, receivers=CHILDREN):
    """Your control node is back: it looks after you again."""

    control: NodeId


MAX_REMOVED_NODES = 5_000
"""In one message: with the longest ids they fit."""


class NodesRemoved(Message, kind=Kind.NODES_REMOVED, senders={Role.PRIME}, receivers=CERTIFIED_NODES):
    """These too were removed from the cluster: neither their certificates nor tickets that they signed hold."""

    nodes: Annotated[tuple[NodeId, ...], Meta(max_length=MAX_REMOVED_NODES)]


class Token(Message, kind=Kind.TOKEN):
    """A join token; `warning` says why it may be of no use elsewhere."""

    text: Text
    warning: Text = ""


class TokenMake(Message, kind=Kind.TOKEN_MAKE, senders={Role.OPERATOR}, receivers={Role.PRIME}, reply=Token):
    """A token for so many machines and seconds."""

    uses: Annotated[int, Meta(ge=1, le=1000)] = 1
    ttl_s: Annotated[float, Meta(gt=0)] = 3600.0


class NodeRemove(Message, kind=Kind.NODE_REMOVE, senders={Role.OPERATOR}, receivers={Role.PRIME}, reply=Done):
    """Put a machine out of the cluster for good, with the nodes under it. NODE_MISSING."""

    node: NodeId
