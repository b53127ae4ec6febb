"""How fast copies may come: a rate that all of a machine's transfers share, and a pause while listeners need it."""

import threading
import time
from collections.abc import Callable

BURST_S = 0.25
"""What was saved up while nothing came; more would be felt as a gap by who listens."""


class Stopped(Exception):
    """The transfer was called off."""


class Bucket:
    """A token bucket that may go into debt: a piece of any size passes once the bucket is not empty.

    `bytes_per_s` 0 means no limit. All times are monotonic seconds.
    """

    __slots__ = ("_at_s", "_burst_bytes", "_bytes_per_s", "_level_bytes")

    def __init__(self, bytes_per_s: float, now_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._burst_bytes = bytes_per_s * BURST_S
        self._level_bytes = self._burst_bytes
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """How long until something may be taken; 0: now."""
        if self._bytes_per_s <= 0:
            return 0.0
        self._fill(now_s)
        return max(0.0, -self._level_bytes / self._bytes_per_s)

    def take(self, size_bytes: int, now_s: float) -> None:
        """Take so many bytes, on credit if need be: the next one waits longer."""
        self._fill(now_s)
        self._level_bytes -= size_bytes

    def _fill(self, now_s: float) -> None:
        gained = (now_s - self._at_s) * self._bytes_per_s
        self._level_bytes = min(self._burst_bytes, self._level_bytes + gained)
        self._at_s = now_s


class Pace:
    """Shared by the transfers of a machine, from any thread."""

    def __init__(self, bytes_per_s: float = 0.0, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._is_free = bytes_per_s <= 0
        self._bucket = Bucket(bytes_per_s, now_s())
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go.set()

    @property
    def is_free(self) -> bool:
        """Whether there is no limit."""
        return self._is_free

    @property
    def is_paused(self) -> bool:
        return not self._go.is_set()

    def pause(self, paused: bool) -> None:
        """Let no new piece be asked for, or go on."""
        if paused:
            self._go.clear()
        else:
            self._go.set()

    def try_take(self, size_bytes: int) -> bool:
        """Whether a piece of this size may be asked for at once; then it counts as taken."""
        with self._lock:
            now_s = self._now_s()
            if self.is_paused or self._bucket.wait_s(now_s) > 0:
                return False
            self._bucket.take(size_bytes, now_s)
            return True

    def take(self, size_bytes: int, stop: threading.Event) -> None:
        """Wait until a piece may be asked for. Raises Stopped."""
        while not self.try_take(size_bytes):
            with self._lock:
                wait_s = self._bucket.wait_s(self._now_s())
            if self.is_paused:
                wait_s = max(wait_s, 0.1)
            if stop.wait(wait_s):
                raise Stopped
