"""Accounts that are disabled while somebody cannot hear of it."""

import asyncio
from pathlib import Path

from hocket.client import events
from hocket.core.errors import ErrorCode
from tests.kit.cluster import Cluster
from tests.system.kit import QUICK, listening, make_song

PASSWORD = "a good password"


def test_an_account_disabled_while_no_prime_runs_is_cut_off_when_one_is_back(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    make_song(tmp_path / "music" / "A long song.wav", 120)
    with Cluster(tmp_path, *QUICK) as cluster:
        for name in ("Ann", "Bob"):
            cluster.control("users", "add", name, "--password-stdin", stdin=f"{PASSWORD}\n")

        async def run() -> None:
            async with (
                listening(cluster, user="Ann", password=PASSWORD) as (_, of_ann),
                listening(cluster, 1, user="Bob", password=PASSWORD) as (bob, of_bob),
            ):
                await bob.play("long")
                await of_bob.wait(events.Playing)
                await asyncio.to_thread(cluster.kill_prime)
                done = await asyncio.to_thread(cluster.control, "users", "disable", "Ann")
                assert done.returncode == 0, done.stderr
                await asyncio.to_thread(cluster.start_prime)
                error = await of_ann.wait(events.Error)
                assert error.code == ErrorCode.SESSION_ENDED
                await of_bob.wait(events.Prime, reachable=True)
                await of_bob.wait(events.Position)
                assert not of_bob.of(events.Error)

        asyncio.run(run())
