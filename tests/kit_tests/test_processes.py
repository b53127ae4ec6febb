"""Programs are waited for, told apart from the dead, and ended with everything that they started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import ports, proc
from tests.kit.processes import Program, ProgramError, run_to_end

TALKER = """
import sys
print("warming up", flush=True)
print("ready 4711", flush=True)
for line in sys.stdin:
    print("heard", line.strip(), flush=True)
print("end of stdin", file=sys.stderr, flush=True)
sys.exit(3)
"""

PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"])
print("child", child.pid, flush=True)
signal.pause()
"""


def _python(code: str) -> Program:
    return Program([sys.executable, "-c", code])


def test_lines_are_waited_for_in_order_and_stdin_is_heard() -> None:
    with _python(TALKER) as program:
        assert program.wait_line(r"ready (\d+)").group(1) == "4711"
        program.write_line("hello")
        program.wait_line("^heard hello$")
        program.close_stdin()
        program.wait_error_line("end of stdin")
        assert program.wait_exit() == 3
        assert program.stdout_lines == ["warming up", "ready 4711", "heard hello"]


def test_a_line_that_never_comes_shows_what_was_said_instead() -> None:
    expected = r"(?s)ended before a line like 'two'.*exit code: 5.*one.*why"
    code = "import sys; print('one'); print('why', file=sys.stderr); sys.exit(5)"
    with _python(code) as program, pytest.raises(ProgramError, match=expected):
        program.wait_line("two")
    with _python("import signal; signal.pause()") as program, pytest.raises(ProgramError, match=r"in 0\.1 s"):
        program.wait_line("anything", timeout_s=0.1)


def test_leaving_the_context_ends_the_whole_group() -> None:
    with _python(PARENT) as program:
        child = int(program.wait_line(r"child (\d+)").group(1))
        program.wait_line("up")
        assert proc.alive(child)
        assert proc.alive(program.pid)
    assert not proc.alive(child)
    assert not proc.alive(program.pid)


def test_the_group_is_ended_even_when_its_leader_is_gone() -> None:
    with _python(PARENT) as program:
        child = int(program.wait_line(r"child (\d+)").group(1))
        program.wait_line("up")
        program.send_signal(signal.SIGKILL)
        assert program.wait_exit() == -signal.SIGKILL
        assert proc.alive(child)
    assert not proc.alive(child)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        assert proc.wait_dead(child.pid, 10)
        found = proc.state(child.pid)
        assert found is not None
        assert found.state == "Z"
        assert not proc.alive(child.pid)
    finally:
        child.wait()
    assert proc.state(child.pid) is None


def test_this_process_is_seen_as_it_is() -> None:
    own = proc.state(os.getpid())
    assert own is not None
    assert (own.parent, own.group) == (os.getppid(), os.getpgrp())
    assert proc.alive(os.getpid())
    assert not proc.wait_dead(os.getpid(), 0.01)
    assert proc.resident_bytes(os.getpid()) > 1_000_000
    assert proc.private_bytes(os.getpid()) > 1_000_000
    assert proc.cpu_seconds(os.getpid()) > 0


def test_run_to_end_passes_input_and_keeps_output() -> None:
    done = run_to_end([sys.executable, "-c", "import sys; print(sys.stdin.read()); sys.exit(4)"], stdin="in")
    assert (done.returncode, done.stdout, done.stderr) == (4, "in", "")


def test_run_to_end_ends_what_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="still running"):
        run_to_end([sys.executable, "-c", "import signal; signal.pause()"], timeout_s=0.2)


def test_ports() -> None:
    with ports.busy_port() as busy:
        assert ports.answers(busy)
        free = ports.free_ports(20)
        assert len(set(free)) == 20
        assert busy not in free
    assert not ports.answers(busy)
