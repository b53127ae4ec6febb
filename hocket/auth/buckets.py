"""Token buckets, and how many of them are remembered: what limits are made of."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bucket:
    """A token bucket that goes into debt, one burst deep: what was under way when it ran dry counts as well.

    It holds `burst` tokens and gets a new one every `refill_s` seconds.
    """

    __slots__ = ("_at_s", "_burst", "_level", "_refill_s")

    def __init__(self, burst: float, refill_s: float, now_s: float) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._level = burst
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """Until a whole token is there; 0 if one is."""
        self._catch_up(now_s)
        return max(0.0, (1.0 - self._level) * self._refill_s)

    def take(self, now_s: float) -> None:
        """Take a token, on credit if there is none."""
        self._catch_up(now_s)
        self._level = max(-self._burst, self._level - 1.0)

    def _catch_up(self, now_s: float) -> None:
        self._level = min(self._burst, self._level + (now_s - self._at_s) / self._refill_s)
        self._at_s = now_s


class Recent(Generic[K, V]):
    """A dict of bounded size that forgets what was not touched for longest."""

    def __init__(self, max_entries: int) -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._max_entries = max_entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def put(self, key: K, value: V) -> V:
        """Keep a value, touched just now; returns it."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
        return value

    def forget(self, key: K) -> None:
        self._entries.pop(key, None)
