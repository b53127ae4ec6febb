"""How soon a machine adds its capacity, and how long a log-in takes for which one has to start a node.

python -m benchmarks.growing [--rounds 5]

Real processes on this machine. `chrt -r 5 python -m benchmarks.growing` measures on one that others load as well.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.kit.cluster import Cluster
from tests.system.kit import listening


def report(what: str, seconds: list[float]) -> None:
    shown = ", ".join(f"{each:.2f}" for each in sorted(seconds))
    print(f"{what}: median {statistics.median(seconds):.2f} s ({shown}) at a load of {os.getloadavg()[0]:.1f}")


def measure_joining(cluster: Cluster, rounds: int) -> list[float]:
    """From `planeNODE.py --join TOKEN` to its ready line, each time in a new data folder."""
    found = []
    for number in range(rounds):
        token = cluster.token()
        began_s = time.monotonic()
        plane = cluster.plane(f"joining-{number}", token=token)
        found.append(time.monotonic() - began_s)
        plane.stop()
    return found


async def measure_log_ins(cluster: Cluster, rounds: int) -> list[float]:
    """Each needs an authentication node of its own, which a plane has to start; what came before stays logged in."""
    found = []
    async with contextlib.AsyncExitStack() as logged_in:
        await logged_in.enter_async_context(listening(cluster))  # takes the prime's only slot
        for number in range(1, rounds + 1):
            began_s = time.monotonic()
            await logged_in.enter_async_context(listening(cluster, number))
            found.append(time.monotonic() - began_s)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder), "--max-load", "1", "--max-users", "1") as cluster,
    ):
        report("join to ready", measure_joining(cluster, args.rounds))
        cluster.plane("roomy", "--max-load", str(args.rounds + 3), token=cluster.token())
        report("a log-in that makes a plane spawn", asyncio.run(measure_log_ins(cluster, args.rounds)))


if __name__ == "__main__":
    main()
