"""What a channel through the prime may carry: talk and time, never music."""

from hocket.core.clock import NS_PER_S

BYTES_PER_S = 24 * 1024
BURST_BYTES = 192 * 1024
"""The chain of hosts, the members and the queue of a large group at once."""

MESSAGE_BYTES = 64
"""What a message costs beyond its bytes: many small ones are work, too."""


def cost(size_bytes: int) -> int:
    """What a message with so many bytes takes from the budget."""
    return size_bytes + MESSAGE_BYTES


class Budget:
    """Bytes that grow back, in integers; times in ns."""

    __slots__ = ("_at_ns", "_burst", "_left", "_per_s")

    def __init__(self, now_ns: int, per_s: int = BYTES_PER_S, burst: int = BURST_BYTES) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst * NS_PER_S
        self._at_ns = now_ns

    def take(self, amount: int, now_ns: int) -> bool:
        """Use so much; False, and nothing used, if it is not there."""
        self._grow(now_ns)
        if self._left < amount * NS_PER_S:
            return False
        self._left -= amount * NS_PER_S
        return True

    def wait_ns(self, amount: int, now_ns: int) -> int:
        """Until so much is there. It must be less than the burst."""
        self._grow(now_ns)
        return max(0, -(-(amount * NS_PER_S - self._left) // self._per_s))

    def _grow(self, now_ns: int) -> None:
        self._left = min(self._burst * NS_PER_S, self._left + max(0, now_ns - self._at_ns) * self._per_s)
        self._at_ns = max(self._at_ns, now_ns)
