"""Host and followers as real programs on a network with delay: killed, cut off, passed on; nobody hears it."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Listener
from tests.kit.processes import ROOT, Program
from tests.kit.wan import Wan, unavailable
from tests.system.kit import SMALL, make_song

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]

PRIME, HOST, FRIENDS = 1, 2, (3, 4)
PORT = 25566
MAX_OFFSET_MS = 20.0
"""Only the wrong place is a failure here, on whatever machine; how well they keep step is measured elsewhere."""


class Friends:
    """A cluster on one host of a network, and listeners on others."""

    def __init__(self, wan: Wan, folder: Path, stack: ExitStack) -> None:
        self.wan = wan
        self._folder = folder
        self._stack = stack
        self._env = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
        music = folder / "music"
        music.mkdir()
        self.samples = make_song(music / "Long.wav", 120)
        self.start_prime()

    def start_prime(self) -> None:
        """Start it (again), and wait until it serves."""
        argv: list[str | Path] = ["--listen", f"{self.wan.address(PRIME)}:50001", "--data", self._folder / "data"]
        argv += ["--music", self._folder / "music", "--demo"]
        self.prime = self._start(Program, PRIME, "primeNODE.py", *argv)
        self.prime.wait_line("^prime ready", timeout_s=60.0)

    def _start(self, kind: type[Program], on: int, script: str, *arguments: str | Path) -> Program:
        command = self.wan.command(on, [sys.executable, ROOT / script, *arguments])
        return self._stack.enter_context(kind(command, env=self._env, cwd=self._folder))

    def listener(self, on: int, *command: str | Path) -> Listener:
        login = ["--headless", "--prime", f"{self.wan.address(PRIME)}:50001", "--user", DEMO_USER, "--password-stdin"]
        own: list[str | Path] = [
            "--home",
            self._folder / f"home{on}",
            "--host",
            self.at(on),
            "--output",
            f"wav:{self.wav(on)}",
        ]
        program = self._start(Listener, on, "user.py", *login, "--events", *own, *command)
        assert isinstance(program, Listener)
        program.write_line(DEMO_PASSWORD)
        return program

    def at(self, on: int) -> str:
        return f"{self.wan.address(on)}:{PORT}"

    def wav(self, on: int) -> Path:
        return self._folder / f"played{on}.wav"

    def play_and_join(self, *flags: str) -> tuple[Listener, list[Listener]]:
        """One plays, all others follow and are known to one another."""
        host = self.listener(HOST, "play", "Long", *flags)
        host.wait_event("playing")
        friends = [self.listener(on, "join", self.at(HOST)) for on in FRIENDS]
        for friend in friends:
            friend.wait_event("playing")
            for _ in range(3):
                friend.wait_event("offset")
        return host, friends


@pytest.fixture
def friends(tmp_path: Path) -> Iterator[Friends]:
    with Wan(hosts=4, seed=1) as wan, ExitStack() as stack:
        wan.link_all(delay_ms=20, jitter_ms=10)
        yield Friends(wan, tmp_path, stack)


def assert_in_step(listeners: list[Listener]) -> None:
    """Nobody ran dry, nobody was far off."""
    for listener in listeners:
        assert not listener.events_named("stalled"), listener.events
        assert not listener.events_named("error"), listener.events
        assert all(abs(event["ms"]) < MAX_OFFSET_MS for event in listener.events_named("offset"))


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_followers_play_on_when_the_host_is_gone(friends: Friends, how: str) -> None:
    host, followers = friends.play_and_join()
    before = [max(event["frame"] for event in one.events_named("position")) for one in followers]
    if how == "killed":
        host.send_signal(signal.SIGKILL)
    else:
        friends.wan.cut(HOST)
    for one in followers:
        one.wait_event("moved")
    for one, frame in zip(followers, before, strict=True):
        while one.wait_event("position")["frame"] < frame + 7 * SMALL.rate_hz:
            pass
    assert sum(bool(one.events_named("hosting")) for one in followers) == 1
    assert_in_step(followers)


def test_a_pause_is_the_same_sample_for_all(friends: Friends) -> None:
    host, followers = friends.play_and_join()
    host.command("pause")
    frames = {one.wait_event("paused")["frame"] for one in [host, *followers]}
    assert len(frames) == 1
    host.command("seek 60")
    host.command("resume")
    for one in [host, *followers]:
        one.wait_event("resumed")
    for one in followers:
        assert one.wait_event("position")["frame"] >= 60 * SMALL.rate_hz
    assert_in_step(followers)


def test_a_host_with_a_thin_line_is_relayed(friends: Friends) -> None:
    """0.2 Mbit/s carry one such stream, not two: the second friend hears it through the first."""
    _, followers = friends.play_and_join("--upload-mbit", "0.2")
    relaying = [one for one in followers if one.events_named("peer_joined")]
    assert len(relaying) == 1
    for one in followers:
        with contextlib.suppress(AssertionError):
            one.wait_event("offset")
    assert_in_step(followers)
