"""How a node's `run` comes to its end."""

import asyncio
from typing import Any


async def first_done(ended: "asyncio.Future[str]", *lasting: "asyncio.Task[None]") -> str:
    """Wait until a node is told to end (returns why) or one of its lasting tasks fails (raises its error)."""
    waiting: set[asyncio.Future[str] | asyncio.Task[None]] = {ended, *lasting}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in lasting:
        if task.done():
            task.result()
    return ended.result()


async def cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks and wait until they are over, however they end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
