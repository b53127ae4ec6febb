"""Deadlines that mostly move later, as a lease does with every heartbeat."""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Deadlines(Generic[K]):
    """One deadline a key. Moving one later costs a dictionary write: the heap learns of it when it surfaces."""

    def __init__(self) -> None:
        self._at_s: dict[K, float] = {}
        self._queued_s: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._at_s)

    def set(self, key: K, at_s: float) -> None:
        """Set or move a key's deadline."""
        self._at_s[key] = at_s
        if at_s < self._queued_s.get(key, float("inf")):
            self._queue(key, at_s)

    def drop(self, key: K) -> None:
        """The key has no deadline any more."""
        self._at_s.pop(key, None)
        self._queued_s.pop(key, None)

    def due(self, now_s: float) -> list[K]:
        """Keys whose deadline has come, oldest first; they have none afterwards."""
        found = []
        while self._heap and self._heap[0][0] <= now_s:
            queued_s, _, key = heapq.heappop(self._heap)
            if self._queued_s.get(key) != queued_s:
                continue  # queued again earlier, or dropped
            del self._queued_s[key]
            at_s = self._at_s[key]
            if at_s <= now_s:
                del self._at_s[key]
                found.append(key)
            else:
                self._queue(key, at_s)
        return found

    @property
    def next_s(self) -> float:
        """No deadline comes before this; infinity if there is none."""
        return self._heap[0][0] if self._heap else float("inf")

    def _queue(self, key: K, at_s: float) -> None:
        self._sequence += 1
        self._queued_s[key] = at_s
        heapq.heappush(self._heap, (at_s, self._sequence, key))
