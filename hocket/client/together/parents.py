"""Where a follower takes the music from: the parents that the host names, in their order; else the host itself."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hocket.adapters.peers import PeerLink
from hocket.client.together.above import Above
from hocket.core.address import BadAddress, HostPort
from hocket.core.errors import HocketError, ProtocolError, Refused
from hocket.relay.keys import PeerId
from hocket.relay.tree import is_path

log = logging.getLogger(__name__)

TRIES = 8
RETRY_S = 0.4
"""A parent that refuses may not have been told of us yet: over a thin line that waits behind music."""


def address_of(text: str) -> HostPort | None:
    """None where it is none."""
    try:
        return HostPort.parse(text)
    except BadAddress:
        return None


def path_by(me: PeerId, peers: tuple[str, ...]) -> tuple[PeerId, ...]:
    """Whom the music comes by. Raises ProtocolError where I am among them."""
    path = tuple(PeerId(peer) for peer in peers)
    if not is_path(me, path):
        raise ProtocolError("I hear myself through you")
    return path


class Parents:
    """`enter` comes in at a relay; `changed` is called with the old parent and the new; None: the host."""

    def __init__(
        self,
        enter: Callable[[HostPort], Awaitable[tuple[PeerLink, Above]]],
        changed: Callable[[Above | None, Above | None], None],
    ) -> None:
        self.link: PeerLink | None = None
        self._above: Above | None = None
        self._enter = enter
        self._changed = changed
        self._wanted: list[HostPort] = []
        self._finding: asyncio.Task[None] | None = None

    def look_for(self, wanted: list[HostPort]) -> None:
        """Take the music from the first of these that gives it, else from the host."""
        self._wanted = wanted
        if self._finding is not None:
            self._finding.cancel()
        self._finding = asyncio.create_task(self._find(wanted), name="find a parent")

    def lost(self) -> None:
        """The connection to the parent is gone: go to the next."""
        above, self._above, self.link = self._above, None, None
        self.look_for([at for at in self._wanted if above is None or at != above.at])

    async def close(self) -> None:
        """Safe to call twice."""
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)
        self._leave()

    async def _find(self, wanted: list[HostPort]) -> None:
        if wanted and self._above is not None and self._above.at == wanted[0]:
            return
        for tries_left in reversed(range(TRIES)):
            refused = []
            for at in wanted:
                try:
                    link, above = await self._enter(at)
                except HocketError as error:
                    log.info("%s is no parent: %s", at, error)
                    refused += [at] if isinstance(error, Refused) else []
                    continue
                self._take(link, above)
                return
            if not (wanted := refused):
                break
            await asyncio.sleep(RETRY_S if tries_left else 0)
        self._take(None, None)

    def _take(self, link: PeerLink | None, above: Above | None) -> None:
        old = self._above
        self._leave()
        self.link, self._above = link, above
        self._changed(old, above)

    def _leave(self) -> None:
        link, self.link, self._above = self.link, None, None
        if link is not None:
            link.user_data = None
            link.close()
