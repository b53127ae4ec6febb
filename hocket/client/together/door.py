"""Where friends find who hosts here, and how they are told."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from hocket.adapters.hosts import named_hosts
from hocket.client import events
from hocket.client.together.lease import Answer, RouterLease
from hocket.client.together.nearby import FriendsNearby
from hocket.core.address import HostPort
from hocket.relay.addresses import OwnAddress, is_for_others, told_to_friends

if TYPE_CHECKING:
    from hocket.adapters.routers import Where


class Door:
    """Open while somebody hosts.

    `advertise`: what the owner says that friends should connect to; `mdns`: tell those in the same network;
    `map_port`: ask the router to let friends in, `router` another one than this network's.
    """

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        *,
        advertise: HostPort | None = None,
        mdns: bool = False,
        map_port: bool = False,
        router: "Where | None" = None,
    ) -> None:
        self._tell = tell
        self._advertise = advertise
        self._map_port = map_port
        self.nearby = FriendsNearby(tell, is_on=mdns)
        self._lease = RouterLease(self._answered, router)
        self.mapping: Answer | None = None
        self._bound: HostPort | None = None
        self._places: tuple[HostPort, ...] = ()

    @property
    def is_open(self) -> bool:
        return self._bound is not None

    @property
    def places(self) -> tuple[HostPort, ...]:
        """Where friends are to connect to, the best first; none while nobody hosts."""
        return self._places

    @property
    def address(self) -> str:
        """The best place; "" while nobody hosts."""
        return str(self._places[0]) if self._places else ""

    def open(self, bound: HostPort, user: str, *, invite_only: bool) -> None:
        """Friends can join this user at this address, which is listened on."""
        own = [OwnAddress(*one) for one in named_hosts()]
        self._bound = bound
        self._places = tuple(told_to_friends(bound, own, self._advertise))
        self.nearby.say(bound, user, invite_only=invite_only)
        self._say()
        host = next((at.host for at in told_to_friends(bound, own) if ":" not in at.host), "")
        if self._map_port and is_for_others(host):
            self._lease.open(host, bound.port)

    def leads_to(self, at: HostPort) -> bool:
        """Whether this is our own door."""
        if self._bound is None or at.port not in {self._bound.port, *(place.port for place in self._places)}:
            return False
        return at.is_loopback or at in self._places

    async def close(self) -> None:
        """Nobody can join here any more. Safe to call twice."""
        self.nearby.unsay()
        self._bound = None
        self._places = ()
        self.mapping = None
        await self._lease.close()

    def _answered(self, answer: Answer) -> None:
        """The router said something new."""
        before, self.mapping = self.mapping, answer
        outer = before.at if before is not None else None
        local = tuple(at for at in self._places if at != outer)
        self._places = local if answer.at is None or self._advertise is not None else (answer.at, *local)
        self._say()

    def _say(self) -> None:
        first, *others = map(str, self._places)
        answer = self.mapping
        mapping, why = (answer.mapping.value, answer.why) if answer is not None else ("", "")
        self._tell(events.Hosting(first, tuple(others), mapping, why))
