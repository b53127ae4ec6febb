"""A cluster on one host of a network and people on the others, as real programs."""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest

from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Listener
from tests.kit.processes import ROOT, Program
from tests.kit.wan import Wan, unavailable
from tests.system.kit import make_song

PRIME, HOST, FRIENDS = 1, 2, (3, 4)
PORT = 25566
MAX_OFFSET_MS = 20.0
"""Only the wrong place is a failure here, on whatever machine; how well they keep step is measured elsewhere."""

MARKS = [
    pytest.mark.root,
    pytest.mark.in_time,
    pytest.mark.skipif(unavailable() is not None, reason=str(unavailable())),
]

P = TypeVar("P", bound=Program)


class Home:
    """The prime serves one long song when this is made. Everything ends with the stack."""

    def __init__(self, wan: Wan, folder: Path, stack: ExitStack) -> None:
        self.wan = wan
        self.folder = folder
        self.env_of: dict[int, Mapping[str, str]] = {}
        """What programs that start on a host from now on have in their environment besides."""
        self._stack = stack
        self._prime_at = f"{wan.address(PRIME)}:50001"
        music = folder / "music"
        music.mkdir()
        self.samples = make_song(music / "Long.wav", 120)
        self.start_prime()

    def start_prime(self) -> None:
        """Start it (again), and wait until it serves."""
        argv: list[str | Path] = ["--listen", self._prime_at, "--data", self.folder / "data"]
        argv += ["--music", self.folder / "music", "--demo"]
        self.prime = self.start(Program, PRIME, [sys.executable, ROOT / "primeNODE.py", *argv])
        self.prime.wait_line("^prime ready")

    def start(self, kind: type[P], on: int, argv: list[str | Path], **env: str) -> P:
        """Run a program on a host."""
        own = {name: str(self.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        env = {**own, **self.env_of.get(on, {}), **env}
        program = kind(self.wan.command(on, argv), env=env, cwd=self.folder)
        self._stack.enter_context(program)
        return program

    def user(self, on: int, *words: str | Path, **env: str) -> Listener:
        """Somebody on a host who is logging in; the words are flags and a command."""
        argv: list[str | Path] = [sys.executable, ROOT / "user.py", "--headless", "--events"]
        argv += ["--prime", self._prime_at, "--user", DEMO_USER, "--password-stdin"]
        listener = self.start(Listener, on, [*argv, "--home", self.folder / f"home{on}", *words], **env)
        listener.write_line(DEMO_PASSWORD)
        return listener

    def at(self, on: int) -> str:
        """Where who hosts on this host can be joined."""
        return f"{self.wan.address(on)}:{PORT}"


class Friends(Home):
    """What everybody plays goes into files."""

    def listener(self, on: int, *command: str | Path) -> Listener:
        return self.user(on, "--host", self.at(on), "--output", f"wav:{self.wav(on)}", *command)

    def wav(self, on: int) -> Path:
        return self.folder / f"played{on}.wav"

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
