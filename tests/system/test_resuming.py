"""Sessions that go elsewhere while nobody can say where."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from hocket.client import events
from tests.kit.cluster import Cluster
from tests.system.kit import QUICK, listening, make_song, until

pytestmark = pytest.mark.in_time


def test_a_session_survives_its_auth_node_and_the_prime_together(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A long song.wav", 120)
    flags = ("--max-users", "2", "--heartbeat", "0.2", "--lease", "1", "--session-heartbeat", "0.5")
    with Cluster(tmp_path, *flags) as cluster:

        async def run() -> None:
            async with contextlib.AsyncExitStack() as company, listening(cluster) as (ann, of_ann):
                async with listening(cluster, 1):  # fills the first node, so that the next one gets another
                    cid, _ = await company.enter_async_context(listening(cluster, 2))
                await ann.play("long")
                await of_ann.wait(events.Playing)
                home, elsewhere = ann.snapshot().auth_node, cid.snapshot().auth_node
                assert home != elsewhere
                session = ann._cluster.session if ann._cluster else None
                assert session is not None
                status = await until(cluster, lambda status: bool(session._others))
                [pid] = [node["pid"] for node in status["nodes"] if node["id"] == home]
                await asyncio.to_thread(cluster.kill_prime)
                os.kill(pid, signal.SIGKILL)
                assert (await of_ann.wait(events.SessionMoved)).to == elsewhere
                await asyncio.to_thread(cluster.start_prime)
                await of_ann.wait(events.Prime, reachable=True)
                await of_ann.wait(events.Position)
                assert not of_ann.of(events.Error)
                kept = {node["id"] for node in status["nodes"]} - {home}
                await until(cluster, lambda status: kept <= {node["id"] for node in status["nodes"]})

        asyncio.run(run())


def test_a_listener_that_slept_for_longer_than_its_ticket_goes_on(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A long song.wav", 120)
    play = ("--output", "null", "play", "long", "--for", "20")
    with Cluster(tmp_path, *QUICK) as cluster, cluster.listener(*play) as listener:
        listener.wait_event("playing")
        listener.send_signal(signal.SIGSTOP)

        async def forgotten() -> None:
            await until(cluster, lambda status: status["listeners"] == 0)

        asyncio.run(forgotten())
        listener.send_signal(signal.SIGCONT)
        listener.wait_event("session_moved")
        listener.wait_event("ended", timeout_s=60)
        assert listener.wait_exit() == 0
        assert listener.events_named("error") == []
