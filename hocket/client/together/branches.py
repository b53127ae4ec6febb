"""Who passes the music on to whom, under one who hosts over a line that does not carry it to all."""

import time
from collections.abc import Callable

from hocket.client.together.hall import Friend, Hall
from hocket.core.clock import NS_PER_S
from hocket.relay.keys import PeerId
from hocket.relay.survey import Survey
from hocket.relay.tree import FAR_MS, NEARER_MS, Move, Peer, Tree
from hocket.wire.messages.together import AskDistances, Distances, Members, Parents

AMPLE_BPS = 1_000_000_000
CD_BPS = 1_411_200
MAX_ADDRESSES = 8
DRAW_NS = 10 * NS_PER_S
MOST_MOVES = 4
"""Who is given another parent takes part of what it is sent twice: a few at a time."""


class Branches:
    """The tree under one host; none grows where its line is not limited."""

    def __init__(self, me: PeerId, hall: Hall) -> None:
        self._me = me
        self._hall = hall
        self._tree: Tree | None = None
        self._survey = Survey()
        self._next_draw_ns = 0

    def add(self, friend: Friend) -> bool:
        """A newcomer; whether it gets the music from here."""
        if not self._hall.upload_bps:
            return True
        if self._tree is None:
            self._tree = Tree(Peer(self._me, self._hall.upload_bps), self._stream_bps())
        tree = self._tree
        if friend.id in tree.parents:
            self._tell_parent(friend.id, tree.parents[friend.id])
        else:
            upload_bps = (friend.upload_bps or AMPLE_BPS) if friend.serves else 0
            self._change(lambda: tree.join(Peer(friend.id, upload_bps, _rtt_ms(friend))))
        return tree.parents[friend.id] in (None, self._me)

    def remove(self, peer: PeerId) -> None:
        """Somebody is gone."""
        tree = self._tree
        if tree is not None:
            self._survey.gone(peer)
            self._change(lambda: tree.leave(peer))

    def look(self) -> None:
        """Once a second: another track may have another rate, a friend may have been found near or far."""
        tree, now_ns = self._tree, time.monotonic_ns()
        if tree is None:
            return
        if (rate_bps := self._stream_bps()) != tree.stream_bps:
            self._change(lambda: tree.set_stream_rate(rate_bps))
        for peer in tree.peers:
            self._place(tree, peer)
        self._ask(tree, now_ns)
        if now_ns >= self._next_draw_ns:
            self._next_draw_ns = now_ns + DRAW_NS
            for peer_id in self._change(lambda: tree.draw_nearer(MOST_MOVES, self._survey.resting(now_ns))):
                self._survey.moved(peer_id, now_ns)

    def _place(self, tree: Tree, peer: Peer) -> None:
        friend = self._hall.friend(peer.id)
        rtt_ms = peer.rtt_ms if friend is None else _rtt_ms(friend)
        if abs(rtt_ms - peer.rtt_ms) > NEARER_MS / 2:
            self._change(lambda: tree.update(Peer(peer.id, peer.upload_bps, rtt_ms)))

    def learn(self, friend: Friend, found: Distances) -> None:
        """A friend has measured some of its possible parents. Nobody else's place depends on what it says."""
        tree = self._tree
        if tree is None or not self._survey.awaits(friend.id):
            return
        by_address = {str(one.serves): one.id for one in self._hall.friends if one.serves is not None}
        told = dict(zip(found.addresses, found.round_trips_us, strict=False))
        known = {by_address[at]: us for at, us in told.items() if at in by_address}
        for parent in self._survey.answered(friend.id, known):
            tree.measured(friend.id, parent, known[parent] / 1000)

    def _ask(self, tree: Tree, now_ns: int) -> None:
        """Let one friend measure how far some are that it might get the music from."""
        asked = self._survey.next(tree.parents, tree.possible_parents, now_ns)
        friend = self._hall.friend(asked[0]) if asked is not None else None
        if asked is not None and friend is not None:
            there = [one for peer in asked[1] if (one := self._hall.friend(peer)) is not None]
            friend.link.send(AskDistances(tuple(str(one.serves) for one in there if one.serves is not None)))

    def _change(self, change: Callable[[], list[Move]]) -> list[PeerId]:
        moves = change()
        for move in moves:
            self._tell_parent(move.peer, move.parent)
        return [move.peer for move in moves]

    def _tell_parent(self, peer: PeerId, parent: PeerId | None) -> None:
        friend = self._hall.friend(peer)
        if friend is None or self._tree is None:
            return
        if parent is None or parent == self._me:
            friend.link.send(Parents(()))
            return
        wanted = [parent, *self._tree.backups(peer)]
        found = [self._hall.friend(one) for one in wanted if one != self._me]
        serving = [one for one in found if one is not None and one.serves is not None][:MAX_ADDRESSES]
        for one in serving:
            one.link.send(Members((friend.introduction,), whole=False))  # it lets in whom it knows
        friend.link.send(Parents(tuple(str(one.serves) for one in serving)))

    def _stream_bps(self) -> int:
        return self._hall.stream_bps(self._tree.stream_bps if self._tree is not None else CD_BPS)


def _rtt_ms(friend: Friend) -> float:
    """To here: as the kernel saw it, else as the friend says."""
    trip_us = friend.link.round_trip_us
    if trip_us is None:
        trip_us = friend.report.round_trip_us if friend.report is not None else None
    return FAR_MS if trip_us is None else trip_us / 1000
