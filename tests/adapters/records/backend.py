"""Where a store of a test is, and how the test uses it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from hocket.adapters.records import Records

T = TypeVar("T")


class Backend:
    """A store that is opened for each use, and closed after it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def __call__(self, use: Callable[[Records], Awaitable[T]]) -> T:
        """What `use` returns."""

        async def run() -> T:
            async with await Records.open(self.url, self.folder) as records:
                return await use(records)

        return asyncio.run(run())
