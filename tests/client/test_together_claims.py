"""Two who claim to host one session at the same moment, beside the host that they hold for dead: one remains."""

import asyncio
import time
from pathlib import Path

import pytest

from hocket.client import events
from hocket.client.together.follower import Follower
from hocket.core.clock import NS_PER_S
from hocket.relay import handover
from hocket.relay.handover import Claimed
from tests.client.kit import WAIT_S
from tests.client.test_together_relays import check_unbroken
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, make_song

SECOND = 44_100
NEAR_S = 0.05
"""Of the right point, in one busy process that plays four times."""


def follower_of(one: Ear) -> Follower:
    follower = one.engine.together._follower
    assert follower is not None
    return follower


def claim(one: Follower) -> None:
    """It believes that it has not heard the host for long, and that its turn has come."""
    now_ns = time.monotonic_ns()
    one.succession._heard_ns = now_ns - 10 * NS_PER_S
    decision = one.succession.tick(now_ns)
    assert isinstance(decision, Claimed)
    one.decide(decision)


def test_of_two_that_claim_at_once_one_remains_and_nobody_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = make_song("claimed.wav", 120)
    monkeypatch.setattr(handover, "STAGGER_NS", 0)

    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "one") as one,
            ear(cluster, tmp_path, "two") as two,
            ear(cluster, tmp_path, "looks on") as third,
        ):
            address = await play(host, song)
            friends = (one, two, third)
            for friend in friends:
                await friend.engine.together.join(address)
                await friend.told.wait(events.Offset)
            rivals = follower_of(one), follower_of(two)
            async with asyncio.timeout(WAIT_S):
                while any(len(r.members) < 4 or r.key not in _roster(r) for r in rivals):
                    await third.told.wait(events.Position)
            for rival in rivals:
                claim(rival)
            assert all(rival.is_hosting for rival in rivals), "neither has heard of the other"
            winner = min(rivals, key=lambda rival: rival.id)
            async with asyncio.timeout(WAIT_S):
                while any(_host_of(listener) != winner.id for listener in (*friends, host)):
                    await third.told.wait(events.Position)
            assert [rival.is_hosting for rival in rivals] == [rival is winner for rival in rivals]
            await asyncio.gather(*(friend.heard(2 * SECOND) for friend in friends))
            async with asyncio.timeout(WAIT_S):
                while any(abs(follower_of(friend).timed.error_s) > NEAR_S for friend in friends):
                    await third.told.wait(events.Position)
            leading = one if winner is rivals[0] else two
            await leading.engine.pause()
            everybody = (*friends, host)
            assert len({(await listener.told.wait(events.Paused)).frame for listener in everybody}) == 1
        for friend in friends:
            check_unbroken(friend)

    asyncio.run(run())


def _roster(one: Follower) -> tuple[bytes, ...]:
    return one.succession.reign.roster.roster.successors


def _host_of(one: Ear) -> str:
    """The id of whom it takes for the host; empty while it is finding out."""
    together = one.engine.together
    party = together._follower or together._host
    return "" if party is None or not hasattr(party, "succession") else party.succession.reign.claim.host
