"""Friends nearby: tells the network who hosts here, and keeps a list of who hosts there. Never in anybody's way."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from hocket.adapters.clocks import random_bytes
from hocket.adapters.hosts import named_hosts
from hocket.adapters.neighbourhood import Heard, Neighbourhood
from hocket.client import events
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import UserName
from hocket.relay.addresses import OwnAddress, is_for_others, told_to_friends
from hocket.relay.nearby import ID_DIGITS, Neighbour, Neighbours, Notice

log = logging.getLogger(__name__)

RESCAN_S = 15.0
"""A machine that comes into another network is heard there after this."""

BEGIN_S = 1.5
"""The library takes a tenth of a second to load: the music begins first, where nobody waits for the list."""

TURNED_OFF = "friends nearby are turned off here"


class FriendsNearby:
    """`is_on`: whether anything is said or heard at all. All of it happens in a task of its own."""

    def __init__(self, tell: Callable[[events.Event], None], *, is_on: bool) -> None:
        self._tell = tell
        self._is_on = is_on
        self._id = random_bytes(ID_DIGITS // 2).hex()
        self._cluster = ""
        self._neighbours = Neighbours("")
        self._notice: Notice | None = None
        self._at: HostPort | None = None
        self._watching = asyncio.Event()
        self._problem = "" if is_on else TURNED_OFF
        self._changed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def listed(self) -> tuple[Neighbour, ...]:
        """Who hosts nearby, as far as they say so."""
        return self._neighbours.listed

    @property
    def problem(self) -> str:
        """Why nobody can be found; "" where that is not so."""
        return self._problem

    def attach(self, fingerprint: str) -> None:
        """There is a session; only hosts of its cluster are friends."""
        self._neighbours = Neighbours(fingerprint)
        self._neighbours.own_id = self._id
        self._cluster = fingerprint

    def say(self, at: HostPort, user: str, *, invite_only: bool) -> None:
        """This machine hosts at an address that it listens on. Who listens to itself alone is nobody's neighbour."""
        self._at = at
        cluster = self._cluster[:ID_DIGITS]
        self._notice = Notice(self._id, socket.gethostname(), UserName(user), cluster, at.port, invite_only)
        self._wake()

    def unsay(self) -> None:
        """It hosts no longer."""
        self._at = self._notice = None
        self._changed.set()

    def watch(self) -> None:
        """Tell who is nearby, now and whenever it changes."""
        self._watching.set()
        self._show()
        self._wake()

    async def close(self) -> None:
        """Say good-bye and end everything. Safe to call twice."""
        self._watching.clear()
        self.unsay()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    # -- inside

    def _wake(self) -> None:
        self._changed.set()
        if self._is_on and self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="friends nearby")

    def _show(self) -> None:
        if self._watching.is_set():
            self._tell(events.Nearby(self.listed, self._problem))

    def _heard(self, heard: Heard) -> None:
        if self._neighbours.put(heard.service, heard.notice, heard.hosts, _own_hosts()):
            self._show()

    def _gone(self, service: str) -> None:
        if self._neighbours.drop(service):
            self._show()

    async def _keep(self) -> None:
        network = Neighbourhood(self._heard, self._gone)
        hosts: list[str] = []
        is_up = False
        said: tuple[Notice, list[str]] | None = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEGIN_S):
                    await self._watching.wait()
            while True:
                self._changed.clear()
                now = _own_hosts()
                if not is_up:
                    is_up = await self._started(network, now)
                elif now != hosts:
                    await network.move(now)
                hosts = now
                if is_up:
                    said = await self._say_on(network, said)
                    if self._watching.is_set():
                        network.listen()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RESCAN_S):
                        await self._changed.wait()
        finally:
            await network.close()

    async def _started(self, network: Neighbourhood, hosts: list[str]) -> bool:
        before = self._problem
        try:
            await network.start(hosts)
        except HocketError as error:
            log.info("%s", error)
            self._problem = error.text
        else:
            self._problem = ""
        if self._problem != before:
            self._show()
        return not self._problem

    async def _say_on(
        self, network: Neighbourhood, said: tuple[Notice, list[str]] | None
    ) -> tuple[Notice, list[str]] | None:
        """What others hear is brought up to date."""
        wanted: tuple[Notice, list[str]] | None = None
        if self._notice is not None and self._at is not None:
            hosts = [at.host for at in told_to_friends(self._at, _own()) if is_for_others(at.host)]
            wanted = (self._notice, hosts) if hosts else None
        if wanted != said:
            if wanted is None:
                await network.unsay()
            else:
                await network.say(*wanted)
        return wanted


def _own() -> list[OwnAddress]:
    return [OwnAddress(*one) for one in named_hosts()]


def _own_hosts() -> list[str]:
    """On which networks to speak."""
    told = told_to_friends(HostPort("0.0.0.0", 0), _own()) + told_to_friends(HostPort("::", 0), _own())
    return [host for host in dict.fromkeys(at.host for at in told) if is_for_others(host)]
