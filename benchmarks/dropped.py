"""From a song in some machine's folder to being listed and heard elsewhere: `python -m benchmarks.dropped [SONGS]`."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from hocket.client import events
from hocket.client.engine import Engine
from tests.kit.cluster import Cluster
from tests.system.kit import listening, make_song

MACHINES = ("prime", "one", "two")
LOOK_S = 0.02


async def until_listed(engine: Engine, name: str) -> None:
    while not (await engine.tracks(name, limit=1)).total:  # noqa: ASYNC110 - what is measured
        await asyncio.sleep(LOOK_S)


async def measure(cluster: Cluster, songs: int) -> None:
    listed, heard = [], []
    async with listening(cluster, 1) as (one, told), listening(cluster, 2) as (two, _):
        for number in range(songs):
            machine, name = MACHINES[number % len(MACHINES)], f"Dropped {number:03}"
            music = cluster.music if machine == "prime" else cluster.folder / machine / "music"
            make_song(music / f"{name}.wav", 20, number)
            start_s = time.perf_counter()
            await asyncio.gather(until_listed(one, name), until_listed(two, name))
            listed.append(time.perf_counter() - start_s)
            await one.play(name)
            heard.append((await told.wait(events.Playing)).latency_ms)
            await one.stop()
    print(f"  listed for both listeners after {median(listed):.2f} s (worst {max(listed):.2f}), ", end="")
    print(f"first sound {median(heard):.0f} ms after play (worst {max(heard):.0f})")
    print(f"  streaming nodes: {[node['memory_bytes'] // 2**20 for node in cluster.nodes('file')]} MB, 0: on a plane")


def main() -> None:
    songs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    for replicas in ("0", "1"):
        with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), "--replicas", replicas) as cluster:
            token = cluster.token("--uses", "2")
            for name in MACHINES[1:]:
                cluster.plane(name, token=token)
            print(f"--replicas {replicas}, a prime and two planes:")
            asyncio.run(measure(cluster, songs))


if __name__ == "__main__":
    main()
