"""Planes with real processes: join, spawn there, loss and return, removal."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hocket.client import events
from tests.kit import proc
from tests.kit.cluster import Cluster
from tests.kit.processes import ROOT, Program, run_to_end
from tests.system.kit import QUICK, listening, make_song
from tests.system.test_control_plane import Status, until


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A prime with one slot: what it cannot hold goes to planes."""
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A long song.wav", 120)
    with Cluster(tmp_path, *QUICK, "--max-load", "1") as made:
        yield made


def under(status: Status, control: str) -> list[str]:
    """The roles of the ready nodes that run under a control node."""
    return sorted(
        node["role"]
        for node in status["nodes"]
        if node["plane"] == control and node["id"] != control and node["state"] == "ready"
    )


def test_a_login_that_finds_no_room_spawns_on_a_plane(cluster: Cluster) -> None:
    cluster.plane("one", token=cluster.token(), music=cluster.music)
    [plane] = cluster.nodes("plane")

    async def run() -> None:
        async with listening(cluster) as (engine, told):
            await engine.play("long")
            await told.wait(events.Position)
            status = await asyncio.to_thread(cluster.status)
            assert sorted(under(status, status["prime"]["id"]) + under(status, plane["id"])) == ["auth", "file"]
            assert len(under(status, plane["id"])) == 1

    asyncio.run(run())


def test_a_plane_that_dies_takes_only_its_own_nodes(cluster: Cluster) -> None:
    """Prime and both planes share one IP: what leaves is what registered under the plane that died."""
    token = cluster.token("--uses", "2")
    first = cluster.plane("one", "--max-load", "1", token=token, music=cluster.music)
    [one] = cluster.nodes("plane")
    cluster.plane("two", "--max-load", "1", token=token, music=cluster.music)

    async def run() -> None:
        async with listening(cluster) as (engine, told):
            await engine.play("long")
            await told.wait(events.Playing)
            before = await asyncio.to_thread(cluster.status)
            assert len(before["nodes"]) == 5
            children = [node["pid"] for node in before["nodes"] if node["plane"] == one["id"]]
            lost = {node["id"] for node in before["nodes"] if node["plane"] == one["id"]}
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            first.wait_exit()
            status = await until(cluster, lambda status: one["id"] not in {node["id"] for node in status["nodes"]})
            kept = {node["id"] for node in before["nodes"]} - lost
            assert kept <= {node["id"] for node in status["nodes"]}
            await told.wait(events.Position)
            assert not told.of(events.Stalled)

    asyncio.run(run())


def test_a_plane_comes_back_to_its_nodes(cluster: Cluster) -> None:
    plane = cluster.plane("one", token=cluster.token(), music=cluster.music)

    async def run() -> None:
        async with listening(cluster) as (engine, told):
            await engine.play("long")
            await told.wait(events.Playing)
            before = {node["id"] for node in (await asyncio.to_thread(cluster.status))["nodes"]}
            plane.send_signal(signal.SIGKILL)
            plane.wait_exit()
            await asyncio.to_thread(cluster.plane, "one", music=cluster.music)
            await until(
                cluster,
                lambda status: {node["id"] for node in status["nodes"] if node["state"] == "ready"} == before,
            )
            await told.wait(events.Position)
            assert not told.of(events.Stalled)

    asyncio.run(run())


def test_a_plane_that_stops_takes_its_nodes_along_and_listeners_move(cluster: Cluster) -> None:
    plane = cluster.plane("one", token=cluster.token(), music=cluster.music)
    other = cluster.plane("two", token=cluster.token(), music=cluster.music)

    async def run() -> None:
        async with listening(cluster) as (engine, told):
            await engine.play("long")
            await told.wait(events.Playing)
            assert await asyncio.to_thread(plane.stop) == 0
            await until(cluster, lambda status: len([n for n in status["nodes"] if n["role"] == "plane"]) == 1)
            await told.wait(events.Position)
            assert not told.of(events.Stalled)

    asyncio.run(run())
    assert other.alive


def test_a_removed_plane_is_out_and_stays_out(cluster: Cluster) -> None:
    plane = cluster.plane("one", token=cluster.token("--uses", "5"), music=cluster.music)
    [node] = cluster.nodes("plane")
    assert cluster.control("remove", node["id"]).returncode == 0
    assert plane.wait_exit() is not None
    assert cluster.nodes("plane") == []
    again = join(cluster, "one", token="")
    assert again.returncode == 3
    assert "removed" in again.stderr
    anew = join(cluster, "one", token=cluster.token())
    assert anew.returncode == 3


def join(cluster: Cluster, name: str, token: str) -> Any:
    """Run a plane that is refused."""
    flags = ["--join", token] if token else []
    return run_to_end(
        [sys.executable, ROOT / "planeNODE.py", "--data", cluster.folder / name / "data", *flags],
        env=cluster.env,
        cwd=cluster.folder,
        timeout_s=30,
    )


def test_tokens_that_do_not_hold(cluster: Cluster, tmp_path: Path) -> None:
    token = cluster.token()
    assert join(cluster, "none", "").returncode == 3
    cut = join(cluster, "cut", token[:-9])
    assert (cut.returncode, "cut off" in cut.stderr) == (3, True)
    changed = join(cluster, "changed", token[:-9] + "AAAAAAAAA")
    assert changed.returncode == 3
    foreign = join(cluster, "foreign", "hello")
    assert foreign.returncode == 3
    cluster.plane("one", token=token, music=cluster.music)
    used = join(cluster, "used", token)
    assert (used.returncode, "used up" in used.stderr) == (3, True)
    brief = cluster.token("--ttl", "0.001")
    old = join(cluster, "old", brief)
    assert (old.returncode, "ran out" in old.stderr) == (3, True)
    for done in (cut, changed, foreign, used, old):
        assert "Traceback" not in done.stderr
        assert "hint:" in done.stderr


def test_a_token_of_another_clusters_prime_is_refused_before_the_secret_is_sent(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A fake prime at the right address: its fingerprint is another."""
    token = cluster.token()
    address = cluster.address
    cluster.prime.stop()
    folder = tmp_path / "other"
    folder.mkdir()
    other = Cluster(folder)
    other.address = address  # where the real one was
    with other:
        refused = join(cluster, "fooled", token)
        assert refused.returncode == 3
        assert "fingerprint" in refused.stderr


def test_a_copied_data_folder_is_told_so(cluster: Cluster) -> None:
    cluster.plane("one", token=cluster.token(), music=cluster.music)
    shutil.copytree(cluster.folder / "one" / "data", cluster.folder / "copy" / "data")
    copied = join(cluster, "copy", token="")
    assert copied.returncode == 3
    assert "copied" in copied.stderr
    assert len(cluster.nodes("plane")) == 1


def test_a_token_of_a_loopback_prime_says_what_to_change(cluster: Cluster) -> None:
    done = cluster.control("token")
    assert "--listen 0.0.0.0" in done.stderr


def test_nodes_by_hand(cluster: Cluster) -> None:
    """dbNODE.py as a person runs it: it joins, serves, and comes back without a token."""
    command: list[str | Path] = [sys.executable, ROOT / "dbNODE.py", "--data", cluster.folder / "hand"]
    for flags in (["--join", cluster.token()], []):
        with Program([*command, *flags], env=cluster.env, cwd=cluster.folder) as node:
            node.wait_line(r"^auth ready (auth-[0-9a-f]+)$")
            [shown] = cluster.nodes("auth")
            assert shown["pid"] == node.pid
            assert node.stop() == 0
        assert not proc.alive(node.pid)
