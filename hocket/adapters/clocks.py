"""The machine's clock and randomness: the one place that reads them."""

import os
import time


class SystemClock:
    """Implements `hocket.core.clock.Clock`."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall_ns(self) -> int:
        return time.time_ns()


def random_bytes(count: int) -> bytes:
    """Unpredictable bytes, fit for keys and ids."""
    return os.urandom(count)
