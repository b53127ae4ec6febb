"""One library on several machines, with real processes: a prime and planes on loopback."""

import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

from watchfiles._rust_notify import RustNotify

from tests.adapters.transfer_kit import wav
from tests.kit.cluster import Cluster
from tests.system.kit import QUICK, make_song, names

TIMEOUT_S = 60.0
GROUP_MS = 20


def until(condition: Callable[[], bool], what: str, root: Path | None = None) -> None:
    """Wait for what processes do to the files below a folder; without one a program is asked again and again."""
    deadline = time.monotonic() + TIMEOUT_S
    with contextlib.ExitStack() as stack:
        if root is not None:
            changes = stack.enter_context(contextlib.closing(RustNotify([str(root)], False, False, 0, True, True)))
        while not condition():
            left_s = deadline - time.monotonic()
            assert left_s > 0, what
            if root is not None:
                changes.watch(GROUP_MS, GROUP_MS, round(left_s * 1000), None)


def rows(cluster: Cluster) -> dict[str, dict[str, object]]:
    done = cluster.control("tracks", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def holders(cluster: Cluster) -> dict[str, int]:
    """Track -> how many machines the prime knows to hold it."""
    return {name: len(row["holders"]) for name, row in rows(cluster).items()}  # type: ignore[arg-type]


def test_every_machine_holds_everything_and_a_removal_is_for_all(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    make_song(music / "Prime song.wav", 4, seed=1)
    first, second = tmp_path / "one" / "music", tmp_path / "two" / "music"
    first.mkdir(parents=True)
    make_song(first / "Plane song.wav", 2, seed=2)
    with Cluster(tmp_path, *QUICK) as cluster:
        token = cluster.token("--uses", "2")
        cluster.plane("one", token=token)
        cluster.plane("two", token=token)
        both = {"Prime song.wav", "Plane song.wav"}
        until(lambda: names(music) == names(first) == names(second) == both, "copies both ways", tmp_path)
        make_song(second / "Dropped.wav", 1, seed=3)
        everything = both | {"Dropped.wav"}
        until(lambda: names(music) == names(first) == everything, "a dropped song is everywhere", tmp_path)
        everywhere = {str(path): 3 for path in everything}
        until(lambda: holders(cluster) == everywhere, "the prime knows", tmp_path)
        status = cluster.status()
        assert (status["missing_copies"], status["transfers"], status["tracks"]) == (0, [], 3)

        listener = cluster.listener("play", "Prime song", "--output", "null")
        listener.wait_event("playing")
        done = cluster.control("tracks", "remove", "Prime song")
        assert done.returncode == 0, done.stderr
        assert "'Prime song.wav' is removed" in done.stdout
        left = everything - {"Prime song.wav"}
        until(lambda: names(music) == names(first) == names(second) == left, "removed everywhere", tmp_path)
        assert rows(cluster)["Prime song.wav"]["removed"] is True
        assert listener.wait_event("ended")["frames"] == 4 * 8000
        assert cluster.control("tracks", "remove", "Prime song").returncode == 5
        assert "removed" in cluster.control("tracks", "list").stdout

        assert cluster.control("tracks", "restore", "Prime song").returncode == 0
        until(lambda: names(music) == names(first) == names(second) == everything, "restored everywhere", tmp_path)
        assert cluster.control("tracks", "restore", "Prime song").returncode == 5


def test_a_plane_that_is_killed_while_it_receives_goes_on_after_its_return(tmp_path: Path) -> None:
    music, theirs = tmp_path / "music", tmp_path / "one" / "music"
    music.mkdir()
    (music / "Long.wav").write_bytes(wav(3_000_000))
    with Cluster(tmp_path, *QUICK) as cluster:
        plane = cluster.plane("one", "--sync-rate", "500000", token=cluster.token())
        partial = theirs / f".hocket-{rows(cluster)['Long.wav']['id']}.partial"
        until(lambda: partial.exists() and partial.stat().st_size > 500_000, "a part came", tmp_path)
        shown = cluster.status()["transfers"]
        assert [(copy["name"], copy["size_bytes"]) for copy in shown] == [("Long.wav", 3_000_000)]
        plane.send_signal(signal.SIGKILL)
        plane.wait_exit()
        there = partial.stat().st_size
        assert names(theirs) == set()
        cluster.plane("one", "--sync-rate", "500000")
        until(lambda: not partial.exists() or partial.stat().st_size > there, "it goes on", tmp_path)
        until(lambda: names(theirs) == {"Long.wav"}, "it arrives", tmp_path)
    assert (theirs / "Long.wav").read_bytes() == (music / "Long.wav").read_bytes()
