"""Machines whose calendar is a day off: nobody is locked out, nobody is let in, and the music plays."""

import asyncio
from pathlib import Path

import pytest

from hocket.client import events
from tests.kit import cbuild
from tests.kit.cluster import Cluster
from tests.kit.needs import lacking
from tests.kit.skewclock import SkewClock
from tests.system.kit import QUICK, listening, make_song

pytestmark = pytest.mark.in_time

DAY_S = 86400.0


@pytest.fixture(autouse=True)
def a_compiler() -> None:
    try:
        cbuild.shared_library("skewclock")
    except cbuild.BuildFailed as missing:
        lacking(str(missing))


@pytest.mark.parametrize("off_s", [-DAY_S, DAY_S])
def test_a_plane_with_a_wrong_clock_joins_and_serves(tmp_path: Path, off_s: float) -> None:
    """Its nodes sign tickets and judge them, for two listeners whose clocks are right."""
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A long song.wav", 120)
    flags = (*QUICK, "--max-load", "1", "--max-users", "1", "--max-streams", "1")
    with SkewClock(wall_offset_s=off_s) as clock, Cluster(tmp_path, *flags) as cluster:
        cluster.plane("one", token=cluster.token(), music=cluster.music, env=clock.env)
        [plane] = cluster.nodes("plane")

        async def run() -> None:
            async with listening(cluster) as (ann, of_ann), listening(cluster, 1) as (bob, of_bob):
                for engine, told in ((ann, of_ann), (bob, of_bob)):
                    await engine.play("long")
                    await told.wait(events.Playing)
                nodes = (await asyncio.to_thread(cluster.status))["nodes"]
                assert {node["role"] for node in nodes if node["plane"] == plane["id"]} == {"plane", "auth", "file"}
                for told in (of_ann, of_bob):  # for longer than a ticket holds
                    for _ in range(6):
                        await told.wait(events.Position)
                    assert not told.of(events.Stalled)
                    assert not told.of(events.Error)

        asyncio.run(run())


@pytest.mark.parametrize("off_s", [-DAY_S, DAY_S])
def test_a_listener_with_a_wrong_clock_logs_in_and_hears(tmp_path: Path, off_s: float) -> None:
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A song.wav", 5)
    with SkewClock(wall_offset_s=off_s) as clock, Cluster(tmp_path, *QUICK) as cluster:
        listener = cluster.listener("--output", "null", "play", "song", env=clock.env)
        ended = listener.wait_event("ended", timeout_s=60)
        assert ended["stalls"] == 0
        assert listener.wait_exit() == 0
