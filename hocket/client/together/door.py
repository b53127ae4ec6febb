"""Where friends find who hosts here, and how they are told."""

from collections.abc import Callable

from hocket.adapters.hosts import named_hosts
from hocket.client import events
from hocket.client.together.nearby import FriendsNearby
from hocket.core.address import HostPort
from hocket.relay.addresses import OwnAddress, told_to_friends


class Door:
    """Open while somebody hosts.

    `advertise`: what the owner says that friends should connect to; `mdns`: tell those in the same network.
    """

    def __init__(self, tell: Callable[[events.Event], None], *, advertise: HostPort | None, mdns: bool) -> None:
        self._tell = tell
        self._advertise = advertise
        self.nearby = FriendsNearby(tell, is_on=mdns)
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

    def _say(self) -> None:
        first, *others = map(str, self._places)
        self._tell(events.Hosting(first, tuple(others)))
