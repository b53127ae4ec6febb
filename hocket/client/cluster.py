"""Everything that one log-in holds: the prime, the session, and lines to streaming nodes."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from hocket.adapters.clocks import random_bytes
from hocket.adapters.trust import KnownClusters
from hocket.client import events
from hocket.client.prime import PrimeLine
from hocket.client.session import Session, ended_error
from hocket.client.streams import Streams
from hocket.client.tickets import Wallet
from hocket.core.address import ClusterAddress
from hocket.core.clock import Clock
from hocket.core.errors import HocketError, NotReachable, ProtocolError
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, node_id
from hocket.wire.message import Message

ASK_TRIES = 3

M = TypeVar("M", bound=Message)


class Cluster:
    """Made by `log_in`, ended by `close`. `on_over` is called once if the session ends against our will."""

    def __init__(
        self,
        address: ClusterAddress,
        known: KnownClusters,
        clock: Clock,
        *,
        tell: Callable[[events.Event], None],
        on_over: Callable[[HocketError], None],
        on_lines_changed: Callable[[], None],
    ) -> None:
        self._tell = tell
        self.wallet = Wallet(clock)
        me = node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES))
        self.prime = PrimeLine(address, known, me, self.wallet, clock, tell)
        self.session = Session(self.prime, self.wallet, tell, on_over)
        self.streams = Streams(
            self.prime,
            self.wallet,
            clock,
            on_change=on_lines_changed,
            on_session_ended=lambda code, text: on_over(ended_error(code, text)),
            on_library_changed=lambda revision: tell(events.LibraryChanged(revision)),
        )

    async def log_in(self, user: str, password: str) -> None:
        """Meet the prime, open the session, begin to look for a streaming node. Raises HocketError; then close."""
        await self.prime.open()
        await self.session.log_in(user, password)
        self._tell(events.LoggedIn(self.session.user, self.session.id, self.session.node))
        self.streams.keep_warm()

    async def ask_node(self, message: Message, reply: type[M]) -> M:
        """Ask any streaming node; one that fails is replaced. Raises Refused, NotReachable, ProtocolError."""
        failure: HocketError = NotReachable("no streaming node answers")
        for _ in range(ASK_TRIES):
            line = await self.streams.get()
            try:
                return await line.request(message, reply)
            except (NotReachable, ProtocolError) as error:
                self.streams.failed(line, error)
                failure = error
        raise failure

    async def close(self) -> None:
        """Log out and close every connection. Safe to call twice."""
        await asyncio.gather(self.streams.close(), self.session.log_out())
        await self.prime.close()
