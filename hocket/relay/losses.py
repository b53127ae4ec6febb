"""How much of what is sent over a line is lost, as far as it had to be sent again."""

from collections import deque

LOOK_BACK = 30
"""Readings that count: half a minute, with one a second."""

PPM = 1_000_000


class Losses:
    """Readings of what one connection has sent in all, and of that what had been sent before."""

    def __init__(self) -> None:
        self._readings: deque[tuple[int, int]] = deque(maxlen=LOOK_BACK + 1)

    def take(self, sent_bytes: int, again_bytes: int) -> int:
        """The next reading; returns how many of a million bytes were lost since the oldest that counts."""
        self._readings.append((sent_bytes, again_bytes))
        first_sent_bytes, first_again_bytes = self._readings[0]
        sent_bytes -= first_sent_bytes
        return min(PPM, PPM * (again_bytes - first_again_bytes) // sent_bytes) if sent_bytes > 0 else 0
