"""`make run`: a prime and a client on this machine, which come and go together.

The prime runs in a process group of its own, so that Ctrl-C in the terminal reaches the client
alone and the prime is stopped after it, in order. The client stays in the terminal's foreground
group: a terminal client reads the keyboard.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hocket.app.exits import DONE, run_program
from hocket.core import settings
from hocket.core.errors import ErrorCode, HocketError

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / ".run" / "prime.log"
READY = "prime ready "
READY_TIMEOUT_S = 60.0
STOP_MARGIN_S = 5.0
"""What a prime gets beyond its own promise (STOP_S) before its group is killed."""


class _Stopped(Exception):
    """A signal arrived that asks for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def main() -> None:
    """Start the prime, open the client, stop both."""
    run_program(lambda: run([sys.executable, ROOT / "primeNODE.py"], client_command(os.environ), LOG))


def client_command(environment: os._Environ[str] | dict[str, str]) -> list[str | Path]:
    """The window where there is a display to show it on, the terminal client elsewhere."""
    has_display = bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
    return [sys.executable, ROOT / "user.py", *([] if has_display else ["--headless"])]


def run(prime: Sequence[str | Path], client: Sequence[str | Path], log: Path) -> int:
    """Run both until the client ends or a signal comes; returns the client's exit code, 0 after a signal.

    `--prime HOST:PORT` is added to the client's command line. Raises HocketError if the prime does
    not get ready, with its own words.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _signals_raise(), log.open("wb") as log_file, _prime(prime, log_file.fileno()) as process:
            address = _wait_ready(process, log)
            print(f"prime ready at {address} (its log: {log})", flush=True)
            return _run_client([*client, "--prime", address])
    except _Stopped:
        return DONE


@contextmanager
def _signals_raise() -> Iterator[None]:
    """SIGINT and SIGTERM become _Stopped, once; a second one must not disturb the orderly end."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise _Stopped(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _prime(command: Sequence[str | Path], log_fd: int) -> Iterator[subprocess.Popen[bytes]]:
    """A prime in its own process group, whose whole group is gone on leaving."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_fd, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            if not _ends(process, STOP_MARGIN_S):
                os.killpg(process.pid, signal.SIGKILL)


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address on the prime's ready line."""
    assert process.stdout is not None
    deadline = time.monotonic() + READY_TIMEOUT_S
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            piece = os.read(process.stdout.fileno(), 4096)
            said += piece
            for line in said.decode(errors="replace").splitlines(keepends=True):
                if line.startswith(READY) and line.endswith("\n"):
                    return line.removeprefix(READY).strip()
            if not piece:
                raise _start_failed(log)
    raise HocketError(
        f"the prime was not ready after {READY_TIMEOUT_S:.0f} s", code=ErrorCode.TIMED_OUT, hint=f"its log is in {log}"
    )


def _start_failed(log: Path) -> HocketError:
    """What the prime itself said on its way out."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = {word: line.removeprefix(word) for line in lines for word in ("error: ", "hint: ") if line.startswith(word)}
    return HocketError(
        f"the prime did not start: {told.get('error: ', lines[-1] if lines else 'it said nothing')}",
        code=ErrorCode.NOT_REACHABLE,
        hint=told.get("hint: ", f"its log is in {log}"),
    )


def _run_client(command: Sequence[str | Path]) -> int:
    """The client's exit code. On a signal the client ends first."""
    with subprocess.Popen(command) as client:
        try:
            return client.wait()
        except _Stopped as stopped:
            if stopped.number != signal.SIGINT or not _ends(client):  # Ctrl-C has reached it already
                client.terminate()
                if not _ends(client):
                    client.kill()
            raise


def _ends(process: subprocess.Popen[bytes], margin_s: float = 0.0) -> bool:
    """Whether the process ends by itself within STOP_S and the margin."""
    try:
        process.wait(settings.STOP_S + margin_s)
    except subprocess.TimeoutExpired:
        return False
    return True


if __name__ == "__main__":
    main()
