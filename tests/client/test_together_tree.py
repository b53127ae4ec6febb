"""A host whose line carries one friend: the others hear it through one another."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from hocket.client import events
from hocket.core.sound import AudioFormat
from tests.client.kit import WAIT_S
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, make_song

THIN = AudioFormat(11_025, 1, 8)
UPLOAD_BPS = 150_000
"""Carries one stream of 88 kbit/s, by four fifths of it."""


def depth(one: Ear) -> int:
    follower = one.engine.together._follower
    assert follower is not None
    return len(follower.path) - 1


def limit(one: Ear) -> None:
    together = one.engine.together
    together._options = msgspec.structs.replace(together._options, upload_bps=UPLOAD_BPS)


def test_a_chain_of_three_plays_and_pauses_as_one(tmp_path: Path) -> None:
    song = make_song("thin.wav", 120, THIN)

    async def run() -> None:
        async with FakeCluster(song) as cluster, AsyncExitStack() as stack:
            names = ("host", "first", "second", "third")
            host, *friends = [await stack.enter_async_context(ear(cluster, tmp_path, name)) for name in names]
            for one in (host, *friends):
                limit(one)
            address = await play(host, song)
            for number, one in enumerate(friends):
                await one.engine.together.join(address)
                await one.told.wait(events.Playing)
                async with asyncio.timeout(WAIT_S):
                    while depth(one) != number + 1:
                        await one.told.wait(events.Position)
            party = host.engine.together._host
            assert party is not None
            assert sum(friend.listens for friend in party.hall.friends) == 1, "one alone gets the music here"
            assert {len(one.engine.together.state.members) for one in friends} == {4}, "each knows all"
            await host.engine.pause()
            frames = {(await one.told.wait(events.Paused)).frame for one in (host, *friends)}
            assert len(frames) == 1

    asyncio.run(run())


def test_who_loses_its_parent_hears_the_host_or_another(tmp_path: Path) -> None:
    song = make_song("thin.wav", 120, THIN)

    async def run() -> None:
        async with FakeCluster(song) as cluster, ear(cluster, tmp_path, "host") as host:
            limit(host)
            address = await play(host, song)
            async with ear(cluster, tmp_path, "second") as second:
                async with ear(cluster, tmp_path, "first") as first:
                    for number, one in enumerate((first, second)):
                        limit(one)
                        await one.engine.together.join(address)
                        await one.told.wait(events.Playing)
                        async with asyncio.timeout(WAIT_S):
                            while depth(one) != number + 1:
                                await one.told.wait(events.Position)
                async with asyncio.timeout(WAIT_S):
                    while depth(second) != 1:
                        await second.told.wait(events.Position)
                await second.heard(2 * THIN.rate_hz)

    asyncio.run(run())
