"""A connection that a follower made, and what it knows of the other end."""

import asyncio
from dataclasses import dataclass, field

from hocket.core.address import HostPort
from hocket.relay.keys import PeerId, peer_id
from hocket.wire.message import Message


@dataclass(slots=True, eq=False)
class Above:
    """A connection that I made. `is_host`: it brings time and lines; else music only."""

    at: HostPort
    is_host: bool
    secured: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    key: bytes = b""
    name: str = ""
    early: list[Message] | None = field(default_factory=list)  # news that came before we were in; None: we are

    @property
    def id(self) -> PeerId:
        return peer_id(self.key)
