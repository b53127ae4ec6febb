"""Who passes the music on to whom, under one who hosts over a line that does not carry it to all."""

from collections.abc import Callable

from hocket.client.together.hall import Friend, Hall
from hocket.relay.keys import PeerId
from hocket.relay.tree import Move, Peer, Tree
from hocket.wire.messages.together import Members, Parents

AMPLE_BPS = 1_000_000_000
CD_BPS = 1_411_200
MAX_ADDRESSES = 8


class Branches:
    """The tree under one host; none grows where its line is not limited."""

    def __init__(self, me: PeerId, hall: Hall) -> None:
        self._me = me
        self._hall = hall
        self._tree: Tree | None = None

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
            self._change(lambda: tree.join(Peer(friend.id, upload_bps)))
        return tree.parents[friend.id] in (None, self._me)

    def remove(self, peer: PeerId) -> None:
        """Somebody is gone."""
        tree = self._tree
        if tree is not None:
            self._change(lambda: tree.leave(peer))

    def look(self) -> None:
        """Once a second: another track may have another rate."""
        tree = self._tree
        if tree is not None and (rate_bps := self._stream_bps()) != tree.stream_bps:
            self._change(lambda: tree.set_stream_rate(rate_bps))

    def _change(self, change: Callable[[], list[Move]]) -> None:
        for move in change():
            self._tell_parent(move.peer, move.parent)

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
