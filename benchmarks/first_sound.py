"""How long a listener waits: to log in, for the first sample from a warm node, and from one that must be spawned.

    .venv/bin/python -m benchmarks.first_sound [RUNS]

Real processes on this machine, over TLS, into the null output. Prints medians and the worst.
"""

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from hocket.adapters.folders import client_folders
from hocket.client import events
from hocket.client.engine import Engine, EngineOptions
from hocket.core.address import ClusterAddress
from tests.client.kit import Told
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Cluster
from tests.kit.fakecluster import make_song

SONG = make_song("one.wav", 30.0)
COLD_RUNS = 5


def _report(what: str, times_ms: list[float]) -> None:
    median = statistics.median(times_ms)
    print(f"{what:34} median {median:7.1f} ms   worst {max(times_ms):7.1f} ms   n={len(times_ms)}")


class _Times:
    def __init__(self) -> None:
        self.first_login_ms: list[float] = []
        self.login_ms: list[float] = []
        self.warm_ms: list[float] = []
        self.seek_ms: list[float] = []
        self.first_play_ms: list[float] = []
        self.spawn_ms: list[float] = []


def _engine(folder: Path, told: Told) -> Engine:
    return Engine(EngineOptions(client_folders(folder), "null", cache_limit_bytes=0), told)


async def _log_in(engine: Engine, cluster: Cluster) -> float:
    began_s = time.perf_counter()
    await engine.log_in(ClusterAddress.parse(cluster.address), DEMO_USER, DEMO_PASSWORD)
    return (time.perf_counter() - began_s) * 1000


async def _warm(cluster: Cluster, runs: int, times: _Times) -> None:
    told = Told()
    engine = _engine(cluster.folder / "listener", told)
    try:
        for run in range(runs + 1):
            login_ms = await _log_in(engine, cluster)
            if run:  # the first one had to wait for a node
                times.login_ms.append(login_ms)
            await engine.play("one")
            playing = await told.wait(events.Playing)
            if run:
                times.warm_ms.append(playing.latency_ms)
            asked_s = time.perf_counter()
            await engine.seek(20.0)
            while engine.reading().state != "playing":  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.0005)
            times.seek_ms.append((time.perf_counter() - asked_s) * 1000)
            await engine.stop()
    finally:
        await engine.close()


async def _cold(cluster: Cluster, times: _Times) -> None:
    """Play right after the first log-in to a fresh prime, then right after the only streaming node was killed."""
    told = Told()
    engine = _engine(cluster.folder / "listener", told)
    try:
        times.first_login_ms.append(await _log_in(engine, cluster))
        began_s = time.perf_counter()
        await engine.play("one")
        await told.wait(events.Playing)
        times.first_play_ms.append((time.perf_counter() - began_s) * 1000)
        await engine.stop()
        (node,) = await asyncio.to_thread(cluster.nodes, "file")
        os.kill(node["pid"], signal.SIGKILL)
        began_s = time.perf_counter()
        await engine.play("one")
        await told.wait(events.Playing)
        times.spawn_ms.append((time.perf_counter() - began_s) * 1000)
    finally:
        await engine.close()


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    times = _Times()
    with tempfile.TemporaryDirectory() as name:
        music = Path(name) / "music"
        music.mkdir()
        (music / "one.wav").write_bytes(SONG.content)
        for number in range(COLD_RUNS):
            with Cluster(Path(name) / str(number), music=music) as cluster:
                asyncio.run(_cold(cluster, times))
        with Cluster(Path(name) / "warm", music=music) as cluster:
            asyncio.run(_warm(cluster, runs, times))
    _report("log-in, nodes must be spawned", times.first_login_ms)
    _report("log-in, nodes run", times.login_ms)
    _report("first sample after first log-in", times.first_play_ms)
    _report("first sample, node must be spawned", times.spawn_ms)
    _report("first sample, warm node", times.warm_ms)
    _report("seek to what was not fetched", times.seek_ms)


if __name__ == "__main__":
    main()
