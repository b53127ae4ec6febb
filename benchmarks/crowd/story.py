"""What a friend has to tell."""

import msgspec


class Seat(msgspec.Struct, frozen=True):
    """Where one friend stands. `namespace`: path of its network namespace, or empty; `serve`: HOST:PORT, or empty.

    `source`: the address that it connects from, or empty; `lean`: see `benchmarks.crowd.lean`.
    """

    namespace: str = ""
    source: str = ""
    serve: str = ""
    upload_bps: int = 0
    lean: bool = False


class Crowd(msgspec.Struct, frozen=True):
    """A process's task."""

    prime: str
    user: str
    password: str
    host: str
    seats: list[Seat] = []


class Story(msgspec.Struct, frozen=True):
    """How it was for one friend since the last `forget`. -1: nothing to tell."""

    seat: int
    depth: int
    sounding: bool
    stalls: int
    """How often nothing was left to play; of a lean one: leaves that never came."""
    late_leaves: int
    leaves: int
    least_lead_s: float
    """From a leaf's arrival to its first sound."""
    least_buffer_s: float
    first_sound_s: float
    node_leaves: int = 0
    """Asked of a streaming node, because friends were slow."""
    parent: str = ""
    clock_us: list[float] = []
    """Signed errors of its group clock, two a second; true only where the host's machine is this one."""
    over: str = ""
