"""The control plane with real processes: spawn, share, retire, survive."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from hocket.client import events
from hocket.core.errors import ErrorCode, HocketError, Refused
from tests.kit import proc
from tests.kit.cluster import Cluster, Status
from tests.system.kit import QUICK, WAIT_S, listening, make_song, until

pytestmark = pytest.mark.in_time


def roles(status: Status) -> list[str]:
    return sorted(node["role"] for node in status["nodes"] if node["state"] == "ready")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    make_song(folder / "A long song.wav", 120)
    return folder


def test_a_login_spawns_what_it_needs_and_idle_nodes_retire(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, *QUICK, "--idle", "0.5", music=music) as cluster:
        assert roles(cluster.status()) == ["prime"]

        async def run() -> None:
            async with listening(cluster) as (engine, told):
                assert [track.title for track in await engine.all_tracks()] == ["A long song"]
                await engine.play("long")
                await told.wait(events.Playing)
                status = await until(cluster, lambda status: status["listeners"] == 1)
                assert roles(status) == ["auth", "file", "prime"]
            await until(cluster, lambda status: roles(status) == ["prime"])

        asyncio.run(run())
        assert len(cluster.pids()) == 1, "their processes are gone, and so their ports are free"


def test_many_log_in_at_once_and_no_node_is_overbooked(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, "--max-users", "2", "--max-load", "7", music=music) as cluster:

        async def one(number: int, everyone_in: asyncio.Event, refused: list[HocketError]) -> None:
            try:
                async with listening(cluster, number):
                    await everyone_in.wait()
            except Refused as error:
                refused.append(error)

        async def run() -> None:
            everyone_in = asyncio.Event()
            refused: list[HocketError] = []
            tasks = [asyncio.create_task(one(number, everyone_in, refused)) for number in range(15)]
            status = await until(cluster, lambda status: status["listeners"] == 12 and len(refused) == 3)
            loads = [node["load"] for node in status["nodes"] if node["role"] == "auth"]
            assert sorted(loads) == [2] * 6
            assert {error.code for error in refused} == {ErrorCode.CLUSTER_FULL}
            assert "planeNODE" in refused[0].hint
            everyone_in.set()
            await asyncio.gather(*tasks)

        asyncio.run(run())


def test_the_prime_is_killed_and_comes_back(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, *QUICK, music=music) as cluster:
        cluster.control("users", "add", "Zoë", "--password-stdin", stdin="a good password\n")

        async def run() -> None:
            async with listening(cluster, user="Zoë", password="a good password") as (engine, told):
                await engine.play("long")
                await told.wait(events.Playing)
                before = {node["id"] for node in (await asyncio.to_thread(cluster.status))["nodes"]}
                await asyncio.to_thread(cluster.kill_prime)
                await told.wait(events.Prime, reachable=False)
                heard = [await told.wait(events.Position) for _ in range(2)]
                assert heard[1].frame - heard[0].frame == pytest.approx(8000, abs=2400), "the song goes on"
                await asyncio.to_thread(cluster.start_prime)
                await told.wait(events.Prime, reachable=True)
                status = await until(cluster, lambda status: roles(status) == ["auth", "file", "prime"])
                assert {node["id"] for node in status["nodes"]} == before, "the same nodes registered again"
                assert status["listeners"] == 1
                await told.wait(events.Position)
                assert not told.of(events.Stalled)
                assert not told.of(events.Moved)
                assert not told.of(events.SessionMoved)
            async with listening(cluster, 1, user="zoë", password="a good password"):
                pass

        asyncio.run(run())


def test_nodes_without_a_prime_end_themselves(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, *QUICK, "--orphan-grace", "1", music=music) as cluster:

        async def run() -> None:
            async with listening(cluster):
                pass

        asyncio.run(run())
        children = [pid for pid in cluster.pids() if pid != cluster.prime.pid]
        assert len(children) == 2
        cluster.kill_prime()
        assert all(proc.wait_dead(pid, WAIT_S) for pid in children)


def test_a_killed_authentication_node_costs_nobody_the_session(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, *QUICK, music=music) as cluster:

        async def run() -> None:
            async with listening(cluster) as (engine, told):
                await engine.play("long")
                await told.wait(events.Playing)
                [auth] = await asyncio.to_thread(cluster.nodes, "auth")
                os.kill(auth["pid"], signal.SIGKILL)
                moved = await told.wait(events.SessionMoved)
                assert moved.origin == auth["id"] != moved.to
                await told.wait(events.Position)
                assert not told.of(events.Stalled)

        asyncio.run(run())


def test_a_disabled_account_is_cut_off_at_once(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, "--ticket", "30", music=music) as cluster:
        cluster.control("users", "add", "Ann", "--password-stdin", stdin="a good password\n")

        async def run() -> None:
            async with listening(cluster, user="Ann", password="a good password") as (engine, told):
                await engine.play("long")
                await told.wait(events.Playing)
                await asyncio.to_thread(cluster.control, "users", "disable", "Ann")
                error = await told.wait(events.Error)
                assert error.code == ErrorCode.SESSION_ENDED
                assert "disabled" in error.text
            with pytest.raises(Refused) as caught:
                async with listening(cluster, 1, user="Ann", password="a good password"):
                    pass
            assert "disabled" in caught.value.text

        asyncio.run(run())


def test_a_drained_streaming_node_hands_its_listeners_over(tmp_path: Path, music: Path) -> None:
    with Cluster(tmp_path, *QUICK, music=music) as cluster:

        async def run() -> None:
            async with listening(cluster) as (engine, told):
                await engine.play("long")
                await told.wait(events.Playing)
                [node] = await asyncio.to_thread(cluster.nodes, "file")
                done = await asyncio.to_thread(cluster.control, "drain", node["id"])
                assert done.returncode == 0
                moved = await told.wait(events.Moved)
                assert moved.origin == node["id"] != moved.to
                await told.wait(events.Position)
                assert not told.of(events.Stalled)
                status = await until(cluster, lambda status: roles(status) == ["auth", "file", "prime"])
                assert node["id"] not in {each["id"] for each in status["nodes"]}

        asyncio.run(run())


def test_a_crash_loop_backs_off_and_shows_its_last_words(tmp_path: Path, music: Path) -> None:
    """Every port of the range is taken: no node comes up, the prime stays calm and says why."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with Cluster(tmp_path, "--node-ports", f"{port}-{port}", music=music) as cluster:

            async def run() -> None:
                with pytest.raises(HocketError) as caught:
                    async with listening(cluster):
                        pass
                assert caught.value.code in {ErrorCode.CLUSTER_FULL, ErrorCode.TIMED_OUT}

            asyncio.run(run())
            troubled = [node for node in cluster.status()["nodes"] if node["state"] in {"waiting", "crashed"}]
            assert {node["role"] for node in troubled} == {"auth", "file"}
            assert any("all ports" in line for node in troubled for line in node["last_lines"])
