"""Time as a value.

Floors below the adapters never read a clock: they take `now_s` (monotonic seconds) or `now_ns`
(cluster time, nanoseconds since 1970) as arguments. What reads the machine's clock lives in
`hocket.adapters.clocks`.
"""

from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Where an I/O shell takes its time from; tests give it a ManualClock."""

    def monotonic_s(self) -> float:
        """Seconds that never jump; only differences mean anything."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 as this machine believes."""
        ...


class ManualClock:
    """A clock that moves only when told."""

    def __init__(self, monotonic_s: float = 0.0, wall_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._monotonic_s = monotonic_s
        self._wall_ns = wall_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def wall_ns(self) -> int:
        return self._wall_ns

    def advance(self, seconds: float) -> None:
        """Move both readings forward."""
        self._monotonic_s += seconds
        self._wall_ns += round(seconds * NS_PER_S)
