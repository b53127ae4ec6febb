"""How one comes in at a friend's: to follow, to be given music, or to show who hosts."""

import asyncio

from hocket.adapters.hosts import own_hosts
from hocket.adapters.peers import PeerLink
from hocket.client.together.above import Above
from hocket.client.together.party import Party
from hocket.client.together.reach import OwnAddress
from hocket.client.together.seeking import Way
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.wire.message import Message
from hocket.wire.messages.together import Admitted, JoinFriend, TimeIs

MAX_EARLY = 512
"""News that may come before the answer."""

SECURE_TIMEOUT_S = 5.0
DIRECT_S = 1.5
"""Who has not answered by then is sought by the prime; a first packet that was lost comes again after a second."""


class Entrance:
    """One party's. `token`: of the invite that it came by; `serving`: until then it is not known where it serves."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self.token = b""
        self.serving: asyncio.Future[None] | None = None

    async def connect(self, at: HostPort, *, is_host: bool, way: Way | None = None) -> tuple[PeerLink, Above]:
        """TLS is there, and we can `ask`; that goes with our HELLO. Raises NotReachable, OwnAddress."""
        link = await self._dial(at) if way is None else self._party.link_over(way.sock)
        above = Above(at, is_host)
        link.user_data = above
        try:
            async with asyncio.timeout(SECURE_TIMEOUT_S):
                await above.secured
                if self.serving is not None:
                    await asyncio.shield(self.serving)  # where we serve is the first that we say
        except TimeoutError:
            link.close()
            raise NotReachable(f"{at} does not speak as a friend", code=ErrorCode.TIMED_OUT) from None
        if link.leads_home:
            link.user_data = None
            link.close()
            raise OwnAddress(at)
        return link, above

    async def _dial(self, at: HostPort) -> PeerLink:
        was_serving = self.serving is None or self.serving.done()
        try:
            return await self._party.connect(at, DIRECT_S)
        except NotReachable:
            if self.serving is None or was_serving:
                raise
            await self.serving
            serves_at = self._party.server.address
            if serves_at is None or serves_at.port != at.port or not _is_here(at.host):
                raise
            return await self._party.connect(at, DIRECT_S)  # it was dialled before it was our own

    async def ask(self, link: PeerLink, above: Above, *, listens: bool) -> Admitted:
        """Be let in; `above` then knows who that is, and keeps news for `early`. Raises HocketError.

        It is asked at once: what is sent after the call follows upon it.
        """
        party = self._party
        ticket, proof = party.passport.show(link)
        port = party.server.address.port if party.server.address is not None else 0
        group = party.group if hasattr(party, "group") else ""
        asked = JoinFriend(ticket, proof, self.token, port, listens, party.upload_bps, group)
        admitted = await link.request(asked, Admitted)
        theirs = party.passport.check(link, admitted.ticket, admitted.proof)
        above.key, above.name = theirs.session_key, str(theirs.user)
        return admitted

    def is_early(self, link: PeerLink, message: Message) -> bool:
        """Whether this came before we were in, and is kept for then. Raises ProtocolError where it is too much."""
        above = link.user_data
        if not isinstance(above, Above) or above.early is None or isinstance(message, TimeIs):
            return False
        if len(above.early) >= MAX_EARLY:
            raise ProtocolError("too much news before an answer")
        above.early.append(message)
        return True

    def early(self, above: Above) -> list[Message]:
        """What was kept; nothing is from now on."""
        kept, above.early = above.early or [], None
        return kept

    def secured(self, link: PeerLink) -> None:
        """TLS is there."""
        above = link.user_data
        if isinstance(above, Above) and not above.secured.done():
            above.secured.set_result(None)

    def lost(self, above: Above, error: HocketError) -> None:
        """The connection is gone."""
        if not above.secured.done():
            above.secured.set_exception(error)
            above.secured.exception()  # whoever waits for it gets it; nobody else must be told


def _is_here(host: str) -> bool:
    """Whether this address is one of this machine's."""
    return HostPort(host, 0).is_loopback or host in own_hosts()
