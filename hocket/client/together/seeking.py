"""As follower: other ways to a host that does not answer at its address; the prime knows them."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass
from typing import Any

from hocket.adapters.peers.channel import Channel
from hocket.adapters.peers.ports import connect_from, family_of, linger_no_longer, shared_socket
from hocket.adapters.peers.punching import punch
from hocket.client.cluster import Cluster
from hocket.client.together.portline import PortLine
from hocket.client.together.reach import How
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import HocketError
from hocket.relay.addresses import is_public, without_mapping
from hocket.wire.message import Message
from hocket.wire.messages.reach import Carried, Carry, CarryEnd, CarryEnded, MeetHost, MeetingAt

log = logging.getLogger(__name__)

MEET_TIMEOUT_S = 12.0
"""The prime asks the host first, which may have to make a connection."""

ANYWHERE = HostPort("0.0.0.0", 0)


@dataclass(frozen=True, slots=True)
class Way:
    """A connection to whoever should be the host: `key` is its session's."""

    how: How
    at: HostPort
    key: bytes
    sock: socket.socket


class Seeker:
    """Finds ways to hosts, and keeps open what the last one rests on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._line: PortLine | None = None
        self._channel: Channel | None = None
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ways(self, group: str, at: HostPort, token: bytes) -> AsyncGenerator[Way, None]:
        """Ways to the host of a group, or else at an address, one after the other; who takes one owns its socket.

        Raises HocketError: what the prime or the host says, NOT_REACHABLE where nobody is known to host there.
        """
        await self._end()
        line = PortLine(self._cluster, self._take, self._lost)
        try:
            await line.open(ANYWHERE)
            asked = MeetHost(group, "" if group else str(at), token)
            meeting = await line.request(asked, MeetingAt, MEET_TIMEOUT_S)
            way = await self._dial(line, meeting)
            if way is not None:
                yield way
            self._line = line
            yield await self._carried(MeetHost(group, asked.address, token, carry=True), at)
        finally:
            if self._channel is None:
                self._line = None
                await line.close()

    async def close(self) -> None:
        """Give up what is open. Safe to call twice."""
        await self._end()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- dialling

    async def _dial(self, line: PortLine, meeting: MeetingAt) -> Way | None:
        """All addresses at which the host may be reached without ado, and the one where it dials us, at once."""
        wait_s = meeting.at_ns / NS_PER_S - self._cluster.wallet.cluster_s()
        tries: list[Coroutine[Any, Any, tuple[How, socket.socket] | None]] = [
            self._punched(line, meeting.address, wait_s),
            self._called_back(line, meeting.address),
            *(self._connected(to) for to in meeting.addresses),
        ]
        tasks = [asyncio.create_task(one) for one in tries]
        way: Way | None = None
        try:
            for first in asyncio.as_completed(tasks):
                found = await first
                if found is not None:
                    how, sock = found
                    name = sock.getpeername()
                    way = Way(how, HostPort(without_mapping(name[0]), name[1]), meeting.key, sock)
                    break
                if tasks[0].done() and all(task.done() for task in tasks[2:]):
                    break  # nobody calls back whom we could not reach in all that time
        finally:
            await _abandon(tasks, way.sock if way is not None else None)
        return way

    async def _punched(self, line: PortLine, to: HostPort, wait_s: float) -> tuple[How, socket.socket] | None:
        sock = await punch(line.local, to, wait_s, lambda: False)
        return None if sock is None else (How.PUNCHED, sock)

    async def _called_back(self, line: PortLine, by: HostPort) -> tuple[How, socket.socket] | None:
        """The host may reach our port where we cannot reach its own."""
        loop = asyncio.get_running_loop()
        try:
            listener = shared_socket(line.local, family_of(by))
        except OSError as error:
            log.info("nobody can call back: %s", error)
            return None
        with listener:
            listener.listen(4)
            while True:
                sock, name = await loop.sock_accept(listener)
                if without_mapping(name[0]) == by.host:
                    linger_no_longer(sock)
                    return How.PUNCHED, sock
                sock.close()

    async def _connected(self, to: HostPort) -> tuple[How, socket.socket] | None:
        try:
            sock = await connect_from(ANYWHERE, to)
        except HocketError as error:
            log.debug("%s", error)
            return None
        linger_no_longer(sock)
        return How.MAPPED if is_public(to.host) else How.DIRECT, sock

    # -- through the prime

    async def _carried(self, asked: MeetHost, at: HostPort) -> Way:
        line = self._line
        assert line is not None
        meeting = await line.request(asked, MeetingAt, MEET_TIMEOUT_S)
        number = self._number = meeting.channel

        def ended() -> None:
            line.notify(CarryEnd(number))
            if self._channel is channel:
                self._channel, self._line = None, None
                self._start(line.close())

        channel = self._channel = Channel(lambda data: line.notify(Carry(number, data)), ended)
        return Way(How.THROUGH_NODE, at, meeting.key, channel.near)

    def _take(self, message: Message) -> None:
        if self._channel is None or not isinstance(message, Carried | CarryEnded) or message.channel != self._number:
            return
        if isinstance(message, Carried):
            self._channel.feed(message.data)
        else:
            log.info("the way through the prime is gone: %s", message.why)
            self._channel.close()

    def _lost(self) -> None:
        if self._channel is not None:
            self._channel.close()

    async def _end(self) -> None:
        channel = self._channel
        if channel is not None:
            channel.close()
            await channel.wait_closed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _abandon(tasks: "list[asyncio.Task[tuple[How, socket.socket] | None]]", keep: socket.socket | None) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, tuple) and outcome[1] is not keep:
            with contextlib.suppress(OSError):
                outcome[1].close()
