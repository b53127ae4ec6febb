"""The client for a terminal without a window: log in, then one command a line while the music plays."""

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rich.console import Console

from hocket.app import company
from hocket.app.lines import Lines
from hocket.app.listening import Listening, UnknownCommand, credentials, obey
from hocket.app.options import UsageError
from hocket.app.quotes import unquoted
from hocket.app.trackview import now_line, print_tracks
from hocket.app.words import said
from hocket.client import events
from hocket.client.queue import Repeat
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.track import Track

if TYPE_CHECKING:
    from hocket.app.user import Shared

LOGIN_TRIES = 3
SHOWN_TRACKS = 100
PROMPT = "hocket> "

HELP = (
    """\
list [WORDS]        the music, or what matches        play NUMBER | TEXT   play it, and what follows in the list
all                 play everything                   mix                  play everything, shuffled
pause, resume (p)   hold, go on                       next (n), back (b)   through the queue
seek 1:30           go to a moment                    +10, -10             forward, backward by seconds
volume 80           percent                           repeat off|all|one   what follows the end
now                 what plays                        queue                what comes
stop                silence                           quit                 (or Ctrl-D)
join ADDRESS        listen along with a friend        leave                no longer
"""
    + company.HELP
)


class Terminal:
    """The conversation of one session."""

    def __init__(self, listening: Listening, lines: Lines) -> None:
        self._listening = listening
        self._lines = lines
        self._console = Console(highlight=False)
        self._listed: list[Track] = []
        self._asked: asyncio.Queue[str | None] = asyncio.Queue()
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "list": self._list,
            "ls": self._list,
            "search": self._list,
            "play": self._play,
            "all": self._all,
            "mix": self._mix,
            "p": self._toggle,
            "next": self._next,
            "n": self._next,
            "back": self._back,
            "previous": self._back,
            "b": self._back,
            "volume": self._volume,
            "vol": self._volume,
            "repeat": self._repeat,
            "now": self._now,
            "status": self._now,
            "queue": self._queue,
            "join": self._join,
            "leave": self._leave,
            "help": self._help,
            "?": self._help,
        }

    async def run(self, listening: Listening) -> None:
        """Until `quit`, the end of input, or the end of the session. Raises HocketError for the last."""
        listening.on_event = self._tell
        loop = asyncio.get_running_loop()
        self._lines.follow(lambda line: loop.call_soon_threadsafe(self._asked.put_nowait, line))
        await self._list("")
        self._say("`help` lists the commands")
        while listening.engine.snapshot().user:
            self._prompt()
            line = await self._asked.get()
            if line is None or line.strip().lower() in ("quit", "exit", "q"):
                return
            try:
                await self._obey(line.strip())
            except HocketError as error:
                self._say(f"{error}")

    async def _obey(self, line: str) -> None:
        if not line:
            return
        if line.isdigit():
            await self._play(line)
            return
        if line[0] in "+-" and line[1:].isdigit():
            await self._skip(int(line))
            return
        word, _, rest = line.partition(" ")
        command = self._commands.get(word.lower())
        if command is not None:
            await command(unquoted(rest.strip()))
            return
        try:
            await obey(self._listening.engine, line)
        except UnknownCommand as error:
            raise UsageError(error.text, hint="`help` lists the commands") from None

    # -- commands

    async def _list(self, words: str) -> None:
        self._listed = await self._listening.engine.all_tracks(words)
        print_tracks(self._listed[:SHOWN_TRACKS])
        if len(self._listed) > SHOWN_TRACKS:
            self._say(f"and {len(self._listed) - SHOWN_TRACKS} more: `list WORDS` finds them")

    async def _play(self, text: str) -> None:
        if not text:
            await self._listening.engine.resume()
        elif text.isdigit():
            if not 1 <= int(text) <= len(self._listed):
                raise UsageError(
                    f"there is no number {text} in the list", hint=f"it goes from 1 to {len(self._listed)}"
                )
            await self._listening.engine.play_all(self._listed, int(text) - 1)
        else:
            await self._listening.engine.play(text)

    async def _all(self, _: str) -> None:
        await self._listening.engine.set_shuffle(False)
        await self._play_everything(0)

    async def _mix(self, _: str) -> None:
        await self._listening.engine.set_shuffle(True)
        await self._play_everything(None)

    async def _play_everything(self, index: int | None) -> None:
        tracks = [track for track in await self._listening.engine.all_tracks() if track.is_playable]
        if not tracks:
            raise HocketError("there is no music to play", code=ErrorCode.TRACK_MISSING)
        await self._listening.engine.play_all(tracks, random.randrange(len(tracks)) if index is None else index)

    async def _toggle(self, _: str) -> None:
        engine = self._listening.engine
        await (engine.resume() if engine.snapshot().state in ("paused", "stopped") else engine.pause())

    async def _next(self, _: str) -> None:
        if not await self._listening.engine.next():
            self._say("that was the last one")

    async def _back(self, _: str) -> None:
        await self._listening.engine.previous()

    async def _skip(self, seconds: int) -> None:
        snapshot = self._listening.engine.snapshot()
        if snapshot.track is not None and snapshot.track.format is not None:
            await self._listening.engine.seek(snapshot.track.format.seconds(snapshot.position_frames) + seconds)

    async def _volume(self, text: str) -> None:
        percent = text.removesuffix("%")
        if not percent.isdigit() or int(percent) > 100:
            raise UsageError(f"'{text}' is no volume", hint="write 0 to 100")
        self._listening.engine.set_volume(int(percent) / 100)

    async def _repeat(self, text: str) -> None:
        if text not in set(Repeat):
            raise UsageError(f"repeat what? '{text}'", hint="off, all or one")
        await self._listening.engine.set_repeat(Repeat(text))

    async def _now(self, _: str) -> None:
        snapshot = self._listening.engine.snapshot()
        self._console.print(now_line(snapshot), no_wrap=True, overflow="ellipsis")
        self._say(
            f"volume {snapshot.volume:.0%}, into {snapshot.output}; "
            f"{snapshot.user} at {snapshot.prime}{'' if snapshot.prime_reachable else ' (out of reach)'}"
        )

    async def _queue(self, _: str) -> None:
        print_tracks([entry.track for entry in self._listening.engine.queue[:SHOWN_TRACKS]])

    async def _join(self, address: str) -> None:
        if not address:
            raise UsageError(
                "whom?", hint="write join HOST:PORT, or an invite; `nearby` shows who plays in this network"
            )
        await self._listening.engine.together.join(address)

    async def _leave(self, _: str) -> None:
        await self._listening.engine.together.leave()

    async def _help(self, _: str) -> None:
        self._say(HELP)

    # -- words

    def _tell(self, event: events.Event) -> None:
        if text := said(event):
            self._say(text)
            self._prompt()

    def _say(self, text: str) -> None:
        lead = "\r" if sys.stdout.isatty() else ""
        print(f"{lead}{text}", flush=True)

    def _prompt(self) -> None:
        if sys.stdout.isatty():
            print(f"\r{PROMPT}", end="", flush=True)


def run_terminal(shared: "Shared") -> None:
    """Log in, with another try after a wrong password, and talk. Raises HocketError."""
    with contextlib.closing(Lines()) as lines:
        for tries_left in reversed(range(LOGIN_TRIES)):
            user, password = _credentials(shared, lines)

            async def live(user: str = user, password: str = password) -> None:
                listening = Listening(shared, lines)
                await listening.run(user, password, Terminal(listening, lines).run)

            try:
                asyncio.run(live())
            except HocketError as error:
                may_retry = error.code is ErrorCode.LOGIN_REFUSED and not shared.password_stdin and tries_left
                if not may_retry:
                    raise
                print(f"{error}")
            else:
                return


def _credentials(shared: "Shared", lines: Lines) -> tuple[str, str]:
    if not shared.password_stdin and shared.address.at.is_loopback and not shared.user:
        print("A new cluster has demo accounts for its own machine: Someone, password123")
    return credentials(shared, lines)
