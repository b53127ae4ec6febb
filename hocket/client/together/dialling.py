"""Which of a host's addresses to try first: the one that answers first."""

import asyncio
import contextlib
from collections.abc import Sequence

from hocket.core.address import HostPort

STAGGER_S = 0.25
"""Head start of each address over the next, so that the first one wins where it is as good (as in RFC 8305)."""

ANSWER_TIMEOUT_S = 4.0


async def by_answer(places: Sequence[HostPort]) -> list[HostPort]:
    """The same addresses, the first that took a connection in front; in their old order where none does."""
    if len(places) < 2:
        return list(places)
    asking = [asyncio.create_task(_knock(at, number * STAGGER_S)) for number, at in enumerate(places)]
    first: HostPort | None = None
    try:
        for answer in asyncio.as_completed(asking, timeout=ANSWER_TIMEOUT_S):
            first = await answer
            if first is not None:
                break
    except TimeoutError:
        pass
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return sorted(places, key=lambda at: at != first)


async def _knock(at: HostPort, after_s: float) -> HostPort | None:
    await asyncio.sleep(after_s)
    try:
        _, writer = await asyncio.open_connection(at.host, at.port)
    except OSError:
        return None
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return at
