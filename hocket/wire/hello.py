"""The opening of every connection: HELLO both ways, versions agreed, roles believed only if certified."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Annotated

from msgspec import Meta

from hocket.core.errors import ErrorCode, ProtocolError
from hocket.core.ids import NodeId, Role
from hocket.core.machine import Machine
from hocket.wire.kinds import Kind
from hocket.wire.limits import ShortText
from hocket.wire.message import EVERYONE, Message

PROTOCOL_OLDEST = 1
PROTOCOL_NEWEST = 1
NONCE_BYTES = 32

Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]


class Hello(Message, kind=Kind.HELLO, senders=EVERYONE, receivers=EVERYONE):
    """First frame either way: the protocol versions that a side speaks, and who it is.

    `nonce` is fresh for each connection: whoever proves possession of a session key signs it.
    """

    oldest: int
    newest: int
    role: Role
    node: NodeId
    nonce: Nonce
    software: ShortText = ""


class State(Enum):
    OPENING = auto()
    OPEN = auto()
    REFUSED = auto()


class Event(Enum):
    HELLO = auto()
    BAD_HELLO = auto()


_NEXT: Mapping[tuple[State, Event], tuple[State, None]] = {
    (State.OPENING, Event.HELLO): (State.OPEN, None),
    (State.OPENING, Event.BAD_HELLO): (State.REFUSED, None),
    # A second HELLO on an open connection is no transition: it is refused as a protocol error.
}


class Opening:
    """One side's view of the opening. `receive` checks the peer's HELLO and opens, or raises ProtocolError.

    `certified` is the peer's role and id from its certificate, or None where it showed none. With
    `believe` the peer's claim is taken as it is: before a cluster's fingerprint was compared, and on
    plain audio connections, where a ticket's possession is proven instead and nothing secret is sent.
    """

    def __init__(self, mine: Hello, certified: tuple[Role, NodeId] | None, believe: bool = False) -> None:
        self.mine = mine
        self._certified = certified
        self._believe = believe
        self._machine: Machine[State, Event, None] = Machine(_NEXT, State.OPENING)
        self.peer: Hello | None = None
        self.version = 0

    @property
    def is_open(self) -> bool:
        return self._machine.state is State.OPEN

    def receive(self, theirs: Hello) -> None:
        """Take the peer's HELLO. Raises ProtocolError: version, certificate, or a second HELLO."""
        if self._machine.state is not State.OPENING:
            raise ProtocolError("a second HELLO on one connection")
        try:
            self.version = agree(self.mine, theirs)
            if not self._believe:
                check_certified(theirs, self._certified)
        except ProtocolError:
            self._machine.feed(Event.BAD_HELLO)
            raise
        self._machine.feed(Event.HELLO)
        self.peer = theirs


def agree(mine: Hello, theirs: Hello) -> int:
    """The newest version that both speak. Raises ProtocolError naming the side to upgrade."""
    version = min(mine.newest, theirs.newest)
    if version >= max(mine.oldest, theirs.oldest):
        return version
    if theirs.newest < mine.oldest:
        raise ProtocolError(
            f"the {theirs.role.value} {theirs.node} speaks protocol {theirs.oldest}-{theirs.newest}, "
            f"the {mine.role.value} here {mine.oldest}-{mine.newest}",
            code=ErrorCode.VERSION_TOO_OLD,
            hint=f"upgrade Hocket on the {theirs.role.value}'s side",
        )
    raise ProtocolError(
        f"the {theirs.role.value} {theirs.node} speaks protocol {theirs.oldest}-{theirs.newest}, "
        f"the {mine.role.value} here {mine.oldest}-{mine.newest}",
        code=ErrorCode.VERSION_TOO_NEW,
        hint=f"upgrade Hocket on the {mine.role.value}'s side",
    )


def check_certified(theirs: Hello, certified: tuple[Role, NodeId] | None) -> None:
    """A HELLO may claim only what its certificate says; a listener needs none. Raises ProtocolError."""
    if certified is None:
        if theirs.role is not Role.LISTENER:
            raise ProtocolError(
                f"a {theirs.role.value} without a certificate",
                code=ErrorCode.CERTIFICATE_REFUSED,
                hint="only listeners connect without one; join the machine with a token",
            )
        return
    if (theirs.role, theirs.node) != certified:
        role, node = certified
        raise ProtocolError(
            f"HELLO says {theirs.role.value} {theirs.node}, the certificate {role.value} {node}",
            code=ErrorCode.CERTIFICATE_REFUSED,
        )
