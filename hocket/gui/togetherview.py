"""Listening together as the window shows it. No Qt, no I/O."""

from typing import Protocol

import msgspec

from hocket.client.together.together import TogetherState
from hocket.gui import texts

GOOD_MS = 1.0
FAIR_MS = 5.0


class Commands(Protocol):
    """What the panel asks of the engine. All return at once; what comes of it is told by events."""

    def host(self, on: bool) -> None:
        """Let friends listen along, or no longer."""
        ...

    def join(self, address: str) -> None:
        """Follow a host: HOST:PORT or an invite."""
        ...

    def leave(self) -> None:
        """Follow nobody."""
        ...


class Peer(msgspec.Struct, frozen=True):
    """Somebody of the group. `offset_ms`: beside the host, as measured; None where there is nothing to measure."""

    name: str
    offset_ms: float | None = None

    @property
    def line(self) -> str:
        """good, fair or poor; empty while nothing was measured."""
        if self.offset_ms is None:
            return ""
        size = abs(self.offset_ms)
        return "good" if size <= GOOD_MS else "fair" if size <= FAIR_MS else "poor"


class Together(msgspec.Struct, frozen=True):
    """Who hosts, who is here, and what to say about it."""

    may_host: bool = False  # friends are let in as soon as something plays
    address: str = ""  # while hosting: what friends type
    host: str = ""  # while following: whom
    peers: tuple[Peer, ...] = ()
    state: str = texts.NOT_HOSTING

    @property
    def is_hosting(self) -> bool:
        return bool(self.address)

    @property
    def is_following(self) -> bool:
        return bool(self.host)


def together_view(state: TogetherState, me: str, *, may_host: bool, is_moving: bool = True) -> Together:
    """What the engine says of the group, in words. `me`: this listener's name; `is_moving`: the music is not paused."""
    peers = tuple(Peer(one.name, one.offset_ms) for one in state.members if one.name not in (me, state.following))
    if state.following:
        own = Peer(texts.YOU, state.offset_ms)
        said = texts.following(state.following) if is_moving else texts.host_paused(state.following)
        return Together(may_host, "", state.following, (Peer(state.following), own, *peers), said)
    if state.hosting and state.address:
        return Together(may_host, state.address, "", peers, texts.YOU_ARE_HOST)
    return Together(may_host, state=texts.HOSTS_WHEN_PLAYING if may_host else texts.NOT_HOSTING)
