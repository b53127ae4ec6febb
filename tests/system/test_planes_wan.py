"""A cluster over three hosts of a network: a prime, a plane, a listener; a cut, and its healing."""

from pathlib import Path

import pytest

from tests.kit.cluster import Cluster, Status
from tests.kit.wan import Wan
from tests.system.kit import QUICK, make_song

pytestmark = pytest.mark.in_time

PRIME, PLANE, HOME = 1, 2, 3


def ready(status: Status) -> set[str]:
    return {node["id"] for node in status["nodes"] if node["state"] == "ready"}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.wav"))


@pytest.mark.root
def test_spawn_on_a_plane_copies_both_ways_a_cut_and_its_healing(wan: Wan, tmp_path: Path) -> None:
    wan.link_all(delay_ms=5)
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A long song.wav", 120)
    cluster = Cluster(tmp_path, *QUICK, "--max-load", "1", "--demo")
    cluster.address = f"{wan.address(PRIME)}:50001"
    with wan.inside(PRIME), cluster:
        token = cluster.token()
        theirs = tmp_path / "plane" / "music"
        theirs.mkdir(parents=True)
        make_song(theirs / "Only on the plane.wav", 3, seed=2)
        with wan.inside(PLANE):
            plane = cluster.plane("plane", token=token, music=theirs)
        cluster.until(lambda status: status["tracks"] == 2 and status["missing_copies"] == 0)
        assert _names(cluster.music) == _names(theirs) == ["A long song.wav", "Only on the plane.wav"]
        with wan.inside(HOME):
            listener = cluster.listener("--output", f"wav:{tmp_path / 'heard.wav'}", "play", "long", "--for", "25")
        listener.wait_event("playing")
        status = cluster.until(lambda status: len(ready(status)) == 4)
        [spawned] = [
            n for n in status["nodes"] if n["address"].startswith(wan.address(PLANE) + ":") and n["role"] != "plane"
        ]
        assert spawned["plane"] == next(n["id"] for n in status["nodes"] if n["role"] == "plane")

        wan.cut(PLANE)
        cluster.until(lambda now: len(ready(now)) < 4)
        listener.wait_event("position")
        wan.heal(PLANE)
        cluster.until(lambda now: ready(now) >= ready(status))
        ended = listener.wait_event("ended", timeout_s=60)
        assert ended["stalls"] == 0
        assert listener.wait_exit() == 0
        assert listener.events_named("stalled") == []
        assert plane.alive

        wan.cut(PLANE)
        make_song(theirs / "Added while cut off.wav", 2, seed=3)
        wan.heal(PLANE)
        cluster.until(lambda status: status["tracks"] == 3 and status["missing_copies"] == 0)
        assert "Added while cut off.wav" in _names(cluster.music)
    samples = (tmp_path / "music" / "A long song.wav").read_bytes()[-120 * 16000 :]
    assert (tmp_path / "heard.wav").read_bytes().endswith(samples[: 25 * 16000])
