"""Which machines keep a track when not all do: everyone computes the same answer, and a machine that
comes or goes moves only its own share.

Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998).
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from hocket.core.ids import NodeId, TrackId

_MASK = (1 << 64) - 1
_PRIME = (1 << 64) - 59


def weight(machine: NodeId, track: TrackId) -> int:
    """How much a machine is meant for a track; the greatest is the first choice."""
    # Both halves are hashes already; two rounds of multiplying and folding (as in SplitMix64) tie them together.
    mixed = _digest(machine) ^ int(track, 16) % _PRIME
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _MASK
    return mixed ^ mixed >> 31


def ranked(machines: Iterable[NodeId], track: TrackId) -> list[NodeId]:
    """Machines for a track, first choice first."""
    return sorted(machines, key=lambda machine: (-weight(machine, track), machine))


@lru_cache(maxsize=1024)
def _digest(machine: NodeId) -> int:
    return int.from_bytes(hashlib.blake2b(machine.encode(), digest_size=8).digest(), "big")
