"""Between the prime and the nodes that it keeps a registry of. One connection a node, requests both ways."""

from typing import Annotated

from msgspec import Meta

from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role, SeatId, SessionId, UserName
from hocket.wire.kinds import Kind
from hocket.wire.limits import Blob, Count, ShortText, Text
from hocket.wire.message import CHILDREN, Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.login import Auths

REGISTERING = frozenset({Role.AUTH, Role.FILE, Role.PLANE})


class Registered(Message, kind=Kind.REGISTERED):
    """The node is in the registry for `lease_s` after each heartbeat."""

    lease_s: float
    heartbeat_s: float
    cluster_ns: int
    grant: Blob = b""  # an auth node's licence to sign tickets
    catalogue_revision: int = 0


class Register(Message, kind=Kind.REGISTER, senders=REGISTERING, receivers={Role.PRIME}, reply=Registered):
    """Join the registry, or return to it. `boot` is fresh for each process: one id with two boots at
    the same time is a copied data folder, and refused."""

    boot: ShortText
    parent: NodeId  # the control node that it runs under; its own id for a plane
    address: HostPort  # where others reach it
    pid: int
    capacity: Count
    load: Count
    ticket_key: bytes = b""  # an auth node's public key for tickets
    holds: ShortText = ""  # a streaming node: whose folder it serves, if not its parent's


class HeartbeatHeard(Message, kind=Kind.HEARTBEAT_HEARD):
    """The lease runs anew. `next_in_s`: when to beat again, in step with other nodes; 0: after the usual time."""

    cluster_ns: int
    next_in_s: float = 0.0


class Heartbeat(Message, kind=Kind.HEARTBEAT, senders=REGISTERING, receivers={Role.PRIME}, reply=HeartbeatHeard):
    """Still here, with this load: sessions of an auth node, streams of a streaming node, nodes of a plane."""

    load: Count
    draining: bool = False
    sent_bytes: Count = 0  # since the node started


class SeatReserved(Message, kind=Kind.SEAT_RESERVED):
    """The seat is kept; `free` more are left."""

    free: int


class SeatReserve(Message, kind=Kind.SEAT_RESERVE, senders={Role.PRIME}, receivers={Role.AUTH}, reply=SeatReserved):
    """Keep a place for one login. NODE_FULL or DRAINING if there is none."""

    seat: SeatId
    ttl_s: float


class Account(Message, kind=Kind.ACCOUNT):
    """What an auth node needs to judge a password. An unknown user looks the same, with `found` false."""

    found: bool
    user: UserName
    password_hash: Annotated[str, Meta(max_length=512)]
    rights: int
    disabled: bool
    generation: Count = 0  # grows with every new password; 0: not known


class AccountGet(Message, kind=Kind.ACCOUNT_GET, senders={Role.AUTH}, receivers={Role.PRIME}, reply=Account):
    """Somebody tries to log in. Counts as an attempt: TOO_MANY_ATTEMPTS. With `resume` it only looks up."""

    user: ShortText
    peer_host: ShortText
    resume: bool = False


class AttemptResult(Message, kind=Kind.ATTEMPT_RESULT, senders={Role.AUTH}, receivers={Role.PRIME}):
    """How the attempt ended."""

    user: ShortText
    peer_host: ShortText
    succeeded: bool


class PasswordRehash(Message, kind=Kind.PASSWORD_REHASH, senders={Role.AUTH}, receivers={Role.PRIME}):
    """The right password came under outdated hash parameters: keep this hash from now on."""

    user: ShortText
    old_hash: Annotated[str, Meta(max_length=512)]
    new_hash: Annotated[str, Meta(max_length=512)]


class Drain(Message, kind=Kind.DRAIN, senders={Role.PRIME, Role.PLANE}, receivers=REGISTERING, reply=Done):
    """Take nobody new, hand over whom you have, then end."""

    why: Text = ""


class Retire(Message, kind=Kind.RETIRE, senders={Role.PRIME, Role.PLANE}, receivers=REGISTERING, reply=Done):
    """End now."""

    why: Text = ""


class EndSessions(
    Message, kind=Kind.END_SESSIONS, senders={Role.PRIME, Role.AUTH}, receivers=CHILDREN | {Role.PRIME}, reply=Done
):
    """Cut these off at once: all sessions of `user`, or the one `session` (log-out).

    `at_ns`: it was so at that time of the cluster already, and is told again to a node that registers; what began
    later goes on.
    """

    code: ShortText
    text: Text
    user: ShortText = ""
    session: SessionId = SessionId("")
    at_ns: Count = 0


class CatalogueRefresh(Message, kind=Kind.CATALOGUE_REFRESH, senders={Role.PRIME, Role.PLANE}, receivers={Role.FILE}):
    """The index in the data folder has a new revision: load it."""

    revision: int


class GrantRenew(Message, kind=Kind.GRANT_RENEW, senders={Role.PRIME}, receivers={Role.AUTH}):
    """A newer grant for signing tickets."""

    grant: Blob


class AuthNodes(Message, kind=Kind.AUTH_NODES, senders={Role.PRIME}, receivers={Role.AUTH}):
    """The other authentication nodes, for the listeners of this one: those of other machines first."""

    others: Auths
