"""A whole list out of its pages, several of which are asked for at once."""

import asyncio
from collections.abc import Awaitable, Callable

from hocket.core.track import Track
from hocket.wire.limits import MAX_PAGE
from hocket.wire.messages.tracks import TrackPage

PAGES_AT_ONCE = 8
"""Hides the round trips of a far node: 50,000 tracks are a hundred pages."""

AskPage = Callable[[int, int], Awaitable[TrackPage]]
"""A page from an offset on, with a limit; it may hold fewer tracks than that."""


class _Changed(Exception):
    """The library changed between two pages."""


async def whole_list(ask: AskPage) -> list[Track]:
    """Every track, in order; asked for anew if the library changes meanwhile. Raises what `ask` raises."""
    while True:
        try:
            return await _whole_list(ask)
        except _Changed:
            continue


async def _whole_list(ask: AskPage) -> list[Track]:
    first = await ask(0, MAX_PAGE)
    step = len(first.tracks)
    if step == 0 or step >= first.total:
        return list(first.tracks)
    gate = asyncio.Semaphore(PAGES_AT_ONCE)

    async def part(offset: int) -> list[Track]:
        async with gate:
            found: list[Track] = []
            wanted = min(step, first.total - offset)
            while len(found) < wanted:
                page = await ask(offset + len(found), wanted - len(found))
                if page.revision != first.revision or not page.tracks:
                    raise _Changed
                found += page.tracks
            return found

    tasks = [asyncio.create_task(part(offset)) for offset in range(step, first.total, step)]
    try:
        parts = await asyncio.gather(*tasks)
    finally:  # after a failure the rest of the pages is of no use
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [*first.tracks, *(track for tracks in parts for track in tracks)]
