"""How many connections without a certificate one address has open at a server."""

import asyncio
from collections import Counter

from hocket.auth.attempts import address_key
from hocket.core.errors import ErrorCode, HocketError

MAX_OF_ONE_HOST = 2048
"""Listeners behind one router at one node; each costs a descriptor and some 60 KB, and strangers prove nothing."""


class Crowd:
    """Counts strangers by address."""

    def __init__(self, max_of_one_host: int) -> None:
        self._max = max_of_one_host
        self._open: Counter[str] = Counter()

    def enter(self, host: str, closed: "asyncio.Future[None]") -> None:
        """One more, until it is closed. Raises HocketError (TOO_MANY_REQUESTS), and counts it all the same."""
        key = address_key(host)
        self._open[key] += 1
        closed.add_done_callback(lambda _: self._leave(key))
        if self._open[key] > self._max:
            raise HocketError(
                f"{self._max} connections from your address are open here",
                code=ErrorCode.TOO_MANY_REQUESTS,
                hint="close some, or try again later",
                retry_s=1.0,
            )

    def _leave(self, key: str) -> None:
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]
