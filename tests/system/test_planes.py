"""Planes with real processes: join, spawn there, loss and return, removal."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hocket.adapters import link as links
from hocket.adapters.certificates import new_key_pem, request_certificate
from hocket.adapters.link import Link
from hocket.adapters.tls import stranger_context
from hocket.auth.jointokens import JoinToken
from hocket.client import events
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, Refused
from hocket.core.ids import NodeId, Role
from hocket.wire.message import Message
from hocket.wire.messages.login import FindLogin, LoginAt
from hocket.wire.messages.planes import Join, Joined
from tests.kit import proc
from tests.kit.cluster import Cluster, Status
from tests.kit.processes import ROOT, Program, run_to_end
from tests.system.kit import QUICK, WAIT_S, listening, make_song, until

pytestmark = pytest.mark.in_time


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


def test_nobody_joins_under_the_id_of_a_node_that_is_being_spawned(cluster: Cluster) -> None:
    """A certificate of that name would let its holder sign tickets in the node's place."""
    cluster.plane("one", token=cluster.token(), music=cluster.music)
    token = JoinToken.parse(cluster.token("--uses", "2"))

    async def run() -> None:
        async with listening(cluster):
            [spawned] = [
                node["id"] for node in (await asyncio.to_thread(cluster.status))["nodes"] if node["role"] == "auth"
            ]
            mine = links.hello(Role.LISTENER, NodeId(""))
            address, expect = HostPort.parse(cluster.address), (Role.PRIME, None)
            link = await links.connect(address, stranger_context(), mine, Nobody(), expect=expect, believe=True)
            for node in (spawned, "auth-ffffffffffff"):  # and one that nobody heard of yet
                request = request_certificate(Role.AUTH, NodeId(node), new_key_pem())
                with pytest.raises(Refused, match="not one to join under") as caught:
                    await link.request(Join(token.id, token.secret, request), Joined)
                assert caught.value.code is ErrorCode.TOKEN_REFUSED
            link.close()
            await link.wait_closed()

    asyncio.run(run())


class Nobody:
    async def on_message(self, link: Link, message: Message) -> Message | None:
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...


def test_a_plane_that_is_stopped_before_it_serves_does_not_say_that_it_does(cluster: Cluster) -> None:
    plane = cluster.plane("one", token=cluster.token(), music=cluster.music)
    assert plane.stop() == 0
    cluster.kill_prime()
    folder = cluster.folder / "one" / "data"
    command: list[str | Path] = [sys.executable, ROOT / "planeNODE.py", "--data", folder, "--verbose"]
    with Program(command, env=cluster.env, cwd=cluster.folder) as waiting:
        waiting.wait_error_line("no prime")
        assert waiting.stop() == 0
        assert waiting.stdout_lines == []


def test_a_plane_that_is_stopped_while_it_joins_ends_at_once(cluster: Cluster) -> None:
    """Nobody answers at the address that the token names, and no answer is waited for."""
    token = JoinToken.parse(cluster.token())
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(WAIT_S)
        nowhere = msgspec.structs.replace(token, primes=(HostPort(*mute.getsockname()),) * 8).text()
        command: list[str | Path] = [sys.executable, ROOT / "planeNODE.py", "--data", cluster.folder / "new"]
        command += ["--join", nowhere]
        with Program(command, env=cluster.env, cwd=cluster.folder) as joining:
            with mute.accept()[0]:
                assert joining.stop() == 0
            assert joining.stdout_lines == []


def test_others_are_told_the_advertised_host(tmp_path: Path) -> None:
    """A prime behind a router: here its outer address is one more of the loopback interface."""
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A song.wav", 10)
    with Cluster(tmp_path, *QUICK, "--advertise", "127.0.0.5") as cluster:
        port = HostPort.parse(cluster.address).port
        outside = HostPort("127.0.0.5", port)
        assert str(outside) in cluster.control("invite").stdout
        assert JoinToken.parse(cluster.token()).primes == (outside,)
        assert cluster.status()["prime"]["address"] == str(outside)

        async def run() -> None:
            async with listening(cluster) as (engine, told):  # from this very machine: by the address listened on
                await engine.play("song")
                await told.wait(events.Playing)
            found = await find_login(HostPort.parse(cluster.address), "127.0.0.9")
            assert found.address.host == "127.0.0.5"

        asyncio.run(run())
        cluster.prime.stop()
        assert str(outside) in cluster.control("invite").stdout, "the operator may ask while no prime runs"


async def find_login(prime: HostPort, from_host: str) -> LoginAt:
    """Ask for a place to log in, from another address than the prime's own."""
    loop = asyncio.get_running_loop()
    link = Link(links.hello(Role.LISTENER, NodeId("")), Nobody(), believe=True)
    await loop.create_connection(
        lambda: link, prime.host, prime.port, ssl=stranger_context(), server_hostname="", local_addr=(from_host, 0)
    )
    try:
        async with asyncio.timeout(WAIT_S):
            await link.opened
            return await link.request(FindLogin(), LoginAt, WAIT_S)
    finally:
        await link.give_up()


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
