"""`user.py play` for people: one line that moves on a terminal, a few plain lines elsewhere."""

import asyncio
import contextlib
import sys

from hocket.app.listening import Listening
from hocket.app.trackview import now_line
from hocket.app.words import said
from hocket.client import events

REFRESH_S = 0.25


async def play_for_people(listening: Listening, track: str, from_s: float, for_s: float | None) -> None:
    """Play, and show it. Raises HocketError."""
    if not sys.stdout.isatty():
        listening.on_event = lambda event: _print(said(event))
        await listening.play(track, from_s, for_s)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(event: events.Event) -> None:
            if text := said(event):
                live.console.print(text, highlight=False, markup=False)

        async def keep_showing() -> None:
            while True:
                live.update(now_line(listening.engine.snapshot()), refresh=True)
                await asyncio.sleep(REFRESH_S)

        listening.on_event = show
        showing = asyncio.create_task(keep_showing())
        try:
            await listening.play(track, from_s, for_s)
        finally:
            showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await showing


def _print(text: str) -> None:
    if text:
        print(text, flush=True)
