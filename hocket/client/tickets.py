"""The session's ticket: renewed by heartbeats, shown on connections with a proof that it is ours."""

import asyncio
import logging

from hocket.adapters.clocks import random_bytes
from hocket.adapters.link import Link
from hocket.auth.accounts import Rights
from hocket.auth.keys import SEED_BYTES, Purpose, SigningKey
from hocket.auth.tickets import possession_proof, read_unverified
from hocket.core.clock import NS_PER_S, Clock
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId
from hocket.wire.messages.common import Present, Presented

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""After a node refused a ticket that ought to hold: its clock may be catching up."""


class Wallet:
    """The session's key pair and its latest ticket."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = SigningKey(random_bytes(SEED_BYTES))
        self._ticket = b""
        self._expires_s = 0.0
        self._life_s = 0.0
        self._cluster_offset_s = 0.0
        self._newer = asyncio.Event()
        self.revision = 0  # counts tickets

    @property
    def public_key(self) -> bytes:
        return self._key.public

    @property
    def ticket(self) -> bytes:
        """The latest ticket; empty before the log-in."""
        return self._ticket

    @property
    def rights(self) -> Rights:
        """What the account may do, by the latest ticket."""
        return Rights(read_unverified(self._ticket).rights) if self._ticket else Rights.NOTHING

    @property
    def left_s(self) -> float:
        """Seconds until the latest ticket runs out; negative after that."""
        return self._expires_s - self._clock.monotonic_s()

    def put(self, ticket: bytes, life_s: float | None = None) -> None:
        """Take the next ticket; `life_s` is remembered for those that come without."""
        self._life_s = self._life_s if life_s is None else life_s
        self._ticket = ticket
        now_s = self._clock.monotonic_s()
        self._expires_s = now_s + self._life_s
        self._cluster_offset_s = read_unverified(ticket).issued_ns / NS_PER_S - now_s
        self.revision += 1
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()

    async def wait_newer(self) -> None:
        """Wait for the next `put`."""
        await self._newer.wait()

    def cluster_s(self) -> float:
        """The cluster's time, behind by what the latest ticket took to come: fractions of a second."""
        return self._cluster_offset_s + self._clock.monotonic_s()

    def sign(self, message: bytes) -> bytes:
        """Sign what friends tell one another; it begins with a domain of its own."""
        return self._key.sign_canonical(message)

    def friend_proof(self, side: bytes, binding: bytes) -> bytes:
        """Shows a friend that the ticket is ours, on this `side` of the connection that `binding` stands for."""
        return self._key.sign(Purpose.FRIEND, side + binding)

    def proof(self, nonce: bytes, node: NodeId) -> bytes:
        """Shows a node that the ticket is ours: a signature over the nonce in its HELLO."""
        return possession_proof(self._key, nonce, node)

    def proof_for(self, link: Link) -> bytes:
        return self.proof(link.peer.nonce, link.peer.node)


class Shown:
    """The ticket as one connection knows it."""

    def __init__(self, link: Link, wallet: Wallet, clock: Clock) -> None:
        self._link = link
        self._wallet = wallet
        self._clock = clock
        self._revision = -1
        self._until_s = 0.0
        self._half_s = 0.0  # when half of its life is over

    async def ensure(self) -> None:
        """Show the latest ticket unless what was shown is still in the first half of its life.

        Raises Refused (TICKET_REFUSED), NotReachable; TICKET_REFUSED also without any ticket.
        """
        now_s = self._clock.monotonic_s()
        if now_s < self._half_s or (self._revision == self._wallet.revision and now_s < self._until_s):
            return
        await self.show()

    async def show(self) -> None:
        """Show the latest ticket now."""
        if not self._wallet.ticket:
            raise HocketError("there is no session", code=ErrorCode.TICKET_REFUSED, hint="log in first")
        revision = self._wallet.revision
        present = Present(self._wallet.ticket, self._wallet.proof_for(self._link))
        presented = await self._link.request(present, Presented)
        now_s = self._clock.monotonic_s()
        self._revision = revision
        self._until_s = now_s + presented.expires_in_s
        self._half_s = now_s + presented.expires_in_s / 2

    async def keep(self) -> None:
        """Show each fresh ticket when half of the life of the one before is over, for as long as the link lives."""
        while self._link.is_open:
            await asyncio.sleep(max(0.0, self._half_s - self._clock.monotonic_s()))
            while self._revision == self._wallet.revision:
                await self._wallet.wait_newer()
            try:
                await self.show()
            except HocketError as error:
                log.info("a fresh ticket was refused: %s", error)
                await asyncio.sleep(RETRY_S)
