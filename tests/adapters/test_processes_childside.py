"""What a child does when its control node ends, with real processes on both sides."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from hocket.adapters.childside import read_first_line
from hocket.core.errors import ErrorCode, HocketError
from tests.adapters import childprograms as programs
from tests.kit import proc
from tests.kit.processes import Program

PATIENCE_S = 60.0


class Told:
    """A FIFO that a child tells its story into; it outlives all of the child's pipes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._text = ""
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def lines(self) -> list[str]:
        """All that was told by now."""
        while self._poll.poll(0):
            self._text += os.read(self._fd, 4096).decode()
        return self._text.splitlines()

    def wait(self, line: str) -> None:
        while line not in self.lines():
            assert self._poll.poll(PATIENCE_S * 1000), f"{line!r} never came: {self.lines()}"

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def control(
    tmp_path: Path, mode: str, grace: str, source: str = programs.WATCHER, **env: str
) -> Iterator[tuple[Program, int, Told]]:
    """A control node and its child, which is gone in the end, whatever happened to the control node."""
    told = Told(tmp_path / "told")
    env = {"CHILD_PROGRAM": source, "MODE": mode, "GRACE": grace, "TOLD": str(told.path), **env}
    with closing(told), Program(programs.python(programs.CONTROL), env=env) as parent:
        pid = int(parent.wait_line(r"^child (\d+)").group(1))
        try:
            yield parent, pid, told
        finally:
            if proc.alive(pid):
                os.kill(pid, signal.SIGKILL)
                proc.wait_dead(pid, PATIENCE_S)


def test_kill_9_of_the_control_node_orphans_its_child_which_ends_after_its_grace(tmp_path: Path) -> None:
    with control(tmp_path, "plain", "0.2 60") as (parent, pid, told):
        parent.send_signal(signal.SIGKILL)
        assert proc.wait_dead(pid, PATIENCE_S)
        assert told.lines() == ["armed with settings", "orphaned", "abandoned", "closed"]


@pytest.mark.parametrize("mode", ["adopted", "adopted early"])
def test_an_orphan_that_is_adopted_lives_on(tmp_path: Path, mode: str) -> None:
    """Early: the signal comes before stdin ends, whose thread must not start what then nobody stops."""
    with control(tmp_path, mode, "0.5 0.5") as (parent, pid, told):
        parent.send_signal(signal.SIGKILL)
        told.wait("orphaned")
        assert not proc.wait_dead(pid, 2.0)
        os.kill(pid, signal.SIGTERM)
        assert proc.wait_dead(pid, PATIENCE_S)
        assert told.lines() == ["armed with settings", "orphaned", "closed"]


def test_an_adopted_orphan_that_is_left_again_ends(tmp_path: Path) -> None:
    with control(tmp_path, "adopted twice", "0.2 60") as (parent, pid, told):
        parent.send_signal(signal.SIGKILL)
        assert proc.wait_dead(pid, PATIENCE_S)
        assert told.lines()[-2:] == ["abandoned", "closed"]


def test_a_child_whose_loop_hangs_is_ended_by_the_kernel(tmp_path: Path) -> None:
    with control(tmp_path, "wedged", "0.2 0.2") as (parent, pid, told):
        told.wait("wedged")
        parent.send_signal(signal.SIGKILL)
        assert proc.wait_dead(pid, PATIENCE_S)
        assert "orphaned" not in told.lines()


def test_a_child_that_will_not_end_when_told_is_ended_by_the_kernel(tmp_path: Path) -> None:
    with control(tmp_path, "stubborn", "0.1 2") as (parent, pid, told):
        parent.send_signal(signal.SIGKILL)
        assert proc.wait_dead(pid, PATIENCE_S)
        assert told.lines() == ["armed with settings", "orphaned", "abandoned"]


def test_a_child_whose_control_node_lives_is_left_alone_by_its_last_resort(tmp_path: Path) -> None:
    with control(tmp_path, "plain", "0.1 0.1") as (parent, pid, told):
        os.kill(pid, signal.SIGHUP)  # from somebody else: no sign of the parent's end
        assert not proc.wait_dead(pid, 0.6)
        os.kill(pid, signal.SIGTERM)
        parent.wait_line(r"child ended: ended with exit code 0")
        assert told.lines() == ["armed with settings", "closed"]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_the_death_signal_alone_will_do(tmp_path: Path) -> None:
    fifo = tmp_path / "held"
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDWR)  # a writer outside of the control node: this stdin never ends
    source = f"import os; os.environ['HELD_FD'] = str(os.open({str(fifo)!r}, os.O_RDONLY))\n" + programs.HELD_STDIN
    try:
        with control(tmp_path, "", "60 60", source) as (parent, pid, told):
            parent.send_signal(signal.SIGKILL)
            told.wait("orphaned")
            assert proc.wait_dead(pid, PATIENCE_S)
    finally:
        os.close(held)


def test_the_first_line_is_read_and_what_follows_is_not_part_of_it() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"set")
        os.write(writer, b"tings\nmore")
        assert read_first_line(reader) == b"settings"
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("sent", "closed", "says"),
    [
        (b"half", True, "ended before it handed over"),
        (b"half", False, "no settings came on stdin within 0.1 s"),
        (b"x" * 101, False, "exceed 100 bytes"),
    ],
)
def test_settings_that_do_not_come(sent: bytes, closed: bool, says: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, sent)
    if closed:
        os.close(writer)
    try:
        with pytest.raises(HocketError, match=says) as error:
            read_first_line(reader, max_bytes=100, timeout_s=0.1)
        assert error.value.code is ErrorCode.USAGE
    finally:
        os.close(reader)
        if not closed:
            os.close(writer)


def test_a_node_started_by_hand_as_a_child_says_so() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        with pytest.raises(HocketError, match="--child is for control nodes"):
            read_first_line(null)
    finally:
        os.close(null)
