"""Child processes: started, watched, stopped. One `ChildProcess` is the I/O shell of one `control.children.Child`.

A child runs in a session and process group of its own, so that a Ctrl-C in the control node's
terminal reaches the control node alone. Its settings are the first line on its stdin, never its
command line, where anybody could read them. stdin then stays open: its end tells the child that the
control node is gone (`childside.ParentWatch`).
"""

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec

from hocket.adapters.lines import LineSplitter
from hocket.control.children import Child, Command
from hocket.core.errors import ErrorCode, HocketError

_LOG = logging.getLogger("hocket.child")
_STDIN, _STDOUT, _STDERR = 0, 1, 2

PIPES_S = 1.0
"""After a child's end its pipes are read for so long; whoever holds them open then is killed with its group."""


class ChildFailed(HocketError):
    """A child ended, or was ended, before it was ready; the hint holds its last words."""

    code = ErrorCode.SPAWN_FAILED


class Usage(msgspec.Struct, frozen=True):
    """What a process uses of its machine."""

    rss_bytes: int
    cpu_s: float  # user and system time since it started


class ChildProcess:
    """One running child. Made by `start`; its owner calls `stop` or awaits `wait`, always."""

    def __init__(self, child: Child, ready_pattern: re.Pattern[str]) -> None:
        self.child = child
        self._pattern = ready_pattern
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[re.Match[str]] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.SubprocessTransport | None = None

    @classmethod
    async def start(
        cls,
        child: Child,
        argv: Sequence[str | Path],
        *,
        first_line: bytes,
        ready_pattern: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Start the program and hand it `first_line` (without its line end) on stdin.

        `ready_pattern` is searched for in each line of stdout until it is found. Raises ChildFailed if the
        program cannot be started at all. Returns at once otherwise: await `wait_ready`.
        """
        self = cls(child, re.compile(ready_pattern))
        try:
            if b"\n" in first_line:
                raise ValueError("the first line has a line end within")
            transport, _ = await self._loop.subprocess_exec(
                lambda: _Pipes(self),
                *(str(word) for word in argv),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            self._ended(f"could not be started: {error}", clean=False)
            raise ChildFailed(f"{child.node_id} {child.why}", hint=f"is {argv[0]} there?") from error
        except BaseException:
            self._ended("was given up while it started", clean=False)
            raise
        stdin = transport.get_pipe_transport(_STDIN)
        if isinstance(stdin, asyncio.WriteTransport):
            stdin.write(first_line + b"\n")
        self._set_timer()
        return self

    async def wait_ready(self) -> re.Match[str]:
        """The ready line, as the pattern matched it. Raises ChildFailed if it ended first."""
        return await asyncio.shield(self._ready)

    async def wait(self) -> str:
        """Until the child is over and its pipes are read; returns how it ended, in words."""
        await asyncio.shield(self._over)
        return self.child.why

    def call_when_over(self, callback: Callable[[Self], None]) -> None:
        """Have a function called on the event loop when the child is over and its pipes are read."""
        self._over.add_done_callback(lambda _: callback(self))

    async def stop(self) -> str:
        """SIGTERM, after the child's grace SIGKILL for its whole group; returns how it ended. May be called again."""
        self._do(self.child.stop(self._loop.time()))
        return await self.wait()

    def _do(self, command: Command) -> None:
        if command is Command.TERMINATE:
            self._signal(signal.SIGTERM)
        elif command is Command.KILL:
            _LOG.warning("%s %s: killed", self.child.node_id, self.child.why)
            self._kill_group()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.child.deadline_s is not None:
            self._timer = self._loop.call_at(self.child.deadline_s, self._late)

    def _late(self) -> None:
        self._timer = None
        self._do(self.child.late(self._loop.time()))

    def _signal(self, number: signal.Signals) -> None:
        if self._transport is not None and self._transport.get_returncode() is None:
            self._transport.send_signal(number)

    def _kill_group(self) -> None:
        """The child leads its group; what it started itself goes with it."""
        if self.child.pid == 0:
            return  # never started: group 0 would be our own
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            _LOG.debug("%s: its group is gone already", self.child.node_id)

    def _line(self, source: int, text: str) -> None:
        if source == _STDOUT and not self._ready.done():
            found = self._pattern.search(text)
            if found:
                command = self.child.ready(self._loop.time())
                self._do(command)
                if command is Command.ANNOUNCE:
                    self._ready.set_result(found)
                return
        self.child.line(text)
        _LOG.info("%s: %s", self.child.node_id, text)

    def _ended(self, words: str, *, clean: bool) -> None:
        child = self.child
        if child.is_over:
            return  # given up before, and now gone
        child.ended(words, self._loop.time(), clean=clean)
        self._set_timer()
        _LOG.log(logging.WARNING if child.crashed else logging.INFO, "%s %s", child.node_id, child.why)
        if not self._ready.done():
            lines = child.last_lines
            hint = f"its last words: {' | '.join(lines[-5:])}" if lines else "it said nothing"
            self._ready.set_exception(ChildFailed(f"{child.node_id} {child.why}", hint=hint))
            self._ready.exception()  # whoever does not wait for readiness learns of the end from `wait`
        self._over.set_result(None)


class _Pipes(asyncio.SubprocessProtocol):
    """Feeds a ChildProcess with what comes through the child's pipes, up to the last byte."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process
        self._splitters = {_STDOUT: LineSplitter(), _STDERR: LineSplitter()}
        self._transport: asyncio.SubprocessTransport | None = None
        self._drain: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = self._process._transport = transport
        self._process.child.pid = transport.get_pid()
        _LOG.debug("%s runs as process %d", self._process.child.node_id, self._process.child.pid)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        for line in self._splitters[fd].feed(data):
            self._process._line(fd, line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd in self._splitters:
            for line in self._splitters[fd].flush():
                self._process._line(fd, line)

    def process_exited(self) -> None:
        stdin = self._transport.get_pipe_transport(_STDIN) if self._transport else None
        if stdin is not None:
            stdin.close()
        self._drain = asyncio.get_running_loop().call_later(PIPES_S, self._stop_reading)

    def _stop_reading(self) -> None:
        """Something that the child started outlives it with its pipes in hand."""
        self._process._kill_group()  # its number is not given away while the group has members
        for fd in self._splitters:
            pipe = self._transport.get_pipe_transport(fd) if self._transport else None
            if pipe is not None:
                pipe.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._drain is not None:
            self._drain.cancel()
        code = None
        if self._transport is not None:
            code = self._transport.get_returncode()
            self._transport.close()
        self._process._ended(exit_words(code), clean=code == 0)


def exit_words(code: int | None) -> str:
    """How a process ended, for people: its exit code, or the name of the signal that ended it."""
    if code is None:
        return "ended for an unknown reason"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"


def usage(pid: int) -> Usage | None:
    """What a process of this machine uses now; None where it is gone or the system does not tell (no /proc)."""
    folder = Path("/proc") / str(pid)
    try:
        pages = int((folder / "statm").read_text(encoding="ascii").split()[1])
        stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name may hold spaces and brackets, so fields are counted from the last bracket: proc(5), stat.
    fields = stat[stat.rindex(")") + 2 :].split()
    ticks = int(fields[11]) + int(fields[12])
    return Usage(pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))


def memory_bytes(pid: int) -> int:
    """Resident memory of a process of this machine; 0 where it cannot be seen."""
    found = usage(pid)
    return found.rss_bytes if found else 0
