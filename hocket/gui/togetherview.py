"""Listening together as the window shows it. No Qt, no I/O.

The engine tells `hosting`, `peer_joined`, `peer_left`, `offset` and `moved`; what a person asks for goes
out through `Commands`.
"""

from typing import Protocol

import msgspec

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
    """Somebody who listens along. `offset_ms`: measured, None while it is not."""

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

    def hosting(self, address: str) -> "Together":
        """Friends reach us there; empty: no longer."""
        state = texts.YOU_ARE_HOST if address else texts.NOT_HOSTING
        return msgspec.structs.replace(self, address=address, host="", state=state, peers=self.peers if address else ())

    def following(self, host: str) -> "Together":
        """We hear what somebody plays."""
        return Together(host=host, state=texts.following(host), peers=(Peer(host),))

    def peer_joined(self, name: str) -> "Together":
        others = tuple(peer for peer in self.peers if peer.name != name)
        return msgspec.structs.replace(self, peers=(*others, Peer(name)))

    def peer_left(self, name: str) -> "Together":
        """Somebody is gone; the host's going away says so."""
        others = tuple(peer for peer in self.peers if peer.name != name)
        state = texts.host_left(name) if name == self.host else self.state
        return msgspec.structs.replace(self, peers=others, state=state)

    def offset(self, name: str, offset_ms: float) -> "Together":
        """How far somebody is from the host, by measurement."""
        peers = tuple(Peer(name, offset_ms) if peer.name == name else peer for peer in self.peers)
        return msgspec.structs.replace(self, peers=peers)

    def paused(self, is_paused: bool) -> "Together":
        """The host paused or went on."""
        if not self.is_following:
            return self
        state = texts.host_paused(self.host) if is_paused else texts.following(self.host)
        return msgspec.structs.replace(self, state=state)

    def moved(self, to: str) -> "Together":
        """Another one leads the group now."""
        others = tuple(peer for peer in self.peers if peer.name not in (self.host, to))
        return msgspec.structs.replace(self, host=to, peers=(Peer(to), *others), state=texts.host_moved(to))
