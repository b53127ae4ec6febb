"""What something was told, in a list whose growth can be waited for."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WAIT_S = 30.0


class Heard(list[T]):
    """A list that is only appended to, on one event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = asyncio.Event()

    def append(self, one: T) -> None:
        super().append(one)
        self._grown.set()

    async def wait(self, holds: Callable[[], object], timeout_s: float = WAIT_S) -> None:
        """Until it holds; looked at whenever something came. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._grown.clear()
                await self._grown.wait()
