"""What all headless commands share: a session from log-in to the end, events or words on stdout, signals."""

import asyncio
import contextlib
import getpass
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from hocket.app import company
from hocket.app.lines import Lines
from hocket.app.logs import hide
from hocket.app.options import UsageError
from hocket.app.quotes import unquoted
from hocket.app.words import said
from hocket.client import events
from hocket.client.engine import Engine
from hocket.core.errors import ErrorCode, HocketError

if TYPE_CHECKING:
    from hocket.app.user import Shared

STARTED_S = time.monotonic()
"""As near to the program's start as it can tell: what `t` of the events counts from."""

COMMANDS = f"pause, resume, seek SECONDS, play TRACK, stop, {company.COMMANDS}"


class Listening:
    """One listener in a terminal or under a script. `run` lives through its whole time."""

    def __init__(self, shared: "Shared", lines: Lines) -> None:
        self.shared = shared
        self.engine: Engine
        self._lines = lines
        self._work: asyncio.Task[None] | None = None
        self._asked: asyncio.Queue[str] = asyncio.Queue()
        self._last_error: events.Error | None = None
        self.on_event: Callable[[events.Event], None] = self._print_event if shared.events else _note_first_contact

    async def run(self, user: str, password: str, work: Callable[["Listening"], Awaitable[None]]) -> None:
        """Log in, do the work, end cleanly; a signal ends it at once and counts as done. Raises HocketError."""
        self.engine = Engine(self.shared.engine_options, self._take_event)
        self._work = asyncio.create_task(self._do(user, password, work))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.end)
        try:
            await self._work
        except asyncio.CancelledError:
            return
        except HocketError as error:
            self._tell_error(error)
            raise
        finally:
            await self.engine.close()

    def end(self) -> None:
        """Stop now."""
        if self._work is not None:
            self._work.cancel()

    async def play(self, track: str, from_s: float, for_s: float | None) -> None:
        """Play one track to its end, taking commands meanwhile. Raises HocketError."""
        await self.engine.play(track, start_s=from_s, for_s=for_s)
        await self._finish_obeying()

    async def join(self, address: str, for_s: float | None) -> None:
        """Follow a friend, taking commands meanwhile. Raises HocketError."""
        await self.engine.together.join(address)
        try:
            async with asyncio.timeout(for_s):
                await self._finish_obeying()
        except TimeoutError:
            await self.engine.together.leave()

    async def _finish_obeying(self) -> None:
        if not self.shared.events:
            await self._finish()
            return
        loop = asyncio.get_running_loop()
        self._lines.follow(lambda line: loop.call_soon_threadsafe(self._take_line, line))
        obeying = asyncio.create_task(self._obey())
        try:
            await self._finish()
        finally:
            obeying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await obeying

    async def _do(self, user: str, password: str, work: Callable[["Listening"], Awaitable[None]]) -> None:
        await self.engine.log_in(self.shared.address, user, password)
        await work(self)

    async def _finish(self) -> None:
        failure = await self.engine.wait_idle()
        if failure is not None:
            raise failure

    # -- events

    def _take_event(self, event: events.Event) -> None:
        if isinstance(event, events.Error):
            self._last_error = event
        try:
            self.on_event(event)
        except BrokenPipeError:  # whoever read the events is gone
            self.end()
            # Nothing more can be written, the interpreter's last flush included.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _print_event(self, event: events.Event) -> None:
        print(events.json_line(event, time.monotonic() - STARTED_S), flush=True)

    def _tell_error(self, error: HocketError) -> None:
        event = events.Error.of(error)
        if event != self._last_error:
            self._take_event(event)

    # -- commands

    def _take_line(self, line: str | None) -> None:
        if line is not None and line.strip():
            self._asked.put_nowait(line.strip())

    async def _obey(self) -> None:
        while True:
            line = await self._asked.get()
            try:
                await obey(self.engine, line)
            except HocketError as error:
                self._tell_error(error)


class UnknownCommand(UsageError):
    """None of those that there are."""


def _note_first_contact(event: events.Event) -> None:
    """Whom to trust is worth a word even where stdout is for a list."""
    if isinstance(event, events.Pinned):
        print(f"note: {said(event)}", file=sys.stderr)


async def obey(engine: Engine, line: str) -> None:
    """One command as scripts and people write it. Raises HocketError, UsageError for what is none."""
    word, _, rest = line.partition(" ")
    rest = unquoted(rest.strip())
    match word.lower():
        case "pause":
            await engine.pause()
        case "resume":
            await engine.resume()
        case "stop":
            await engine.stop()
        case "seek":
            await engine.seek(_seconds(rest))
        case "play" if rest:
            await engine.play(rest)
        case _ if not await company.obey_company(engine, word.lower(), rest):
            raise UnknownCommand(f"'{line}' is no command", hint=f"there are {COMMANDS}")


def _seconds(text: str) -> float:
    """Seconds, or MINUTES:SECONDS."""
    minutes, colon, seconds = text.rpartition(":")
    try:
        return (60 * float(minutes) if colon else 0.0) + float(seconds)
    except ValueError:
        raise UsageError(f"'{text}' is no time", hint="write seconds, or MINUTES:SECONDS") from None


def credentials(shared: "Shared", lines: Lines) -> tuple[str, str]:
    """Name and password: from the command line and stdin, or asked for. Raises UsageError."""
    if shared.password_stdin:
        password = lines.next()
        if password is None:
            raise UsageError("there is no password on standard input", hint="its first line must be the password")
    elif not sys.stdin.isatty():
        raise UsageError("nobody is here to ask for the password", hint="use --password-stdin")
    else:
        password = None
    user = shared.user or _ask_user(shared)
    if password is None:
        password = getpass.getpass(f"Password of {user}: ")
    hide(password)
    return user, password


def _ask_user(shared: "Shared") -> str:
    if shared.password_stdin or not sys.stdin.isatty():
        raise UsageError("who logs in?", hint="name the account with --user")
    user = input("User: ").strip()
    if not user:
        raise HocketError("nobody logs in", code=ErrorCode.USAGE)
    return user


def run_listening(shared: "Shared", work: Callable[[Listening], Awaitable[None]]) -> None:
    """Log in as the command line says and do the work. Raises HocketError."""
    with contextlib.closing(Lines()) as lines:
        user, password = credentials(shared, lines)

        async def live() -> None:
            await Listening(shared, lines).run(user, password, work)

        asyncio.run(live())
