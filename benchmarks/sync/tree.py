"""How well friends at depth 1, 2 and 3 of a tree keep step with their host; where pause and seek land on all.

    python -m benchmarks.sync.tree [--seconds 60] [--realtime]

A host and three friends, each with a line that carries one stream, so each hears it through the one before.
Converters are 200 ppm apart; what left them is compared. Needs root and a C compiler.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.crowd.stage import Program
from tests.kit.noise import noise, write_wav
from tests.kit.offset import Recording, offsets
from tests.kit.simdac import SimDac
from tests.kit.wan import Wan, unavailable

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "Someone", "password123"
RATE_HZ = 48_000
UPLOAD_MBIT = 2.0
"""One stream of 1.5 Mbit/s, by four fifths of it."""

PORT, PRIME_PORT = 25566, 50001
DEPTHS = 3
SETTLE_S = 20.0
GAP_S = 0.25


def edges_s(recording: Recording) -> npt.NDArray[np.float64]:
    """True times at which sound ends and begins again, in turn; silences of under GAP_S do not count."""
    times = np.concatenate(
        [run.start_ns * 1e-9 + np.flatnonzero(run.frames.any(axis=1)) / run.rate_hz for run in recording.runs]
    )
    breaks = np.flatnonzero(np.diff(times) > GAP_S)
    return np.sort(np.concatenate([times[breaks], times[breaks + 1]]))


def start(wan: Wan, on: int, folder: Path, argv: list[str | Path], env: dict[str, str], *, realtime: bool) -> Program:
    first = ["chrt", "-r", "10"] if realtime and shutil.which("chrt") else []
    home = {"HOME": str(folder), "HOCKET_HOME": str(folder / f"home{on}"), "PYTHONUNBUFFERED": "1"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return Program(wan.run(on, [*first, sys.executable, *argv], env={**os.environ, **home, **env}, **pipes))


def client(wan: Wan, folder: Path, on: int, dac: SimDac, command: list[str], *, realtime: bool) -> Program:
    login = ["--prime", f"{wan.address(1)}:{PRIME_PORT}", "--user", USER, "--password-stdin"]
    own = ["--host", f"{wan.address(on)}:{PORT}", "--upload-mbit", str(UPLOAD_MBIT), "--device", SimDac.device]
    argv: list[str | Path] = [ROOT / "user.py", "--headless", *login, "--events", *command, *own]
    program = start(wan, on, folder, argv, dac.env, realtime=realtime)
    program.say(PASSWORD)
    program.line('"playing"')
    return program


def measure(folder: Path, seconds: float, *, realtime: bool) -> None:
    """Prints two tables."""
    (folder / "music").mkdir()
    write_wav(folder / "music" / "noise.wav", noise(seconds + 120, rate_hz=RATE_HZ), rate_hz=RATE_HZ)
    with ExitStack() as stack:
        signs = (1, -1, 1, -1)
        dacs = [stack.enter_context(SimDac(ppm=100 * sign, folder=folder / f"dac{n}")) for n, sign in enumerate(signs)]
        wan = stack.enter_context(Wan(hosts=1 + DEPTHS, seed=1, subnet="10.91.4.0/24", realtime=realtime))
        wan.link_all(delay_ms=1, jitter_ms=0.5)
        listen = ["--listen", f"{wan.address(1)}:{PRIME_PORT}", "--data", str(folder / "data"), "--demo"]
        prime = start(wan, 1, folder, [ROOT / "primeNODE.py", *listen, "--music", folder / "music"], {}, realtime=False)
        prime.line("prime ready")
        host = client(wan, folder, 1, dacs[0], ["play", "noise"], realtime=realtime)
        for depth in range(1, DEPTHS + 1):
            client(wan, folder, 1 + depth, dacs[depth], ["join", f"{wan.address(1)}:{PORT}"], realtime=realtime)
            time.sleep(3)
        time.sleep(SETTLE_S + seconds)
        steady = [dac.recording() for dac in dacs]
        for command, wait_s in (("pause", 2.0), ("resume", 4.0), ("seek 5", 5.0)):
            host.say(command)
            time.sleep(wait_s)
        stopped = [edges_s(dac.recording()) for dac in dacs]
    skip_s = SETTLE_S
    print("| depth | median us | p95 us | p99 us | windows | underruns |\n|---|---|---|---|---|---|")
    for depth in range(1, DEPTHS + 1):
        found = offsets(steady[0], steady[depth], skip_s=skip_s, step_s=0.5)
        numbers = " | ".join(f"{found.percentile_us(percent):,.0f}" for percent in (50, 95, 99))
        print(f"| {depth} | {numbers} | {len(found.lag_us)}/{found.windows} | {steady[depth].underruns} |")
    print("\n| moment | apart on all, us |\n|---|---|")
    names = ("pause: silent", "resume: sounds", "seek: silent", "seek: sounds")
    last = [edges[-len(names) :] for edges in stopped]
    if any(len(edges) < len(names) for edges in last):
        print(json.dumps([list(edges) for edges in stopped]))
        return
    for number, name in enumerate(names):
        at_s = [float(edges[number]) for edges in last]
        print(f"| {name} | {1e6 * (max(at_s) - min(at_s)):,.0f} |")
    print(f"\nload of the machine: {Path('/proc/loadavg').read_text().split()[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="measured, after those for settling in")
    parser.add_argument("--realtime", action="store_true", help="run players and lines before others (chrt -r)")
    args = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="tree-", dir=memory if memory.is_dir() else None) as folder:
        measure(Path(folder), args.seconds, realtime=args.realtime)


if __name__ == "__main__":
    main()
