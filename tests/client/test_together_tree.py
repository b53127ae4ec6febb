"""A host whose line carries one friend: the others hear it through one another."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest

from hocket.client import events
from hocket.client.together import branches
from hocket.client.together.branches import Branches
from hocket.client.together.follower import Follower
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.sound import AudioFormat
from tests.client.kit import WAIT_S
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, make_song

pytestmark = pytest.mark.in_time

THIN = AudioFormat(11_025, 1, 8)
UPLOAD_BPS = 150_000
"""Carries one stream of 88 kbit/s, by four fifths of it."""


def followed(one: Ear) -> Follower:
    follower = one.engine.together._follower
    assert follower is not None
    return follower


def depth(one: Ear) -> int:
    return len(followed(one).path) - 1


def port(one: Ear) -> int:
    """Where a friend serves others."""
    address = followed(one).server.address
    assert address is not None
    return address.port


def fed_at(one: Ear) -> int:
    """The port that a friend's music comes from; 0: the host's."""
    link = followed(one)._music
    return 0 if link is None else link.peer_address.port


def limit(one: Ear, upload_bps: int = UPLOAD_BPS) -> None:
    together = one.engine.together
    together._options = msgspec.structs.replace(together._options, upload_bps=upload_bps)


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


def test_friends_on_a_far_island_hear_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make_song("thin.wav", 120, THIN)
    far_ports: set[int] = set()
    ask = Branches._ask
    monkeypatch.setattr(branches, "DRAW_NS", NS_PER_S)
    monkeypatch.setattr(Branches, "_ask", lambda self, *args: ask(self, *args) if far_ports else None)

    async def run() -> None:
        async with FakeCluster(song) as cluster, AsyncExitStack() as stack:
            names = ("host", "one", "two", "three", "four")
            host, *friends = [await stack.enter_async_context(ear(cluster, tmp_path, name)) for name in names]
            limit(host, 2 * UPLOAD_BPS)
            address = await play(host, song)
            for number, one in enumerate(friends):
                limit(one)
                await one.engine.together.join(address)
                await one.told.wait(events.Playing)
                async with asyncio.timeout(WAIT_S):
                    while depth(one) != 1 + number // 2:
                        await one.told.wait(events.Position)
                followed(one).surveyor.measure = partial(_round_trip_us, far_ports, port(one))
            _, there, *ends = friends
            far_ports.update({port(there), *(port(one) for one in ends if fed_at(one) != port(there))})
            async with asyncio.timeout(WAIT_S):
                while any((fed_at(one) == port(there)) != (port(one) in far_ports) for one in ends):
                    await ends[0].told.wait(events.Position)
            await ends[0].heard(THIN.rate_hz)
            assert [depth(one) for one in friends] == [1, 1, 2, 2]

    asyncio.run(run())


async def _round_trip_us(far_ports: set[int], here: int, at: HostPort) -> int:
    return 80_000 if (at.port in far_ports) != (here in far_ports) else 1_000


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
