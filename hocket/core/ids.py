"""Names of things, as types, and how fresh ones are made from given randomness."""

import re
from enum import StrEnum
from typing import NewType

TrackId = NewType("TrackId", str)
"""BLAKE3 of a file's bytes, 64 lower-case hex digits."""

NodeId = NewType("NodeId", str)
"""`ROLE-12 hex digits`, made once per node and kept: an id is not an address."""

SessionId = NewType("SessionId", str)
"""32 hex digits: one login of one user, across auth nodes."""

SeatId = NewType("SeatId", str)
"""32 hex digits: a place on one auth node, kept for a few seconds for one login."""

UserName = NewType("UserName", str)

TRACK_ID_DIGITS = 64
_TRACK_ID = re.compile(f"[0-9a-f]{{{TRACK_ID_DIGITS}}}")
NODE_ID_RANDOM_BYTES = 6
SESSION_ID_RANDOM_BYTES = 16
_SPAWNED = 0x80


class Role(StrEnum):
    """What a peer is. It stands in its certificate; a listener has none."""

    PRIME = "prime"
    PLANE = "plane"
    AUTH = "auth"
    FILE = "file"
    LISTENER = "listener"
    OPERATOR = "operator"


def node_id(role: Role, randomness: bytes, *, spawned: bool = False) -> NodeId:
    """`ROLE-hex` from NODE_ID_RANDOM_BYTES random bytes.

    Ids of nodes that a control node spawns begin with 8 to f, all others with 0 to 7: nobody who joins can take a
    spawned node's id, not even before anybody has heard of that node.
    """
    if len(randomness) != NODE_ID_RANDOM_BYTES:
        raise ValueError(f"a node id takes {NODE_ID_RANDOM_BYTES} random bytes, not {len(randomness)}")
    first = randomness[0] | _SPAWNED if spawned else randomness[0] & ~_SPAWNED
    return NodeId(f"{role.value}-{first:02x}{randomness[1:].hex()}")


def is_spawned(node: NodeId) -> bool:
    """Whether the id is one of those that only the prime gives out. Raises ValueError for text that is no node id."""
    return role_of(node) in (Role.AUTH, Role.FILE) and int(node.partition("-")[2][:2], 16) >= _SPAWNED


def role_of(node: str) -> Role:
    """The role in a node id. Raises ValueError for text that is no node id."""
    role, _, digits = node.partition("-")
    if len(digits) != 2 * NODE_ID_RANDOM_BYTES or set(digits) - set("0123456789abcdef"):
        raise ValueError(f"{node!r} is no node id")
    return Role(role)


def session_id(randomness: bytes) -> SessionId:
    """Hex of SESSION_ID_RANDOM_BYTES random bytes."""
    if len(randomness) != SESSION_ID_RANDOM_BYTES:
        raise ValueError(f"a session id takes {SESSION_ID_RANDOM_BYTES} random bytes, not {len(randomness)}")
    return SessionId(randomness.hex())


def is_track_id(text: str) -> bool:
    """Whether text has the form of a whole track id."""
    return _TRACK_ID.fullmatch(text) is not None
