"""Who of a tree's followers is to measure which parents next: one at a time, nobody often, nothing for ever."""

from collections.abc import Callable, Iterable

from hocket.core.clock import NS_PER_S
from hocket.relay.keys import PeerId

MOST = 4
"""Parents that a follower is asked about at once."""

MOST_LOOKS = 8
"""Followers that are looked at in one go."""

AGAIN_NS = 10 * NS_PER_S
"""Nobody is asked more often."""

OLD_NS = 300 * NS_PER_S
"""After so long a way may have changed."""

REST_NS = 60 * NS_PER_S
"""Who was given a nearer parent keeps it for so long."""


class Survey:
    """What was asked and answered. Answers that nobody asked for are none."""

    def __init__(self) -> None:
        self._asked_ns: dict[PeerId, int] = {}
        self._open: dict[PeerId, frozenset[PeerId]] = {}
        self._known_ns: dict[tuple[PeerId, PeerId], int] = {}
        self._moved_ns: dict[PeerId, int] = {}

    def next(
        self, peers: Iterable[PeerId], parents_of: Callable[[PeerId], list[PeerId]], now_ns: int
    ) -> tuple[PeerId, list[PeerId]] | None:
        """Whom to ask now about which of its possible parents; None: nothing is worth asking."""
        waiting = sorted(peers, key=lambda peer: (self._asked_ns.get(peer, -AGAIN_NS), peer))
        for peer in waiting[:MOST_LOOKS]:
            if now_ns - self._asked_ns.get(peer, -AGAIN_NS) < AGAIN_NS:
                return None
            self._asked_ns[peer] = now_ns
            old = [one for one in parents_of(peer) if now_ns - self._known_ns.get((peer, one), -OLD_NS) >= OLD_NS]
            if old:
                wanted = sorted(old, key=lambda one: self._known_ns.get((peer, one), -OLD_NS))[:MOST]
                self._open[peer] = frozenset(wanted)
                # Who does not answer is not asked about again at once.
                self._known_ns.update(((peer, one), now_ns) for one in wanted)
                return peer, wanted
        return None

    def awaits(self, peer: PeerId) -> bool:
        """Whether it was asked and has not answered yet."""
        return peer in self._open

    def answered(self, peer: PeerId, parents: Iterable[PeerId]) -> list[PeerId]:
        """Those of whom this peer was asked last; each answer counts once."""
        found = [one for one in parents if one in self._open.get(peer, frozenset())]
        self._open.pop(peer, None)
        return found

    def moved(self, peer: PeerId, now_ns: int) -> None:
        """It has a nearer parent now."""
        self._moved_ns[peer] = now_ns

    def resting(self, now_ns: int) -> set[PeerId]:
        """Who is not to be moved again yet."""
        self._moved_ns = {peer: at_ns for peer, at_ns in self._moved_ns.items() if now_ns - at_ns < REST_NS}
        return set(self._moved_ns)

    def gone(self, peer: PeerId) -> None:
        """Forget it."""
        self._asked_ns.pop(peer, None)
        self._open.pop(peer, None)
        self._moved_ns.pop(peer, None)
        self._known_ns = {pair: at_ns for pair, at_ns in self._known_ns.items() if peer not in pair}
