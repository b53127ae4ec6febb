"""The program itself in a real window, with a window manager and a sound device that is recorded."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from hocket.gui.settings import FILE_NAME, Remembered
from tests.gui.music import write_library
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Cluster
from tests.kit.needs import need_programs
from tests.kit.processes import ROOT, Program
from tests.kit.pulse import Pulse, python_env

RATE_HZ, FRAME_BYTES = 44_100, 4
SIZE = "1280x800x24"


class Screen:
    """A display that nobody sees, steered with xdotool."""

    def __init__(self, display: str) -> None:
        self.env = {"DISPLAY": display}

    def do(self, *words: str) -> str:
        """Run xdotool. Raises AssertionError with what it said."""
        done = subprocess.run(
            ["xdotool", *words], env={**os.environ, **self.env}, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"xdotool {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def wait_window(self, title: str) -> str:
        """Wait until a visible window's title matches; its number."""
        for _ in range(40):
            # A window that goes away while it is looked at ends the search with an error.
            with contextlib.suppress(AssertionError):
                return self.do("search", "--sync", "--onlyvisible", "--name", title).split()[0]
        raise AssertionError(f"no window {title}")

    def has_window(self, title: str, timeout_s: float) -> bool:
        """Whether such a window comes within a time."""
        command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", title]
        with subprocess.Popen(command, env={**os.environ, **self.env}, stdout=subprocess.DEVNULL) as search:
            try:
                return search.wait(timeout_s) == 0
            except subprocess.TimeoutExpired:
                search.kill()
                return False


@contextmanager
def screen() -> Iterator[Screen]:
    need_programs("Xvfb", "openbox", "xdotool", why="a window on a display of its own")
    read_fd, write_fd = os.pipe()
    os.set_inheritable(write_fd, True)
    with os.fdopen(read_fd) as told:
        command = ["Xvfb", "-displayfd", str(write_fd), "-screen", "0", SIZE, "-nolisten", "tcp"]
        with subprocess.Popen(command, pass_fds=(write_fd,), stderr=subprocess.DEVNULL) as server:
            os.close(write_fd)
            try:
                found = Screen(f":{told.readline().strip()}")
                with Program(["openbox"], env=found.env):
                    yield found
            finally:
                server.terminate()


def part(samples: bytes, from_s: float, to_s: float) -> bytes:
    return samples[round(from_s * RATE_HZ) * FRAME_BYTES : round(to_s * RATE_HZ) * FRAME_BYTES]


@contextmanager
def window_of(cluster: Cluster, display: Screen, pulse: Pulse, home: Path) -> Iterator[Program]:
    """`user.py`, with the server's hocket:// address and the user filled in."""
    home.mkdir()
    invite = cluster.control("invite").stdout.strip()
    (home / FILE_NAME).write_bytes(msgspec.json.encode(Remembered(server=invite, user=DEMO_USER)))
    env = {**cluster.env, **python_env(pulse), **display.env, "QT_QPA_PLATFORM": "xcb"}
    with Program([sys.executable, ROOT / "user.py", "--home", home], env=env, cwd=cluster.folder) as window:
        yield window


def play_by_name(display: Screen, name: str) -> None:
    """Search for it, go to the list, Enter; again until the title says that it plays."""
    for _ in range(20):
        display.do("key", "ctrl+f")
        display.do("type", "--delay", "5", name)
        display.do("key", "--delay", "30", "Down", "Return")
        if display.has_window(name, timeout_s=1.5):
            return
    raise AssertionError(f"{name} does not play")


@pytest.mark.sound
def test_a_person_logs_in_plays_pauses_and_seeks_and_hears_the_file(tmp_path: Path, pulse: Pulse) -> None:
    heard = write_library(tmp_path / "music", seconds=(14.0,), count=1)["Amber Room"]
    with (
        Cluster(tmp_path) as cluster,
        screen() as display,
        pulse.recording() as recording,
        window_of(cluster, display, pulse, tmp_path / "client") as window,
    ):
        display.wait_window("^Hocket$")
        display.do("type", "--delay", "5", DEMO_PASSWORD)
        display.do("key", "Return")
        wait_for_listener(cluster)
        play_by_name(display, "Amber Room")
        recording.wait_for(part(heard, 0.0, 2.0))
        display.do("key", "space")
        display.do("key", "Right")
        display.do("key", "space")
        recording.wait_for(part(heard, 10.0, 12.0))
        assert part(heard, 5.0, 5.2) not in recording.data  # five seconds were passed over
        display.do("key", "ctrl+q")
        assert window.wait_exit() == 0, window.told("the window")
    kept = msgspec.json.decode((tmp_path / "client" / FILE_NAME).read_bytes(), type=Remembered)
    assert (kept.user, bool(kept.geometry)) == (DEMO_USER, True)


def wait_for_listener(cluster: Cluster) -> None:
    """Until somebody is logged in."""
    for _ in range(40):
        if cluster.status()["listeners"]:
            return
    raise AssertionError("nobody logged in")
