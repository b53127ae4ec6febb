"""How a follower gets to its host: at its addresses, else by way of the prime; and what the person is told of it."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from hocket.adapters.peers import PeerLink
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.together.dialling import by_answer
from hocket.client.together.reach import NO_ANSWER, How, OwnAddress, Reach, both
from hocket.client.together.seeking import Seeker, Way
from hocket.core.address import HostPort
from hocket.core.errors import HocketError, NotReachable, Refused
from hocket.relay.invites import JoinAddress

log = logging.getLogger(__name__)

MEET_AGAIN_S = 2.0
"""Between two requests to the prime; a successor of a host that died is found without it within that time."""

ComeIn = Callable[[HostPort, JoinAddress | None, Way | None], Awaitable[None]]


class Approach:
    """One follower's. `come_in` tries one address, or the connection that a way has made. Raises HocketError."""

    def __init__(self, cluster: Cluster, tell: Callable[[events.Event], None], come_in: ComeIn) -> None:
        self._cluster = cluster
        self._seeker = Seeker(cluster)
        self._tell = tell
        self._come_in = come_in
        self._how = How.DIRECT
        self._at: HostPort | None = None
        self._next_meeting_s = 0.0
        self._token = b""
        self.reach: Reach | None = None

    async def first(self, address: JoinAddress) -> HostPort:
        """Come in for the first time; where. Raises HocketError."""
        self._token = address.invite.token if address.invite is not None else b""
        failure: HocketError = NotReachable(f"nobody answers at {address.at}", hint=NO_ANSWER)
        for at in await by_answer(address.places):
            try:
                await self._come_in(at, address, None)
            except Refused:
                raise
            except HocketError as error:
                log.info("%s: %s", at, error)
                failure = error
            else:
                self._how, self._at = How.DIRECT, at
                return at
        group = address.invite.group if address.invite is not None else ""
        if isinstance(failure, OwnAddress) and not group:
            raise failure
        return await self._by_the_prime(group, address.at, failure, address)

    async def again(self, group: str, at: HostPort) -> None:
        """Come in once more, or to a successor. Raises HocketError."""
        failure: HocketError = NotReachable(f"{at} is not in reach by itself")
        if self._how in (How.DIRECT, How.MAPPED) or at != self._at:
            self._at = at
            try:
                await self._come_in(at, None, None)
            except Refused:
                raise
            except HocketError as error:
                failure = error
            else:
                self._how = How.DIRECT
                return
        now_s = time.monotonic()
        if now_s < self._next_meeting_s:
            raise failure
        self._next_meeting_s = now_s + MEET_AGAIN_S
        await self._by_the_prime(group, at, failure, None)

    @property
    def is_blind(self) -> bool:
        """Whether nothing can be known of the host just now, since the prime is away that led to it."""
        return self._how is How.THROUGH_NODE and not self._cluster.prime.is_up

    def lost(self) -> None:
        """The connection to the host is gone."""
        if self._how is How.DIRECT:
            self._next_meeting_s = time.monotonic() + MEET_AGAIN_S

    def look(self, host: PeerLink, relay: str, node: str) -> None:
        """Tell the person whenever the way is another. `relay`, `node`: who the music comes from, as far as known."""
        reach = Reach(self._how)
        if host.is_carried:
            reach = Reach(How.RELAYED, relay) if relay else Reach(How.THROUGH_NODE, node)
            if not reach.via:
                return
        if reach != self.reach:
            self.reach = reach
            self._tell(events.Reach(reach.how.value, reach.via))

    async def close(self) -> None:
        """Give up what the way rests on. Safe to call twice."""
        await self._seeker.close()

    async def _by_the_prime(
        self, group: str, at: HostPort, failure: HocketError, address: JoinAddress | None
    ) -> HostPort:
        try:
            async with contextlib.aclosing(self._seeker.ways(group, at, self._token)) as ways:
                async for way in ways:
                    try:
                        await self._come_in(way.at, address, way)
                    except Refused:
                        raise
                    except HocketError as error:
                        log.info("%s: %s", way.how.value, error)
                    else:
                        self._how, self._at = way.how, way.at
                        return way.at
        except HocketError as error:
            raise both(failure, error) from None
        raise both(failure, NotReachable("every way that it knows broke off"))
