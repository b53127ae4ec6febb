"""Friends for the benchmarks of listening together: real programs on hosts of their own, each with a converter.

Every host's clock is the true one; the one who plays has a true converter, so that what it played is what
all others are held against.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Listener
from tests.kit.noise import noise, write_wav
from tests.kit.offset import Recording, lag
from tests.kit.processes import ROOT, Program
from tests.kit.simdac import SimDac
from tests.kit.wan import Wan

PRIME, HOST, FRIENDS = 1, 2, (3, 4)
PORT, PRIME_PORT = 25566, 50001
RATE_HZ = 48_000
LINES = {"loopback": (0.0, 0.0), "wan": (20.0, 10.0)}
"""Delay and jitter in milliseconds, each way, in order. Loopback has a cable, too, that can be pulled."""

DACS_PPM = (100.0, -100.0)
WINDOW_S = 0.1
_MEMORY = Path("/dev/shm")
_NS = 1_000_000_000
_MAX_LAG_S = 0.06
_MIN_QUALITY = 0.3

P = TypeVar("P", bound=Program)


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster that has one long song of noise."""

    wan: Wan
    folder: Path
    realtime: bool
    stack: ExitStack

    def listener(self, on: int, dac: SimDac, stack: ExitStack, *command: str) -> Listener:
        """`user.py --headless COMMAND` on a host, until the stack ends."""
        return self._user(Listener, on, dac, stack, "--events", *command)

    def prompt(self, on: int, dac: SimDac, stack: ExitStack) -> Program:
        """`user.py --headless` on a host, which takes commands line by line; until the stack ends."""
        program = self._user(Program, on, dac, stack)
        program.wait_line("`help` lists the commands")
        return program

    def _user(self, kind: type[P], on: int, dac: SimDac, stack: ExitStack, *flags: str) -> P:
        login = ["--prime", f"{self.wan.address(PRIME)}:{PRIME_PORT}", "--user", DEMO_USER, "--password-stdin"]
        own = ["--home", str(self.folder / f"home{on}"), "--host", self.address(on), "--device", SimDac.device]
        argv: list[str | Path] = [sys.executable, ROOT / "user.py", "--headless", *login, *own, *flags]
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder)}
        program = kind(self._on(on, argv), env=home | dac.env, cwd=self.folder)
        stack.enter_context(program)
        program.write_line(DEMO_PASSWORD)
        return program

    def address(self, on: int) -> str:
        """Where friends join."""
        return f"{self.wan.address(on)}:{PORT}"

    def _on(self, host: int, argv: Sequence[str | Path]) -> list[str]:
        first = ["chrt", "-r", "10"] if self.realtime and shutil.which("chrt") else []
        return self.wan.command(host, [*first, *argv])

    def start_prime(self) -> None:
        """With the song."""
        argv: list[str | Path] = [sys.executable, ROOT / "primeNODE.py", "--demo"]
        argv += ["--listen", f"{self.wan.address(PRIME)}:{PRIME_PORT}"]
        argv += ["--data", self.folder / "data", "--music", self.folder / "music"]
        prime = self.stack.enter_context(Program(self._on(PRIME, argv), env={"HOME": str(self.folder)}))
        prime.wait_line("^prime ready")


@contextmanager
def stage(line: str, *, song_s: float, realtime: bool) -> Iterator[Stage]:
    """The network with its cluster; all of it is gone afterwards."""
    with ExitStack() as stack:
        # A busy disk must not hold up a player that writes what it plays.
        place = _MEMORY if _MEMORY.is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="together-", dir=place)))
        (folder / "music").mkdir()
        write_wav(folder / "music" / "noise.wav", noise(song_s, rate_hz=RATE_HZ), rate_hz=RATE_HZ)
        wan = stack.enter_context(Wan(hosts=4, seed=1, realtime=realtime))
        delay_ms, jitter_ms = LINES[line]
        wan.link_all(delay_ms=delay_ms, jitter_ms=jitter_ms)
        made = Stage(wan, folder, realtime, stack)
        made.start_prime()
        yield made


@dataclass(frozen=True, slots=True)
class Lags:
    """How much later one played than another: t_s since an instant, in seconds; lag_us, positive: later."""

    t_s: np.ndarray
    lag_us: np.ndarray
    windows: int


def lags(played: Recording, truth: Recording, from_ns: float, seconds: float, step_s: float = WINDOW_S / 2) -> Lags:
    """In windows of WINDOW_S from an instant on; those that fit nowhere within 60 ms are left out."""
    size, reach = round(WINDOW_S * RATE_HZ), round(_MAX_LAG_S * RATE_HZ)
    starts_s = np.arange(0, seconds - WINDOW_S, step_s)
    times, found = [], []
    for start_s in starts_s:
        t_ns = from_ns + (start_s + np.arange(-reach, size + reach) / RATE_HZ) * _NS
        samples, quality = lag(played.at(t_ns[reach : reach + size]), truth.at(t_ns))
        if quality > _MIN_QUALITY:
            times.append(start_s + WINDOW_S / 2)
            found.append(-samples / RATE_HZ * 1e6)
    return Lags(np.array(times), np.array(found), len(starts_s))
