"""The program itself in a real window, with a window manager and a sound device that is recorded."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy
import pytest

from hocket.gui.settings import FILE_NAME, Remembered
from tests.client.together_kit import common
from tests.gui.music import write_library
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Cluster, Listener
from tests.kit.needs import need_programs
from tests.kit.ports import free_port
from tests.kit.processes import ROOT, Program, ProgramError
from tests.kit.pulse import Pulse, python_env

RATE_HZ, FRAME_BYTES = 44_100, 4
SIZE = "1280x800x24"
IN_STEP_MS = 5.0
LOG_IN_S = 10.0
PIECE_BYTES = FRAME_BYTES * RATE_HZ // 2
ALIKE = 0.99


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


def assert_skips(data: bytes, song: bytes, skipped_s: float) -> None:
    """It was heard from its beginning to somewhere, and from so much later on."""
    length = common(data, data.rfind(part(song, 0.0, 2.0)), song, 0)
    left_s = length / FRAME_BYTES / RATE_HZ
    assert part(song, left_s + 0.5, left_s + 0.7) not in data
    assert part(song, left_s + skipped_s - 0.7, left_s + skipped_s - 0.5) not in data
    assert part(song, left_s + skipped_s + 0.5, left_s + skipped_s + 2.5) in data


@contextmanager
def window_of(cluster: Cluster, display: Screen, pulse: Pulse, home: Path, *flags: str) -> Iterator[Program]:
    """`user.py`, with the server's hocket:// address and the user filled in."""
    home.mkdir()
    invite = cluster.control("invite").stdout.strip()
    (home / FILE_NAME).write_bytes(msgspec.json.encode(Remembered(server=invite, user=DEMO_USER)))
    env = {**cluster.env, **python_env(pulse), **display.env, "QT_QPA_PLATFORM": "xcb"}
    command: list[str | Path] = [sys.executable, ROOT / "user.py", "--home", home, "--no-mdns", *flags]
    with Program(command, env=env, cwd=cluster.folder) as window:
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
    heard = write_library(tmp_path / "music", seconds=(30.0,), count=1)["Amber Room"]
    with (
        Cluster(tmp_path) as cluster,
        screen() as display,
        pulse.recording() as recording,
        window_of(cluster, display, pulse, tmp_path / "client") as window,
    ):
        log_in(display, cluster)
        play_by_name(display, "Amber Room")
        recording.wait_for(part(heard, 0.0, 2.0))
        display.do("key", "space")
        display.do("key", "Right")
        display.do("key", "space")
        recording.wait_for(part(heard, 24.0, 25.0), timeout_s=60.0)
        assert_skips(recording.data, heard, 5.0)
        display.do("key", "ctrl+q")
        assert window.wait_exit() == 0, window.told("the window")
    kept = msgspec.json.decode((tmp_path / "client" / FILE_NAME).read_bytes(), type=Remembered)
    assert (kept.user, bool(kept.geometry)) == (DEMO_USER, True)


@pytest.mark.sound
def test_a_friend_joins_the_window_in_step_and_the_window_joins_a_friend(tmp_path: Path, pulse: Pulse) -> None:
    songs = write_library(tmp_path / "music", seconds=(60.0,), count=2)
    address, friends_file = f"127.0.0.1:{free_port()}", tmp_path / "friend.wav"
    with (
        Cluster(tmp_path) as cluster,
        screen() as display,
        pulse.recording() as recording,
        window_of(cluster, display, pulse, tmp_path / "client", "--host", address) as window,
    ):
        log_in(display, cluster)
        play_by_name(display, "Amber Room")
        with cluster.listener("--output", f"wav:{friends_file}", "join", address, user="AnotherUser") as friend:
            friend.wait_event("joined")
            wait_in_step(friend)
            recording.wait_for(part(songs["Amber Room"], 8.0, 10.0))  # the window's own music was not touched
            friend.wait_event("offset")
        assert likeness(friends_file.read_bytes()[-PIECE_BYTES:], songs["Amber Room"]) > ALIKE
        flags = ("--output", "null", "--host", "127.0.0.1:0", "play", "Slow Trains")
        with cluster.listener(*flags, user="AnotherUser") as host:
            at = host.wait_event("hosting")["address"]
            display.do("key", "ctrl+3")
            display.do("type", "--delay", "5", at)
            display.do("key", "Return")
            host.wait_event("peer_joined")
            for _ in range(40):
                host.wait_event("position")
                if likeness(recording.data[-PIECE_BYTES:], songs["Slow Trains"]) > ALIKE:
                    break
            else:
                raise AssertionError(host.told("the window plays something else"))
        display.do("key", "ctrl+q")
        assert window.wait_exit() == 0, window.told("the window")


def likeness(piece: bytes, song: bytes) -> float:
    """1 for a piece of the song that was read a hair faster or slower, as followers do; next to 0 for anything else."""
    a, b = (numpy.frombuffer(data, dtype="<i2")[::2].astype(float) for data in (piece, song))
    if not a.any():
        return 0.0
    size = len(a) + len(b)
    products = numpy.fft.irfft(numpy.fft.rfft(b, size) * numpy.fft.rfft(a, size).conj(), size)[: len(b) - len(a) + 1]
    energies = numpy.concatenate(([0.0], numpy.cumsum(b * b)))
    here = energies[len(a) :] - energies[: -len(a)]
    return float((products / numpy.sqrt(here * (a @ a) + 1)).max())


def wait_in_step(friend: Listener) -> None:
    """Until the friend is as near to the window as ears can tell."""
    for _ in range(60):
        if abs(friend.wait_event("offset")["ms"]) < IN_STEP_MS:
            return
    raise AssertionError(friend.told("never in step"))


def log_in(display: Screen, cluster: Cluster) -> None:
    """Type the password once the window has the keyboard; again where keys were lost on the way."""
    number = display.wait_window("^Hocket$")
    for _ in range(5):
        display.do("windowactivate", "--sync", number)
        display.do("key", "ctrl+a")
        display.do("type", "--delay", "5", DEMO_PASSWORD)
        display.do("key", "Return")
        with contextlib.suppress(ProgramError):
            cluster.until(lambda status: status["listeners"], LOG_IN_S)
            return
    raise AssertionError("nobody logged in")
