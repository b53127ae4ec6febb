"""What planning copies costs the prime: `python -m benchmarks.replication_plan [TRACKS] [MACHINES]`."""

import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.catalogue import some_tracks
from hocket.core.ids import NodeId
from hocket.media.manifest import Manifest, ManifestChange
from hocket.media.replication import Replication

_REPEATS = 9


def _median_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.thread_time()
        action()
        times.append((time.thread_time() - start) * 1000)
    return median(times)


def _once_ms(action: Callable[[], object]) -> float:
    start = time.thread_time()
    action()
    return (time.thread_time() - start) * 1000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    machines = [NodeId(f"plane-{number:012}") for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10)]
    tracks = tuple(some_tracks(count))
    shared = Replication()
    for machine in machines:
        shared.join(machine)
    print(f"{count} tracks, {len(machines)} machines (CPU time)")
    print(f"  first manifest: {_once_ms(lambda: shared.take(Manifest(machines[0], 1, tracks))):.1f} ms")
    print(f"  plan, {shared.missing_copies} copies missing: {_median_ms(shared.plan):.2f} ms")
    change = ManifestChange(machines[1], 1, 1, tracks[:1])
    shared.take(Manifest(machines[1], 1, ()))
    print(f"  one copy made: {_once_ms(lambda: shared.change(change)):.2f} ms")
    for number, machine in enumerate(machines[1:], 1):
        taken = _once_ms(lambda machine=machine: shared.take(Manifest(machine, 2, tracks)))  # type: ignore[misc]
        print(f"  manifest {number + 1}: {taken:.1f} ms")
    again = Manifest(machines[0], 3, tracks)
    print(f"  the same manifest again: {_once_ms(lambda: shared.take(again)):.1f} ms")
    print(f"  plan with nothing to do: {_median_ms(shared.plan):.3f} ms")
    print(f"  a machine goes away: {_once_ms(lambda: shared.away(machines[2])):.1f} ms", end=", ")
    print(f"and comes back: {_once_ms(lambda: shared.join(machines[2])):.1f} ms")


if __name__ == "__main__":
    main()
