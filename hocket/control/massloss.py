"""When many nodes vanish together, the one that lost them is more likely cut off than they are all dead.

Then the prime suspects itself: for one lease it removes nobody for being silent.
"""

from collections.abc import Callable

from hocket.core.ids import NodeId

MASS_AT_LEAST = 3
"""Below this a loss is no mass: a home with two nodes would otherwise freeze at every single loss."""


class MassLoss:
    """Counts nodes that vanished within `window_s` and says until when removals are frozen.

    A loss that is certain (goodbye, a process that ended) is never counted: `forget` it.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._vanished_s: dict[NodeId, float] = {}  # oldest first
        self._buried: set[NodeId] = set()
        self.frozen_until_s = float("-inf")

    def vanish(self, node_id: NodeId, now_s: float) -> None:
        """A node fell silent or its connection ended."""
        self.forget(node_id)
        self._vanished_s[node_id] = now_s

    def bury(self, node_id: NodeId) -> None:
        """A vanished node left the registry; it stays part of the count for the window's rest."""
        if node_id in self._vanished_s:
            self._buried.add(node_id)

    def forget(self, node_id: NodeId) -> None:
        """It came back, or left for a known reason."""
        self._vanished_s.pop(node_id, None)
        self._buried.discard(node_id)

    def is_frozen(self, now_s: float) -> bool:
        return now_s < self.frozen_until_s

    def judge(self, present: Callable[[], int], now_s: float) -> int:
        """Look at the window: freezes and returns how many vanished, or returns 0.

        `present` counts the registered nodes apart from the prime itself. While frozen nothing is
        judged, and what vanishes then belongs to the same loss: a freeze lasts one window, no more.
        """
        if self.is_frozen(now_s):
            return 0
        oldest_s = max(now_s - self._window_s, self.frozen_until_s)
        for node_id, when_s in list(self._vanished_s.items()):
            if when_s >= oldest_s:
                break
            self.forget(node_id)
        count = len(self._vanished_s)
        if count < MASS_AT_LEAST or count * 3 <= present() + len(self._buried):
            return 0
        self.frozen_until_s = now_s + self._window_s
        return count
