"""Measures how far friends are, as the host wishes; seldom and few, whoever asks."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from hocket.adapters.peers import PeerLink
from hocket.adapters.peers.distance import distance_us
from hocket.client.together.parents import address_of
from hocket.core.address import HostPort
from hocket.relay.survey import MOST
from hocket.wire.messages.together import AskDistances, Distances

TRIES = 3
"""A handshake may wait behind music; the shortest of three hardly."""

PAUSE_S = 0.3
REST_S = 5.0
"""A host that asks more often is not answered."""


class Surveyor:
    """One follower's measurements."""

    def __init__(self, measure: Callable[[HostPort], Awaitable[int | None]] = distance_us) -> None:
        """`measure`: one round trip in us, None where nobody answers."""
        self.measure = measure
        self._next_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def ask(self, link: PeerLink, asked: AskDistances) -> None:
        """The host wants to know how far some friends are."""
        now_s = time.monotonic()
        if now_s >= self._next_s and (self._task is None or self._task.done()):
            self._next_s = now_s + REST_S
            targets = [at for text in asked.addresses[:MOST] if (at := address_of(text)) is not None]
            self._task = asyncio.create_task(self._measure(link, targets), name="survey")

    async def close(self) -> None:
        """Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _measure(self, link: PeerLink, targets: list[HostPort]) -> None:
        nearest: dict[str, int] = {}
        for _ in range(TRIES):
            for at in targets:
                found_us = await self.measure(at)
                if found_us is not None:
                    nearest[str(at)] = min(found_us, nearest.get(str(at), found_us))
            await asyncio.sleep(PAUSE_S)
        link.send(Distances(tuple(nearest), tuple(nearest.values())))
