"""What heartbeats, ticks and decisions cost the prime: `python -m benchmarks.registry [PLANES NODES]`."""

import random
import sys
import time
from collections.abc import Callable
from statistics import median

from hocket.control.actions import Introduction, LeaseNumber
from hocket.control.registry import Registry
from hocket.control.scheduler import place_login, place_play, tidy
from hocket.control.view import Limits, Timing
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role

PRIME = NodeId("prime-000000000000")
TICKS_PER_S = 4
SECONDS = 60
REPEATS = 7


def cluster(planes: int, nodes: int) -> tuple[Registry, dict[NodeId, LeaseNumber]]:
    """That many planes with that many nodes under them, evenly."""
    address = HostPort("10.0.0.1", 4000)
    prime = Introduction(PRIME, Role.PRIME, PRIME, "boot", address, 1, 6)
    registry = Registry(prime, Timing(lease_s=settings.LEASE_S), 0.0)
    leases = {}
    per_plane = -(-nodes // planes)
    for number in range(planes):
        node_id = NodeId(f"plane-{number:012x}")
        intro = Introduction(node_id, Role.PLANE, node_id, "boot", address, 1, per_plane)
        leases[node_id] = registry.register(intro, 0.0)
    for number in range(nodes):
        role = Role.AUTH if number % 2 else Role.FILE
        node_id = NodeId(f"{role}-{number:012x}")
        parent = NodeId(f"plane-{number % planes:012x}")
        intro = Introduction(node_id, role, parent, "boot", address, 1, 200, load=100)
        leases[node_id] = registry.register(intro, 0.0)
    return registry, leases


def minute(planes: int, nodes: int, load_changes: float) -> float:
    """CPU seconds for SECONDS of heartbeats, of which a share tells a new load, and ticks."""
    registry, leases = cluster(planes, nodes)
    chance = random.Random(1)
    beats = [
        (second + number / len(leases), node_id, lease, 100 + (chance.random() < load_changes))
        for second in range(SECONDS)
        for number, (node_id, lease) in enumerate(leases.items())
    ]
    per_tick = len(leases) // TICKS_PER_S
    started_s = time.process_time()
    for number, (now_s, node_id, lease, load) in enumerate(beats):
        registry.heartbeat(node_id, lease, load, now_s)
        if number % per_tick == 0:
            registry.tick(now_s)
    return time.process_time() - started_s


def microseconds(what: Callable[[], object], times: int = 300) -> float:
    """CPU time of one call, the median of REPEATS rows of calls."""
    rows = []
    for _ in range(REPEATS):
        started_s = time.process_time()
        for _ in range(times):
            what()
        rows.append((time.process_time() - started_s) / times)
    return 1e6 * median(rows)


def main() -> None:
    planes, nodes = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (50, 300)
    print(f"{planes} planes, {nodes} nodes, a heartbeat each {settings.HEARTBEAT_S:g} s")
    for load_changes in (0.0, 0.5):
        cpu_s = median(minute(planes, nodes, load_changes) for _ in range(REPEATS))
        beats = SECONDS * (planes + nodes)
        print(
            f"  load changes in {load_changes:4.0%} of them: {1e6 * cpu_s / beats:5.2f} µs a heartbeat, "
            f"ticks included; {cpu_s / SECONDS:.3%} of a core"
        )
    registry, _ = cluster(planes, nodes)
    limits = Limits(max_users=200, max_streams=200, idle_s=60.0)
    view = registry.view(0.0)
    holders = {NodeId(f"plane-{number:012x}") for number in range(0, planes, 2)}
    for name, what in (
        ("view", lambda: registry.view(0.0)),
        ("place_login", lambda: place_login(view, limits)),
        ("place_play", lambda: place_play(view, limits, holders)),
        ("tidy", lambda: tidy(view, limits)),
        ("tick, nothing due", lambda: registry.tick(0.0)),
    ):
        print(f"  {name:18} {microseconds(what):7.1f} µs")


if __name__ == "__main__":
    main()
