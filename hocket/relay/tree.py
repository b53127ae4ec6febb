"""Who passes the music on to whom: a tree under the host, as flat as the upload lines allow.

Every peer serves at most floor(0.8 * upload / stream rate) others. Among all trees that keep to that,
ours is as flat as possible; among parents of the same depth a peer gets a near one. A join or leave
moves only whom it must, unless the tree has become deeper than it needs to be: then a stronger peer
and a weaker one above it change places.

The flattest tree fills each level with the strongest peers that are left: moving a stronger peer up
never makes less room below. `Tree` gets there by single swaps from whatever tree there is.

A peer for whom nobody has room is a root of its own: it fetches from a streaming node and may still
serve others.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from hocket.relay.keys import PeerId

UPLOAD_SHARE_PERCENT = 80
"""A line that is filled to the brim queues; the rest is for clocks, control, and what else people do."""

MAX_FAN_OUT = 256
"""However wide a line is: the processor has to serve them, too."""

MAX_DEPTH = 16
"""A path that is longer is a loop or a lie."""

BACKUPS = 3
"""Parents that a follower knows besides its own."""

FAR_MS = 500.0
"""Round trip of peers that nobody has measured."""

NEARER_MS = 40.0
"""A parent has to be nearer by this much for a peer to be moved for it alone. A handshake that waits behind packets
of music on lines of 1 Mbit/s was measured to take up to 33 ms."""


class Peer(msgspec.Struct, frozen=True, array_like=True):
    """A follower as the tree sees it."""

    id: PeerId
    upload_bps: int  # 0: serves nobody, like one whom others cannot reach
    rtt_ms: float = FAR_MS  # to the host


class Move(NamedTuple):
    """A follower's new parent; None: nobody has room, it fetches from a streaming node."""

    peer: PeerId
    parent: PeerId | None


def fan_out(upload_bps: int, stream_bps: int) -> int:
    """How many streams a line may carry: floor(0.8 * upload / stream rate)."""
    return max(0, min(MAX_FAN_OUT, upload_bps * UPLOAD_SHARE_PERCENT // (100 * stream_bps)))


def is_path(me: PeerId, path: Sequence[PeerId]) -> bool:
    """Whether a parent that names these ancestors may feed me: I am not among them, and nobody is twice."""
    return len(path) <= MAX_DEPTH and me not in path and len(set(path)) == len(path)


@dataclass(slots=True, eq=False)
class _Spot:
    """A place in the tree and who holds it."""

    peer: Peer
    slots: int
    parent: "_Spot | None" = None
    children: "list[_Spot]" = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.slots - len(self.children)

    def holds(self, other: "_Spot") -> bool:
        """Whether `other` is this spot or somewhere below it."""
        at: _Spot | None = other
        while at is not None and at is not self:
            at = at.parent
        return at is self


class Tree:
    """The present tree of one group. Every change returns the moves it takes, each peer at most once."""

    def __init__(self, host: Peer, stream_bps: int) -> None:
        self.stream_bps = stream_bps
        self._root = _Spot(host, fan_out(host.upload_bps, stream_bps))
        self._unserved: list[_Spot] = []
        self._spots: dict[PeerId, _Spot] = {}
        self._rtts_ms: dict[tuple[PeerId, PeerId], float] = {}

    # what others ask

    @property
    def parents(self) -> dict[PeerId, PeerId | None]:
        """Everybody's parent."""
        return {peer: spot.parent.peer.id if spot.parent else None for peer, spot in self._spots.items()}

    @property
    def peers(self) -> list[Peer]:
        """All followers."""
        return [spot.peer for spot in self._spots.values()]

    @property
    def depth(self) -> int:
        """Hops from the host (or a streaming node) to the farthest follower."""
        return max((depth for _, depth in self._walk()), default=0)

    def depth_of(self, peer: PeerId) -> int:
        """Hops to one follower. Raises KeyError for a stranger."""
        return len(self.path_to(peer))

    def path_to(self, peer: PeerId) -> list[PeerId]:
        """A follower's ancestors, its parent last. Raises KeyError for a stranger."""
        path = []
        at = self._spots[peer].parent
        while at is not None:
            path.append(at.peer.id)
            at = at.parent
        return path[::-1]

    def backups(self, peer: PeerId) -> list[PeerId]:
        """Other parents to try when its own is lost, best first. Raises KeyError for a stranger.

        None of them hangs below the parent that is lost, and all stand before the peer in order of
        level: even if everybody moves to a backup at once, no loop arises.
        """
        spot = self._spots[peer]
        lost = spot.parent if spot.parent is not self._root else None
        found: list[tuple[bool, int, float, int, PeerId]] = []
        for rank, (other, depth) in enumerate(self._walk()):
            if other is spot:
                break
            if other.slots and other is not spot.parent and not (lost and lost.holds(other)):
                found.append((other.free <= 0, depth, self._rtt(spot, other), rank, other.peer.id))
        return [best[-1] for best in sorted(found)[:BACKUPS]]

    # what changes it

    def join(self, peer: Peer) -> list[Move]:
        """A follower comes. Raises ValueError if it is there already, or is the host."""
        if peer.id in self._spots or peer.id == self._root.peer.id:
            raise ValueError(f"{peer.id} is in the tree already")
        return self._changing(lambda: self._add(peer))

    def leave(self, peer: PeerId) -> list[Move]:
        """A follower is gone; whom it served is placed anew. A stranger's leaving changes nothing."""
        if peer not in self._spots:
            return []
        return self._changing(lambda: self._remove(self._spots[peer]))

    def update(self, peer: Peer) -> list[Move]:
        """A follower's or the host's line was measured anew. Raises KeyError for a stranger."""
        spot = self._root if peer.id == self._root.peer.id else self._spots[peer.id]
        spot.peer = peer
        return self._changing(lambda: self._limit([spot]))

    def set_stream_rate(self, stream_bps: int) -> list[Move]:
        """Another track, another rate: every fan-out changes."""
        self.stream_bps = stream_bps
        return self._changing(lambda: self._limit([self._root, *self._spots.values()]))

    def measured(self, peer: PeerId, parent: PeerId, rtt_ms: float) -> None:
        """A follower found another so far away. Only its own moves go by it: who lies is served worse itself."""
        if peer in self._spots and parent in self._spots:
            self._rtts_ms[peer, parent] = rtt_ms

    def possible_parents(self, peer: PeerId) -> list[PeerId]:
        """Followers on the level above it that serve others, its own parent first. Raises KeyError for a stranger."""
        spot, above = self._spots[peer], self.depth_of(peer) - 1
        found = [other for other, depth in self._walk() if depth == above and other.slots and other is not self._root]
        return [other.peer.id for other in sorted(found, key=lambda other: other is not spot.parent)]

    def draw_nearer(self, most_moves: int = 8, resting: Collection[PeerId] = ()) -> list[Move]:
        """Give followers nearer parents of the same level, the greatest gain first; the depth stays.

        Nobody is moved for a guess, to a farther parent, or while it is `resting`.
        """
        return self._changing(lambda: self._draw_nearer(most_moves, resting))

    # how

    def _changing(self, change: Callable[[], None]) -> list[Move]:
        before = self.parents
        change()
        self._serve_the_unserved()
        self._flatten()
        return [Move(peer, parent) for peer, parent in self.parents.items() if before.get(peer, peer) != parent]

    def _walk(self, top: _Spot | None = None) -> Iterator[tuple[_Spot, int]]:
        """Every spot below `top`, or all, with its depth, level by level; unserved roots stand on level 1."""
        queue = deque([(top or self._root, 0)])
        while queue:
            spot, depth = queue.popleft()
            yield spot, depth
            queue.extend((child, depth + 1) for child in spot.children)
            if spot is self._root:
                queue.extend((alone, 1) for alone in self._unserved)

    def _rtt(self, spot: _Spot, parent: _Spot) -> float:
        if parent is self._root:
            return spot.peer.rtt_ms
        by_way_of_host_ms = spot.peer.rtt_ms + parent.peer.rtt_ms
        return self._rtts_ms.get((spot.peer.id, parent.peer.id), by_way_of_host_ms)

    def _attach(self, spot: _Spot, parent: _Spot | None) -> None:
        """Move a spot with all below it under a parent, or make it a root of its own."""
        if spot.parent is not None:
            spot.parent.children.remove(spot)
        elif spot in self._unserved:
            self._unserved.remove(spot)
        spot.parent = parent
        (parent.children if parent is not None else self._unserved).append(spot)

    def _add(self, peer: Peer) -> None:
        spot = _Spot(peer, fan_out(peer.upload_bps, self.stream_bps))
        self._spots[peer.id] = spot
        self._unserved.append(spot)

    def _remove(self, spot: _Spot) -> None:
        gone = spot.peer.id
        heir = self._heir(spot)
        if heir is not None:
            self._swap(spot, heir)
            spot = heir
        for child in list(spot.children):
            self._attach(child, None)
        self._attach(spot, None)
        self._unserved.remove(spot)
        del self._spots[gone]
        self._rtts_ms = {pair: rtt_ms for pair, rtt_ms in self._rtts_ms.items() if gone not in pair}

    def _heir(self, spot: _Spot) -> _Spot | None:
        """Who serves nobody yet, as far down as possible, and can take over all whom a leaver serves."""
        if not spot.children:
            return None
        idle = (
            (depth, other.slots, -self._rtt(other, spot.parent or self._root), other.peer.id, other)
            for other, depth in self._walk()
            if depth and other is not spot and not other.children and other.slots >= len(spot.children)
        )
        return max(idle, default=(None,))[-1]

    def _limit(self, spots: Iterable[_Spot]) -> None:
        """Give spots the fan-out of their lines, and take away the children that are too many."""
        for spot in spots:
            spot.slots = fan_out(spot.peer.upload_bps, self.stream_bps)
            while spot.free < 0:
                self._attach(min(spot.children, key=lambda child: (child.slots, -self._rtt(child, spot))), None)

    def _serve_the_unserved(self) -> None:
        served = True
        while served:
            served = False
            for spot in sorted(self._unserved, key=lambda one: (-one.slots, one.peer.rtt_ms, one.peer.id)):
                parent = self._nearest_free(spot)
                if parent is not None:
                    self._attach(spot, parent)
                served = parent is not None or self._make_room(spot) or served

    def _nearest_free(self, spot: _Spot) -> _Spot | None:
        """Of the highest level with room: the parent nearest to this spot."""
        free = ((other, depth) for other, depth in self._walk() if other.free > 0 and not spot.holds(other))
        nearest = min(free, key=lambda one: (one[1], self._rtt(spot, one[0]), one[0].peer.id), default=None)
        return nearest and nearest[0]

    def _make_room(self, spot: _Spot) -> bool:
        """All room there is lies below the spot itself: a follower without children goes there and leaves its place."""
        room = next((below for below, _ in self._walk(spot) if below.free > 0), None)
        leaves = (other for other, _ in self._walk() if other.parent and not other.children and not spot.holds(other))
        leaf = min(leaves, key=lambda other: other.slots, default=None)
        if room is None or leaf is None:
            return False
        parent = leaf.parent
        self._attach(leaf, room)
        self._attach(spot, parent)
        return True

    def _least_depth(self) -> int:
        """Depth of the flattest tree: each level as full as can be, the strongest first."""
        strongest = sorted((spot.slots for spot in self._spots.values()), reverse=True)
        room, depth, placed = self._root.slots + len(self._unserved), 0, 0
        while placed < len(strongest):
            level = strongest[placed : placed + room]
            placed, room, depth = placed + len(level), sum(level), depth + 1
        return depth

    def _flatten(self) -> None:
        least = self._least_depth()
        while (depth := self.depth) > least:
            if not self._pull_up(depth):
                self._exchange(depth)

    def _pull_up(self, depth: int) -> bool:
        """Move one of the deepest followers to a free place further up."""
        levels = list(self._walk())
        room = next((spot for spot, level in levels if spot.free > 0 and level < depth - 1), None)
        if room is None:
            return False
        deepest = [spot for spot, level in levels if level == depth]
        self._attach(min(deepest, key=lambda spot: (self._rtt(spot, room), spot.peer.id)), room)
        return True

    def _exchange(self, depth: int) -> None:
        """Let a strong follower and a weaker one high above change places: most room for the fewest moves."""
        idlest: dict[tuple[int, int], _Spot] = {}
        for spot, level in self._walk():
            known = idlest.get((level, spot.slots))
            if level and (known is None or len(spot.children) < len(known.children)):
                idlest[level, spot.slots] = spot
        pairs = [
            ((2 + len(weak.children) + len(strong.children)) / (strong.slots - weak.slots), high, weak, strong)
            for (high, _), weak in idlest.items()
            for (low, _), strong in idlest.items()
            if high < low and high < depth - 1 and weak.slots < strong.slots
        ]
        _, _, weak, strong = min(pairs, key=lambda pair: pair[:2])
        self._swap(weak, strong)

    def _swap(self, weak: _Spot, strong: _Spot) -> None:
        """Let two followers change places; the children that are too many for the weak go to the strong."""
        weak.peer, strong.peer = strong.peer, weak.peer
        weak.slots, strong.slots = strong.slots, weak.slots
        self._spots[weak.peer.id], self._spots[strong.peer.id] = weak, strong
        while strong.free < 0:
            self._attach(strong.children[-1], weak)

    def _draw_nearer(self, most_moves: int, resting: Collection[PeerId]) -> None:
        for _ in range(most_moves // 2):
            gain_ms, pair = max(self._gains(resting), key=lambda gain: gain[0], default=(0.0, None))
            if pair is None or gain_ms < NEARER_MS:
                return
            (one, one_parent), (other, other_parent) = pair
            self._attach(one, other_parent)
            if other is not None:
                self._attach(other, one_parent)

    def _gains(self, resting: Collection[PeerId]) -> Iterator[tuple[float, "_Pair"]]:
        """What two followers of one level gain by exchanging parents, or one by taking a free place of its level."""
        levels: dict[int, list[_Spot]] = {}
        for spot, depth in self._walk():
            levels.setdefault(depth, []).append(spot)
        for depth, spots in levels.items():
            for one in spots:
                if one.parent is None or one.peer.id in resting:
                    continue
                for parent in levels[depth - 1]:
                    gain_ms = self._gain(one, parent)
                    if gain_ms <= 0:
                        continue
                    if parent.free > 0:
                        yield gain_ms, ((one, one.parent), (None, parent))
                        continue
                    for other in parent.children:
                        other_ms = self._gain(other, one.parent)
                        if other_ms >= 0 and other.peer.id not in resting:
                            yield gain_ms + other_ms, ((one, one.parent), (other, parent))

    def _gain(self, spot: _Spot, parent: _Spot) -> float:
        """How much nearer another parent is, by what was measured; less than nothing where it was not."""
        if spot.parent is None or not (self._knows(spot, spot.parent) and self._knows(spot, parent)):
            return -1.0
        return self._rtt(spot, spot.parent) - self._rtt(spot, parent)

    def _knows(self, spot: _Spot, parent: _Spot) -> bool:
        return parent is self._root or (spot.peer.id, parent.peer.id) in self._rtts_ms


_Pair = tuple[tuple[_Spot, _Spot], tuple[_Spot | None, _Spot]]


def plan(host: Peer, followers: Iterable[Peer], stream_bps: int) -> Tree:
    """The tree of a group that is there all at once, the strongest nearest to the host."""
    tree = Tree(host, stream_bps)
    for peer in sorted(followers, key=lambda one: (-one.upload_bps, one.rtt_ms, one.id)):
        tree.join(peer)
    return tree
