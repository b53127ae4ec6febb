"""A node's place in its cluster: who it is, and which prime it belongs to."""

import msgspec

from hocket.adapters.tls import Credentials
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role


class Standing(msgspec.Struct, frozen=True):
    """What a node needs to be known at its prime. The credentials are secret."""

    role: Role
    node: NodeId
    prime: HostPort
    prime_node: NodeId
    credentials: Credentials

    def __repr__(self) -> str:
        return f"Standing({self.node} at {self.prime})"
