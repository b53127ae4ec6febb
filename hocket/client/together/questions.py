"""Asks the host for the time as often as the clock wants to know it."""

import asyncio
from collections.abc import Callable

from hocket.adapters.peers import PeerLink
from hocket.client.together.groupclock import GroupClock

KNOCK_S = 0.2
"""A host that was not heard for a while is asked anew so often, whatever pace it set."""

CARRIED_ASK_S = 0.025
"""Between questions that go through the prime."""


class Questions:
    """`is_quiet`: whether nothing was heard of the host for a while."""

    def __init__(self, clock: GroupClock, is_quiet: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_quiet = is_quiet
        self._asking: asyncio.Task[None] | None = None

    def put_to(self, link: PeerLink) -> None:
        """From now on, the first one at once."""
        if self._asking is not None:
            self._asking.cancel()
        self._asking = asyncio.create_task(self._ask(link), name="group clock")

    async def close(self) -> None:
        """Safe to call twice."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self, link: PeerLink) -> None:
        while True:
            if self._is_quiet():
                self._clock.hurry()
            wait_s = self._clock.ask(link)
            if link.is_closed:
                return
            await asyncio.sleep(max(wait_s, CARRIED_ASK_S) if link.is_carried else min(wait_s, KNOCK_S))
