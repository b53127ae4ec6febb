"""What every contender is measured on: lines, converters and clocks that are off, and one song of noise."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.noise import noise, write_wav
from tests.kit.simdac import SimDac
from tests.kit.skewclock import SkewClock
from tests.kit.wan import Wan

RATE_HZ = 48_000
HOST = 1
FOLLOWERS = (2, 3)


@dataclass(frozen=True, slots=True)
class Line:
    """Between the host and each follower, each way. Without a delay all three are on one machine."""

    name: str
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    reorder: bool = False
    clocks_apart_ppm: float = 0.0
    settle_s: float = 15.0
    """Left out at the start."""

    @property
    def is_loopback(self) -> bool:
        return self.delay_ms == 0


LINES = {
    "loopback": Line("loopback"),
    "lan": Line("1 +- 0.5 ms each way", 1, 0.5),
    "wan": Line("20 +- 10 ms each way, in order", 20, 10),
    "reorder": Line("the same, reordering", 20, 10, reorder=True),
    # snapclient takes the median of its last 200 exchanges, one a second: until then it gets worse.
    "clocks": Line("20 +- 10 ms in order, system clocks 200 ppm apart", 20, 10, clocks_apart_ppm=200, settle_s=200),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a contender plays: start the host with `run_host`, each follower with `run_follower`."""

    wan: Wan
    line: Line
    folder: Path
    """For a contender's own files; removed afterwards."""
    song: Path
    """WAV, 48 kHz, 16 bit, stereo: as long as the measurement and some seconds more."""
    dacs: tuple[SimDac, SimDac]
    clocks: tuple[SkewClock, SkewClock] | None
    realtime: bool

    @property
    def host_address(self) -> str:
        """Where followers reach the host."""
        return "127.0.0.1" if self.line.is_loopback else self.wan.address(HOST)

    def run_host(self, argv: Sequence[str | Path], **popen: Any) -> subprocess.Popen[Any]:
        """Start the one who shares the music; its clock is true."""
        return self._run(HOST, argv, {}, popen)

    def run_follower(self, index: int, argv: Sequence[str | Path], **popen: Any) -> subprocess.Popen[Any]:
        """Start follower 0 or 1; it has to play through `SimDac.device`."""
        env = dict(self.dacs[index].env)
        if self.clocks is not None:
            env |= self.clocks[index].env
        return self._run(HOST if self.line.is_loopback else FOLLOWERS[index], argv, env, popen)

    def _run(
        self, host: int, argv: Sequence[str | Path], env: Mapping[str, str], popen: Mapping[str, Any]
    ) -> subprocess.Popen[Any]:
        first = ["chrt", "-r", "10"] if self.realtime and shutil.which("chrt") else []
        output = subprocess.DEVNULL
        given = {"stdout": output, "stderr": output, **popen, "env": {**os.environ, **env, **popen.get("env", {})}}
        return self.wan.run(host, [*first, *argv], **given)


Play = Callable[[Stage], None]
"""Starts a host and two followers on the stage and returns; what runs is ended with the stage."""


@contextmanager
def stage(line: Line, *, folder: Path, seconds: float, dacs_apart_ppm: float, realtime: bool) -> Iterator[Stage]:
    """Everything for one measurement, and nothing left of it afterwards."""
    song = write_wav(folder / "noise.wav", noise(seconds + 10, rate_hz=RATE_HZ), rate_hz=RATE_HZ)
    with ExitStack() as stack:
        dacs = [
            stack.enter_context(SimDac(ppm=sign * dacs_apart_ppm / 2, folder=folder / f"dac{index}"))
            for index, sign in enumerate((1, -1))
        ]
        clocks = None
        if line.clocks_apart_ppm:
            first, second = (stack.enter_context(SkewClock(ppm=sign * line.clocks_apart_ppm / 2)) for sign in (1, -1))
            clocks = (first, second)
        wan = stack.enter_context(Wan(hosts=3, seed=1, realtime=realtime))
        for follower in FOLLOWERS:
            wan.link(HOST, follower, delay_ms=line.delay_ms, jitter_ms=line.jitter_ms, reorder=line.reorder)
        yield Stage(wan, line, folder, song, (dacs[0], dacs[1]), clocks, realtime)
