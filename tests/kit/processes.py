"""Programs under test: each in its own process group, its lines waited for, its group ended for certain."""

import contextlib
import os
import pwd
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from tests.kit import proc

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class ProgramError(AssertionError):
    """A program did not do what the test waited for; the text holds what it printed."""


class _Lines:
    """Reads a pipe in a thread and lets tests wait for what comes."""

    def __init__(self, pipe: IO[bytes], name: str) -> None:
        self.seen: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(pipe,), name=name)
        self._thread.start()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for raw in pipe:
                line = raw.decode(errors="replace").rstrip("\r\n")
                self.seen.append(line)
                self._fresh.put(line)
        self._fresh.put(None)

    def next(self, deadline: float) -> str | None:
        """The next unread line; None at the end of output. Raises queue.Empty at the deadline."""
        if self._ended:
            return None
        line = self._fresh.get(timeout=max(0.0, deadline - time.monotonic()))
        self._ended = line is None
        return line

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)


class Program:
    """A running program, used as a context: on leaving, its whole process group is gone.

    stdin stays open and writable until `close_stdin()` or the end. Lines of stdout are waited for
    in order with `wait_line`; stderr is collected in `stderr_lines` and can be waited for likewise.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        preexec: Callable[[], None] | None = None,
        user: str | None = None,
    ) -> None:
        self._popen = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Nobody in the network of who runs the tests shall see their hosts.
            env={**os.environ, "PYTHONUNBUFFERED": "1", "HOCKET_NO_MDNS": "true", **(env or {})},
            cwd=cwd or ROOT,
            start_new_session=True,
            preexec_fn=preexec,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else (),
        )
        self.argv = tuple(str(word) for word in argv)
        self.pid = self._popen.pid
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._stdin = self._popen.stdin
        self._stdout = _Lines(self._popen.stdout, f"stdout of {self.pid}")
        self._stderr = _Lines(self._popen.stderr, f"stderr of {self.pid}")

    @classmethod
    def python(cls, script: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Self:
        """A root script of this project under the interpreter that runs the tests."""
        return cls([sys.executable, ROOT / script, *arguments], env=env)

    @property
    def stdout_lines(self) -> list[str]:
        """Every line of stdout so far."""
        return list(self._stdout.seen)

    @property
    def stderr_lines(self) -> list[str]:
        """Every line of stderr so far."""
        return list(self._stderr.seen)

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def wait_line(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        """The next line of stdout that the pattern is found in; lines before it are passed over.

        Raises ProgramError, with everything that was printed, if the program ends or the time is up.
        """
        return self._wait(self._stdout, "stdout", _searching(pattern), f"a line like {pattern!r}", timeout_s)

    def wait_error_line(self, pattern: str, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        """Likewise on stderr."""
        return self._wait(self._stderr, "stderr", _searching(pattern), f"a line like {pattern!r}", timeout_s)

    def wait_parsed(self, parse: Callable[[str], T | None], what: str, timeout_s: float = START_TIMEOUT_S) -> T:
        """The next line of stdout of which `parse` makes something, as what it makes of it."""
        return self._wait(self._stdout, "stdout", parse, what, timeout_s)

    def _wait(self, lines: _Lines, name: str, parse: Callable[[str], T | None], what: str, timeout_s: float) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = lines.next(deadline)
            except queue.Empty:
                raise ProgramError(self.told(f"not {what} on {name} in {timeout_s} s")) from None
            if line is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._popen.wait(1.0)  # for its exit code in the message
                raise ProgramError(self.told(f"{name} ended before {what}"))
            if (found := parse(line)) is not None:
                return found

    def write_line(self, text: str) -> None:
        """One line to the program's stdin."""
        self.write_bytes(text.encode() + b"\n")

    def write_bytes(self, data: bytes) -> None:
        """To the program's stdin, as they are."""
        self._stdin.write(data)
        self._stdin.flush()

    def close_stdin(self) -> None:
        self._stdin.close()

    def send_signal(self, number: signal.Signals) -> None:
        """To this process alone."""
        self._popen.send_signal(number)

    def send_signal_to_group(self, number: signal.Signals) -> None:
        """To the whole process group, as Ctrl-C in a terminal does."""
        os.killpg(self.pid, number)

    def wait_exit(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit code (minus the signal's number if one ended it). Raises ProgramError when the time is up."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProgramError(self.told(f"still running after {timeout_s} s")) from None

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, then the exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait_exit(timeout_s)

    def kill_group(self) -> None:
        """End the whole group now, the program's children with it."""
        members = proc.group_members(self.pid)
        if members:
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(STOP_TIMEOUT_S)
        for pid in members:
            proc.wait_dead(pid, STOP_TIMEOUT_S)

    def told(self, what: str) -> str:
        """A message with the program's own words, for a failure."""
        code = self._popen.poll()
        return "\n".join(
            [
                f"{' '.join(self.argv)}: {what}",
                f"exit code: {'still running' if code is None else code}",
                "stdout:",
                *(f"  {line}" for line in self.stdout_lines[-50:]),
                "stderr:",
                *(f"  {line}" for line in self.stderr_lines[-50:]),
            ]
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_group()
        with contextlib.suppress(BrokenPipeError):  # a line that the program no longer read
            self._stdin.close()
        self._stdout.join(STOP_TIMEOUT_S)
        self._stderr.join(STOP_TIMEOUT_S)


def _searching(pattern: str) -> Callable[[str], re.Match[str] | None]:
    compiled = re.compile(pattern)
    return compiled.search


def run_to_end(
    argv: Sequence[str | Path],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    timeout_s: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end with given stdin; the output's last newline is dropped.

    Its group is ended if it takes too long (ProgramError).
    """
    with Program(argv, env=env, cwd=cwd, user=user) as program:
        with contextlib.suppress(BrokenPipeError):  # it ended without reading; its exit code tells why
            program._stdin.write(stdin.encode())
            program.close_stdin()
        code = program.wait_exit(timeout_s)
        program._stdout.join(STOP_TIMEOUT_S)
        program._stderr.join(STOP_TIMEOUT_S)
        return subprocess.CompletedProcess(
            program.argv, code, "\n".join(program.stdout_lines), "\n".join(program.stderr_lines)
        )
