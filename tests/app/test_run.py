"""`make run`: a prime and a client that come and go together."""

import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from hocket.app.run import ROOT, client_command
from tests.kit import proc
from tests.kit.processes import Program

PRIME = """
import os, signal, sys

signal.signal(signal.SIGTERM, lambda *_: (print("prime stopped", file=sys.stderr), sys.exit(0)))
print("prime ready 127.0.0.1:4242", flush=True)
with open("pids", "w") as file:
    file.write(str(os.getpid()))
while True:
    signal.pause()
"""

REFUSING_PRIME = """
import sys
print("2030-01-01 00:00:00.000 INFO    x: starting", file=sys.stderr)
print("error: port 50001 is busy", file=sys.stderr)
print("hint: choose another with --listen", file=sys.stderr)
sys.exit(3)
"""

STUBBORN_PRIME = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("pids", "w") as file:
    file.write(str(os.getpid()))
print("prime ready 127.0.0.1:4242", flush=True)
while True:
    signal.pause()
"""

DONE_CLIENT = "import sys; print('client got', *sys.argv[1:]); sys.exit(6)"

WAITING_CLIENT = """
import signal, sys
try:
    print("client waits", flush=True)
    signal.pause()
except KeyboardInterrupt:
    print("client interrupted", flush=True)
"""

LAUNCHER = """
import sys
from pathlib import Path
from hocket.app import run
from hocket.app.exits import run_program
from hocket.core import settings

settings.STOP_S = run.STOP_MARGIN_S = 0.2
run_program(lambda: run.run([sys.executable, "prime.py"], [sys.executable, "client.py"], Path("logs/prime.log")))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    return tmp_path


def _start(folder: Path, prime: str, client: str) -> Program:
    (folder / "prime.py").write_text(textwrap.dedent(prime))
    (folder / "client.py").write_text(textwrap.dedent(client))
    return Program([sys.executable, "launcher.py"], cwd=folder, env={"PYTHONPATH": str(ROOT)})


@pytest.fixture
def prime_pid(folder: Path) -> Iterator[Path]:
    """Where the fake primes write their pid; whatever the test did, they are gone in the end."""
    yield folder / "pids"
    pid = int((folder / "pids").read_text())
    assert proc.wait_dead(pid, 10)


def test_the_client_learns_the_address_and_its_end_stops_the_prime(folder: Path, prime_pid: Path) -> None:
    with _start(folder, PRIME, DONE_CLIENT) as program:
        program.wait_line(r"prime ready at 127\.0\.0\.1:4242 ")
        program.wait_line(r"^client got --prime 127\.0\.0\.1:4242$")
        assert program.wait_exit() == 6
    assert "prime stopped" in (folder / "logs" / "prime.log").read_text()


def test_ctrl_c_stops_both_and_exits_cleanly(folder: Path, prime_pid: Path) -> None:
    with _start(folder, PRIME, WAITING_CLIENT) as program:
        program.wait_line("client waits")
        program.send_signal_to_group(signal.SIGINT)
        program.wait_line("client interrupted")
        assert program.wait_exit() == 0
        assert program.stderr_lines == []
    assert "prime stopped" in (folder / "logs" / "prime.log").read_text()


def test_a_term_signal_to_the_launcher_alone_stops_both(folder: Path, prime_pid: Path) -> None:
    with _start(folder, PRIME, WAITING_CLIENT) as program:
        program.wait_line("client waits")
        assert program.stop() == 0


def test_a_prime_that_does_not_stop_is_ended(folder: Path, prime_pid: Path) -> None:
    with _start(folder, STUBBORN_PRIME, DONE_CLIENT) as program:
        assert program.wait_exit() == 6


def test_a_prime_that_does_not_start_is_quoted(folder: Path) -> None:
    with _start(folder, REFUSING_PRIME, DONE_CLIENT) as program:
        assert program.wait_exit() == 4
        program.wait_error_line("^error: the prime did not start: port 50001 is busy$")
        program.wait_error_line("^hint: choose another with --listen$")
        assert program.stdout_lines == []


@pytest.mark.parametrize(
    ("environment", "headless"),
    [({}, True), ({"DISPLAY": ""}, True), ({"DISPLAY": ":0"}, False), ({"WAYLAND_DISPLAY": "wayland-0"}, False)],
)
def test_the_window_opens_where_there_is_a_display(environment: dict[str, str], headless: bool) -> None:
    assert ("--headless" in client_command(environment)) is headless
