"""Accounts that change while somebody cannot hear of it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hocket.client import events
from hocket.core.errors import ErrorCode
from tests.kit.cluster import Cluster
from tests.system.kit import QUICK, listening, make_song

pytestmark = pytest.mark.in_time

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


def test_a_password_changed_while_no_prime_runs_ends_what_was_opened_with_the_old_one(tmp_path: Path) -> None:
    """On the authentication node that kept the session, and on one that knows its ticket only."""
    with Cluster(tmp_path, *QUICK, "--max-users", "1") as cluster:
        for name in ("Ann", "Bob"):
            cluster.control("users", "add", name, "--password-stdin", stdin=f"{PASSWORD}\n")

        async def run() -> None:
            async with (
                listening(cluster, user="Ann", password=PASSWORD) as (_, of_ann),
                listening(cluster, 1, user="Bob", password=PASSWORD) as (bob, of_bob),
            ):
                pids = {node["id"]: node["pid"] for node in await asyncio.to_thread(cluster.nodes, "auth")}
                assert len(pids) == 2
                await asyncio.to_thread(cluster.kill_prime)
                for name in ("Ann", "Bob"):
                    done = await asyncio.to_thread(
                        cluster.control, "users", "passwd", name, "--password-stdin", stdin="a new password\n"
                    )
                    assert done.returncode == 0, done.stderr
                os.kill(pids[bob.snapshot().auth_node], signal.SIGKILL)
                await asyncio.to_thread(cluster.start_prime)
                for told in (of_ann, of_bob):
                    error = await told.wait(events.Error)
                    assert error.code == ErrorCode.SESSION_ENDED
                    assert "password of this account was changed" in error.text

        asyncio.run(run())
