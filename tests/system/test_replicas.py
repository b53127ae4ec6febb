"""A library that no machine holds whole (`--replicas`), with real processes: listed whole, and played from wherever."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hocket.client import events
from hocket.client.engine import Engine
from tests.client.kit import samples_of
from tests.kit.cluster import Cluster
from tests.kit.processes import Program
from tests.system.kit import QUICK, listening, make_song
from tests.system.test_replication import names
from tests.system.test_replication import until as until_true

TIMEOUT_S = 40.0
MACHINES = ("prime", "one", "two")
SONGS_EACH = 2


class Spread:
    """A prime and two planes, each with songs of its own; one copy of each track is all that is wanted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.music = {name: folder / name / "music" for name in MACHINES}
        self.samples: dict[str, bytes] = {}
        for number, music in enumerate(self.music.values()):
            music.mkdir(parents=True)
            for song in range(SONGS_EACH):
                self.samples[f"Song {number}{song}.wav"] = make_song(
                    music / f"Song {number}{song}.wav", 3, seed=10 * number + song
                )
        self.cluster = Cluster(folder, *QUICK, "--replicas", "1", music=self.music["prime"])
        self.planes: dict[str, Program] = {}

    def start_planes(self) -> None:
        token = self.cluster.token("--uses", "2")
        for name in MACHINES[1:]:
            self.planes[name] = self.cluster.plane(name, token=token, music=self.music[name])
        until_true(lambda: self.cluster.status()["tracks"] == len(self.samples), "the prime knows all tracks")

    def drop(self, machine: str, name: str, seed: int) -> None:
        """A person copies a song into a machine's folder."""
        self.samples[name] = make_song(self.music[machine] / name, 3, seed)


@pytest.fixture
def spread(tmp_path: Path) -> Iterator[Spread]:
    made = Spread(tmp_path)
    with made.cluster:
        made.start_planes()
        yield made


async def shown(engine: Engine) -> set[str]:
    return {track.name for track in await engine.all_tracks()}


async def until_shown(engine: Engine, wanted: set[str]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while await shown(engine) != wanted:  # noqa: ASYNC110 - the cluster tells of it, but not when it is all
            await asyncio.sleep(0.05)


def test_everybody_sees_and_plays_everything(spread: Spread) -> None:
    listed = spread.cluster.user("list", "--json")
    assert {row["name"] for row in json.loads(listed.stdout)} == set(spread.samples)
    for music in spread.music.values():
        assert len(names(music)) == SONGS_EACH  # one copy is enough: nothing was copied

    async def run() -> None:
        wav = spread.folder / "played.wav"
        async with listening(spread.cluster, output=f"wav:{wav}", fast=True) as (engine, told):
            tracks = await engine.all_tracks()
            assert {track.name for track in await engine.all_tracks("ong 11")} == {"Song 11.wav"}
            sources = set()
            await engine.play_all(tracks)
            for _ in tracks:
                sources.add((await told.wait(events.Opened)).source)
                await told.wait(events.Ended)
            assert await engine.wait_idle() is None
            assert not told.of(events.Error)
            assert len(sources) == len(MACHINES)  # a streaming node on each machine
            assert samples_of(wav) == b"".join(spread.samples[track.name] for track in tracks)  # without a gap
            for track in tracks:
                assert len(await engine.waveform(track)) > 0

    asyncio.run(run())
