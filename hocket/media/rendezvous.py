"""Which machines keep a track when not all do: everyone computes the same answer, and a machine that
comes or goes moves only its own share.

Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998).
"""

import hashlib
from collections.abc import Iterable

from hocket.core.ids import NodeId


def weight(machine: NodeId, key: str) -> int:
    """How much a machine is meant for a key; the greatest is the first choice."""
    return int.from_bytes(hashlib.blake2b(f"{machine}\0{key}".encode(), digest_size=8).digest(), "big")


def ranked(machines: Iterable[NodeId], key: str) -> list[NodeId]:
    """Machines for a key, first choice first."""
    return sorted(machines, key=lambda machine: (-weight(machine, key), machine))
