"""Listening together on one machine: what a follower plays is the host's own samples, at the host's own moment."""

import asyncio
from pathlib import Path

import pytest

from hocket.client import events
from hocket.core.errors import ErrorCode, HocketError
from tests.client.kit import WAIT_S
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, Song, make_song

pytestmark = pytest.mark.in_time

SECOND = 44_100


@pytest.fixture(scope="module")
def song() -> Song:
    return make_song("together.wav", 60)


def test_pause_resume_and_seek_reach_a_follower_at_the_very_sample(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            await friend.engine.together.join(await play(host, song))
            await friend.told.wait(events.Playing)
            await host.engine.pause()
            paused = await friend.told.wait(events.Paused)
            assert paused == (await host.told.wait(events.Paused))
            await host.engine.resume()
            await friend.told.wait(events.Resumed)
            await host.engine.seek(30)
            await friend.told.wait(events.Paused)
            assert (await friend.told.wait(events.Resumed)).frame == 30 * SECOND
            await friend.told.wait(events.Offset)
        first, second = friend.runs(song)
        played = host.runs(song)
        assert first[0] + first[1] == played[0][1], "both fell silent after the same sample"
        assert second[0] == played[1][0] == 30 * SECOND
        assert not friend.told.of(events.Stalled)
        assert all(abs(told.ms) < 3 for told in friend.told.of(events.Offset))

    asyncio.run(run())


def test_what_a_friend_suggests_comes_into_the_hosts_queue(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            await play(host, song)
            await friend.engine.together.join(host.engine.together.invite(may_control=True))
            await friend.told.wait(events.Playing)
            before = len(host.engine.queue)
            await friend.engine.together.suggest(song.track.id)
            while len(host.engine.queue) == before:
                await host.told.wait(events.QueueChanged)
            assert host.engine.queue[-1].track.id == song.track.id

    asyncio.run(run())


def test_who_leaves_and_comes_back_is_at_the_right_point(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            address = await play(host, song)
            for _ in range(2):
                await friend.engine.together.join(address)
                await host.told.wait(events.PeerJoined)
                opened = await friend.told.wait(events.Opened)
                assert opened.track == song.track.id
                await friend.told.wait(events.Offset)
                await friend.engine.together.leave()
                await host.told.wait(events.PeerLeft)
            moments = [friend.runs(song, file)[0][0] for file in range(2)]
            assert moments[0] < moments[1] < host.engine.reading().position_frames

    asyncio.run(run())


def test_a_host_knows_its_friends_line(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            await friend.engine.together.join(await play(host, song))
            await friend.told.wait(events.Playing)
            async with asyncio.timeout(WAIT_S):
                while not any(one.jitter_ms for one in host.engine.together.state.members):
                    await host.told.wait(events.Position)
            [line] = [one for one in host.engine.together.state.members if one.round_trip_ms]
            assert line.jitter_ms > 0
            assert 0 <= line.lost_percent <= 100

    asyncio.run(run())


def test_no_streaming_node_is_asked_by_a_follower(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            await friend.engine.together.join(await play(host, song))
            opened = await friend.told.wait(events.Opened)
            assert not opened.source.startswith("file")
            assert opened.source != "node"
            assert friend.engine.together.state.following

    asyncio.run(run())


def test_when_the_host_leaves_the_music_goes_on(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "friend") as friend,
            ear(cluster, tmp_path, "other") as other,
        ):
            async with ear(cluster, tmp_path, "host") as host:
                address = await play(host, song)
                for one in (friend, other):
                    await one.engine.together.join(address)
                    await one.told.wait(events.Offset)
                for one in (friend, other):
                    await _known_to(one)
            await asyncio.gather(friend.heard(3 * SECOND), other.heard(3 * SECOND))
            hosting = [one for one in (friend, other) if one.engine.together.state.hosting]
            assert len(hosting) == 1, "one of them hosts now"
            assert not [*friend.told.of(events.Stalled), *other.told.of(events.Stalled)]
            await hosting[0].engine.pause()
            ends = [(await one.told.wait(events.Paused)).frame for one in (friend, other)]
            assert ends[0] == ends[1]
        assert len(hosting[0].runs(song)) == 1, "no gap, no jump: one run of the song"

    asyncio.run(run())


async def _known_to(one: Ear, members: int = 3) -> None:
    """Wait until a follower stands among the host's members, twice: then the roster has come, too."""
    async with asyncio.timeout(WAIT_S):
        while len(one.engine.together.state.members) < members:
            await one.told.wait(events.Position)
        await one.told.wait(events.Position)


def test_when_the_music_is_over_so_is_the_session(tmp_path: Path) -> None:
    async def run() -> None:
        short = make_song("short.wav", 6)
        async with FakeCluster(short) as cluster, ear(cluster, tmp_path, "friend") as friend:
            async with ear(cluster, tmp_path, "host") as host:
                await friend.engine.together.join(await play(host, short))
                await friend.told.wait(events.Playing)
                await _known_to(friend, 2)
                assert (await host.told.wait(events.Ended)).complete
            async with asyncio.timeout(WAIT_S):
                assert await friend.engine.wait_idle() is None
            assert (await friend.told.wait(events.Ended)).complete
        first, frames = friend.runs(short)[0]
        assert first + frames == short.track.frames, "to the very last sample"

    asyncio.run(run())


def test_one_cannot_follow_oneself(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with FakeCluster(song) as cluster, ear(cluster, tmp_path, "host") as host:
            address = await play(host, song)
            with pytest.raises(HocketError) as caught:
                await host.engine.together.join(address)
            assert caught.value.code is ErrorCode.NOT_ALLOWED

    asyncio.run(run())


def test_an_invite_lets_in_as_often_as_it_says(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host", invite_only=True) as host,
            ear(cluster, tmp_path, "friend") as friend,
            ear(cluster, tmp_path, "other") as other,
        ):
            address = await play(host, song)
            with pytest.raises(HocketError) as caught:
                await friend.engine.together.join(address)
            assert caught.value.code is ErrorCode.NOT_ALLOWED
            invite = host.engine.together.invite(may_control=True)
            await friend.engine.together.join(invite)
            await friend.told.wait(events.Playing)
            await friend.engine.pause()
            await host.told.wait(events.Paused)
            await friend.told.wait(events.Paused)
            with pytest.raises(HocketError) as damaged:
                await other.engine.together.join(invite[:-4])
            assert damaged.value.code is ErrorCode.INVITE_REFUSED

    asyncio.run(run())


def test_a_listener_may_not_control_and_can_be_sent_away(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            await friend.engine.together.join(await play(host, song))
            await friend.told.wait(events.Playing)
            with pytest.raises(HocketError) as caught:
                await friend.engine.pause()
            assert caught.value.code is ErrorCode.NOT_ALLOWED
            assert host.engine.together.kick("Someone", ban=True)
            async with asyncio.timeout(WAIT_S):
                why = await friend.engine.together.wait_over()
            assert why is not None
            assert why.code is ErrorCode.NOT_ALLOWED

    asyncio.run(run())
