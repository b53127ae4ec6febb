"""Who is here, as friends are told: all to a newcomer, who comes and goes to everybody, measurements in turns."""

from hocket.relay.keys import PeerId
from hocket.wire.messages.together import MAX_MEMBERS, Members, Report

Told = dict[PeerId, Report]

AT_ONCE = 8.0
"""Newcomers that are told of at once after a quiet while, over whatever line."""


class Roll:
    """What a host's friends know of one another."""

    def __init__(self, known: Told) -> None:
        """`known`: whom all know already."""
        self._told = dict(known)
        self._turns = 0.0
        self._fresh = AT_ONCE

    def whole(self) -> Members:
        """For a newcomer: what all others know."""
        return Members(tuple(self._told.values())[:MAX_MEMBERS])

    def changes(self, members: Told, turns: float = 0.0, fresh: float = MAX_MEMBERS) -> Members | None:
        """What others do not know yet, with at most so many measurements and newcomers on average; None: nothing.

        Every call brings `turns` and `fresh` more; who was told of longest ago comes first.
        """
        gone = tuple(peer for peer in self._told if peer not in members)
        for peer in gone:
            del self._told[peer]
        self._fresh = min(self._fresh + fresh, max(AT_ONCE, fresh))
        news = [peer for peer in members if peer not in self._told][: int(self._fresh)]
        self._fresh -= len(news)
        self._turns = min(self._turns + turns, float(MAX_MEMBERS))
        for peer in [peer for peer, told in self._told.items() if told != members[peer]]:
            moved = members[peer].address != self._told[peer].address
            if moved or self._turns >= 1:
                self._turns -= not moved
                del self._told[peer]  # to the end: its next turn comes after the others'
                news.append(peer)
        news = news[:MAX_MEMBERS]
        self._told |= {peer: members[peer] for peer in news}
        reports = tuple(members[peer] for peer in news)
        return Members(reports, whole=False, gone=gone) if reports or gone else None
