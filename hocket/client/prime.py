"""The connection to the prime, brought back in the background whenever it breaks."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hocket.adapters import tls
from hocket.adapters.link import Link, Owner, connect, hello
from hocket.adapters.trust import KnownClusters, connect_to_prime
from hocket.client import events
from hocket.client.tickets import Shown, Wallet
from hocket.control.backoff import BackoffRule
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.clock import Clock
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import NodeId, Role
from hocket.wire import limits
from hocket.wire.message import Message

log = logging.getLogger(__name__)

RECONNECT = BackoffRule(base_s=0.1, cap_s=3.0)
"""A prime that was started again is found within seconds; nothing is lost meanwhile."""

_HOPELESS = frozenset({ErrorCode.FINGERPRINT_CHANGED, ErrorCode.DATA_BROKEN})

M = TypeVar("M", bound=Message)


class PrimeLine:
    """Asks the prime things. `authority_pem` is the CA by which all nodes of the cluster are known."""

    def __init__(
        self,
        address: ClusterAddress,
        known: KnownClusters,
        me: NodeId,
        wallet: Wallet,
        clock: Clock,
        tell: Callable[[events.Event], None],
    ) -> None:
        self.address = address
        self.authority_pem = ""
        self._known = known
        self._me = me
        self._wallet = wallet
        self._clock = clock
        self._tell = tell
        self._link: Link | None = None
        self._shown: Shown | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._back = asyncio.Event()
        self._fault: HocketError | None = None
        self.on_request: Callable[[Message], Awaitable[Message | None]] | None = None  # what the prime asks of us

    @property
    def own_host(self) -> str:
        """The address of this machine that leads to the prime; empty while there is no connection."""
        return self._link.own_address.host if self._link is not None and self._link.is_open else ""

    @property
    def is_up(self) -> bool:
        return self._link is not None and self._link.is_open

    async def open(self) -> None:
        """Connect for the first time. Raises what `connect_to_prime` raises."""
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name="prime line")

    async def ask(self, message: Message, reply: type[M], timeout_s: float = limits.REPLY_TIMEOUT_S) -> M:
        """One request. Raises Refused, NotReachable (at once while the prime is away)."""
        return await self._up().request(message, reply, timeout_s)

    async def ask_as_user(self, message: Message, reply: type[M], timeout_s: float = limits.REPLY_TIMEOUT_S) -> M:
        """One request that needs a ticket on the connection."""
        link = self._up()
        assert self._shown is not None
        await self._shown.ensure()
        return await link.request(message, reply, timeout_s)

    async def connect_node(
        self, role: Role, node: NodeId, address: HostPort, owner: Owner, *, plain: bool = False
    ) -> Link:
        """A connection to another node of the cluster. Raises NotReachable, ProtocolError, Refused.

        On a plain one the node cannot prove who it is: nothing secret may be sent.
        """
        context = None if plain else tls.listener_context(self.authority_pem)
        mine = hello(Role.LISTENER, self._me)
        return await connect(address, context, mine, owner, expect=(role, node), believe=plain)

    async def wait_up(self) -> None:
        """Wait until the prime is in reach."""
        await self._back.wait()

    async def wait_down(self) -> None:
        """Wait until the present connection is lost; at once while there is none."""
        if self._link is not None and self._link.is_open:
            await self._link.wait_closed()

    async def close(self) -> None:
        """Safe to call twice."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._link is not None:
            self._link.close()
            await self._link.wait_closed()
            self._link = None

    # -- the link's owner

    async def on_message(self, link: Link, message: Message) -> Message | None:
        return await self.on_request(message) if self.on_request is not None else None

    def on_closed(self, link: Link, error: HocketError) -> None:
        self._back.clear()

    # -- inside

    def _up(self) -> Link:
        if self._link is None or not self._link.is_open:
            raise self._fault or NotReachable(f"the prime at {self.address.at} is out of reach just now")
        return self._link

    async def _connect(self) -> None:
        link, cluster, is_new = await connect_to_prime(self.address, self._known, self._me, self)
        self._link = link
        self._shown = Shown(link, self._wallet, self._clock)
        self.authority_pem = cluster.authority_pem
        # An address that named its fingerprint has done its work: from now on the pin decides.
        self.address = ClusterAddress(self.address.at, cluster.fingerprint)
        if is_new:
            self._tell(events.Pinned(str(self.address.at), cluster.fingerprint))
        if link.is_open:
            self._back.set()

    async def _keep(self) -> None:
        while True:
            assert self._link is not None
            await self._link.wait_closed()
            self._tell(events.Prime(False, "the connection to the prime is lost"))
            if not await self._reconnect():
                return
            self._tell(events.Prime(True))

    async def _reconnect(self) -> bool:
        failures = 1
        while True:
            await asyncio.sleep(RECONNECT.delay_s(failures, random.random()))
            try:
                await self._connect()
            except HocketError as error:
                failures += 1
                log.info("the prime is still away: %s", error)
                if error.code in _HOPELESS:
                    self._fault = error
                    self._tell(events.Error.of(error))
                    return False
            else:
                return True
