"""Offsets of two followers, as played, for each contender and line; needs root and a C compiler."""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.sync.stage import LINES, Line, Play, stage
from tests.kit.offset import Offsets, offsets
from tests.kit.wan import unavailable

CONTENDERS = ("hocket", "snapcast")
_MEMORY = Path("/dev/shm")
_HEADER = ("contender", "line", "median us", "p95 us", "p99 us", "max us", "windows", "underruns")


def measure(play: Play, line: Line, args: argparse.Namespace) -> tuple[Offsets, int]:
    """Play for the given time; the offsets after the first skipped seconds, and all underruns."""
    # A busy disk must not hold up a player that writes what it plays.
    with tempfile.TemporaryDirectory(prefix="sync-", dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        skip_s = line.settle_s if args.skip is None else args.skip
        path, seconds = Path(folder), skip_s + args.seconds
        with stage(line, folder=path, seconds=seconds, dacs_apart_ppm=args.dacs_apart, realtime=args.realtime) as on:
            play(on)
            time.sleep(seconds)
            a, b = (dac.recording() for dac in on.dacs)
            return offsets(a, b, skip_s=skip_s, step_s=0.5), a.underruns + b.underruns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contender", action="append", choices=CONTENDERS, help="default: all")
    parser.add_argument("--line", action="append", choices=list(LINES), help="default: all")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured, after those that are skipped")
    parser.add_argument("--skip", type=float, help="seconds for settling in; default: as each line needs")
    parser.add_argument("--dacs-apart", type=float, default=200.0, metavar="PPM")
    parser.add_argument("--realtime", action="store_true", help="run players and line before others (chrt -r)")
    args = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    print("| " + " | ".join(_HEADER) + " |\n" + "|---" * len(_HEADER) + "|", flush=True)
    for key in args.line or LINES:
        for name in args.contender or CONTENDERS:
            play: Play = importlib.import_module(f"benchmarks.sync.{name}").play
            try:
                found, underruns = measure(play, LINES[key], args)
            except (OSError, ValueError) as error:
                print(f"| {name} | {LINES[key].name} | {error} |", flush=True)
                continue
            numbers = [f"{found.percentile_us(percent):,.0f}" for percent in (50, 95, 99, 100)]
            counts = [f"{len(found.lag_us)}/{found.windows}", str(underruns)]
            print("| " + " | ".join([name, LINES[key].name, *numbers, *counts]) + " |", flush=True)


if __name__ == "__main__":
    main()
