"""As host: lets the prime know, meets those whom it announces: dials them from our own port, or speaks through it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from hocket.adapters.peers.channel import Channel
from hocket.adapters.peers.link import CARRIED
from hocket.adapters.peers.punching import punch
from hocket.client.together.circle import Circle
from hocket.client.together.portline import PortLine
from hocket.client.together.values import encode
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.lineage import Claim
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.reach import (
    MAX_ADDRESSES,
    Carried,
    Carry,
    CarryEnd,
    CarryEnded,
    FriendComes,
    HostHere,
    HostSeen,
    MeetNow,
)

log = logging.getLogger(__name__)

AGAIN_S = 5.0
"""After the prime refused, or while it is away without a word."""

MAX_DIALLING = 8
"""Friends that are dialled at a time."""

DIAL = "dial"
IDLE_S = 60.0
"""The connection at our port is kept so long after it was last of use."""


class _Told(NamedTuple):
    """What the prime knows."""

    claim: Claim
    places: tuple[HostPort, ...]
    is_listed: bool


class Beacon:
    """One host's. `places` tells where friends may join; `look` is called often and begins or ends what is due."""

    def __init__(self, circle: Circle) -> None:
        self._circle = circle
        self.places: Callable[[], tuple[HostPort, ...]] = tuple
        self._line: PortLine | None = None
        self._opening = asyncio.Lock()
        self._channels: dict[int, Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._told: _Told | None = None
        self._changed = asyncio.Event()
        self._used_s = 0.0
        self._is_closed = False

    def look(self) -> None:
        """Several times a second: is there anything new to tell the prime?"""
        circle = self._circle
        hosts = not self._is_closed and circle.server.address is not None and circle.is_hosting
        if hosts and self._keeper is None:
            circle.cluster.prime.on_request = self._asked
            self._keeper = asyncio.create_task(self._keep_known(), name="beacon")
        elif not hosts and self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            self._start(self._say_no_longer(keeper))
        if hosts and self._told is not None and self._told != self._news():
            self._changed.set()
        if self._line is not None and not self._channels and self._now_s() - self._used_s > IDLE_S:
            self._start(self._close_line())

    def stop(self) -> None:
        """Let nobody in any more, and tell the prime so."""
        self._is_closed = True
        self.look()
        for task in self._tasks:
            if task.get_name() == DIAL:
                task.cancel()

    async def close(self) -> None:
        """End everything. Safe to call twice."""
        self.stop()
        for channel in list(self._channels.values()):
            channel.close()
            await channel.wait_closed()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close_line()

    # -- being known

    def _news(self) -> _Told:
        circle = self._circle
        places, own = self.places(), circle.cluster.prime.own_host
        if circle.server.address is not None and own:
            places = (*places, HostPort(own, circle.server.address.port))
        told = tuple(dict.fromkeys(places))[:MAX_ADDRESSES]
        return _Told(circle.succession.reign.claim, told, not circle.guests.invite_only)

    async def _keep_known(self) -> None:
        prime = self._circle.cluster.prime
        while True:
            await prime.wait_up()
            self._changed.clear()
            self._told = self._news()
            reign = encode(self._circle.succession.reign)
            here = HostHere(self._circle.group, reign, self._told.places, self._told.is_listed)
            try:
                seen = await prime.ask_as_user(here, HostSeen)
            except HocketError as error:
                log.info("the prime does not know that this one hosts: %s", error)
                if error.code is ErrorCode.UNKNOWN_KIND:
                    return  # it is older than this, and closes the connection each time
                await asyncio.sleep(AGAIN_S)
                continue
            log.debug("the prime sees this host at %s", seen.address)
            await self._until_news()

    async def _until_news(self) -> None:
        prime = self._circle.cluster.prime
        waiting = {asyncio.create_task(prime.wait_down()), asyncio.create_task(self._changed.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _say_no_longer(self, keeper: "asyncio.Task[None]") -> None:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        self._told = None
        prime = self._circle.cluster.prime
        if prime.on_request == self._asked:
            prime.on_request = None
        with contextlib.suppress(HocketError):
            await prime.ask_as_user(HostHere(""), HostSeen, timeout_s=1.0)

    # -- who comes

    async def _asked(self, message: Message) -> Message | None:
        """What the prime asks a host. Raises HocketError."""
        if not isinstance(message, FriendComes):
            return None
        circle = self._circle
        if not circle.is_hosting or self._is_closed:
            raise _no_longer()
        circle.guests.check_visit(message.user, message.key, message.token or None, circle.now_s)
        if self._dialling >= MAX_DIALLING:
            raise HocketError("too many come at once", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=2.0)
        await self._open_line()
        if message.channel:
            self._begin_channel(message.channel)
        return Done()

    async def _open_line(self) -> None:
        """Be seen by the prime at the port where friends join. Raises HocketError."""
        async with self._opening:
            self._used_s = self._now_s()
            if self._line is not None and self._line.is_open:
                return
            await self._close_line()
            at = self._circle.server.address
            assert at is not None
            line = PortLine(self._circle.cluster, self._take, self._lost)
            try:
                await line.open(at)
            except HocketError as error:
                log.info("the prime cannot see the port where friends join: %s", error)
                await line.open(HostPort(at.host, 0))
            try:
                await line.request(HostHere(self._circle.group, is_door=True), HostSeen)
                if self._is_closed:
                    raise _no_longer()
            except BaseException:
                await line.close()
                raise
            self._line = line

    def _take(self, message: Message) -> None:
        self._used_s = self._now_s()
        match message:
            case MeetNow() if self._dialling < MAX_DIALLING:
                self._start(self._meet(message), DIAL)
            case Carried():
                channel = self._channels.get(message.channel)
                if channel is not None:
                    channel.feed(message.data)
            case CarryEnded():
                channel = self._channels.get(message.channel)
                if channel is not None:
                    channel.close()

    async def _meet(self, message: MeetNow) -> None:
        line, server = self._line, self._circle.server
        if line is None:
            return
        wait_s = message.at_ns / NS_PER_S - self._circle.passport.wallet.cluster_s()
        sock = await punch(line.local, message.address, wait_s, lambda: server.knows(message.address))
        if sock is not None:
            server.let_in(sock, message.address.host)

    def _begin_channel(self, number: int) -> None:
        line = self._line
        assert line is not None

        def ended() -> None:
            self._channels.pop(number, None)
            line.notify(CarryEnd(number))

        channel = Channel(lambda data: line.notify(Carry(number, data)), ended)
        self._channels[number] = channel
        if self._circle.server.let_in(channel.near, CARRIED) is None:
            channel.close()

    # -- inside

    @property
    def _dialling(self) -> int:
        return sum(1 for task in self._tasks if task.get_name() == DIAL)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _lost(self) -> None:
        for channel in list(self._channels.values()):
            channel.close()

    async def _close_line(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    def _start(self, work: Coroutine[Any, Any, None], name: str = "errand of the beacon") -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _no_longer() -> HocketError:
    return HocketError("this one hosts no longer", code=ErrorCode.NOT_ALLOWED, hint="ask for the new address")
