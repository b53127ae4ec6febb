"""Pull any plug: what is heard stays what the file holds."""

import asyncio
from pathlib import Path

import pytest

from hocket.client import events
from hocket.client.playing import State
from hocket.core.errors import ErrorCode, HocketError
from hocket.wire.messages.login import FindStream
from hocket.wire.messages.tracks import OpenTrack
from tests.client.kit import listening
from tests.kit.fakecluster import CD, FakeCluster, make_song

pytestmark = pytest.mark.in_time


@pytest.mark.parametrize("plain", [False, True], ids=["tls", "plain"])
def test_another_streaming_node_goes_on_at_the_next_byte(plain: bool, tmp_path: Path) -> None:
    song = make_song(seconds=40.0)

    async def scene() -> None:
        async with (
            FakeCluster(song, files=2, plain=plain) as cluster,
            listening(cluster, tmp_path, fast=True) as listener,
        ):
            first, second = cluster.files
            first.die_after_bytes = 3_000_000
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            (moved,) = listener.told.of(events.Moved)
            assert (moved.origin, moved.to) == (first.node, second.node)
            assert moved.why
            # Nothing that had come was asked for again but what was under way.
            assert first.sent_bytes + second.sent_bytes < len(song.content) + 2_000_000

    asyncio.run(scene())


def test_every_node_dies_once_and_comes_back(tmp_path: Path) -> None:
    song = make_song(seconds=40.0)

    async def scene() -> None:
        async with FakeCluster(song, files=3) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            for number, file in enumerate(cluster.files):
                file.die_after_bytes = 1_500_000 + number * 400_000
            playing = asyncio.create_task(listener.engine.play(song.track))
            await listener.told.wait(events.Moved)
            await listener.told.wait(events.Moved)
            for file in cluster.files:
                file.die_after_bytes = None
                if not file.is_up:
                    await file.stop()
                    await file.start()
            await playing
            assert await listener.idle() is None
            assert listener.samples() == song.samples

    asyncio.run(scene())


def test_a_draining_node_is_left_in_time(tmp_path: Path) -> None:
    song = make_song(seconds=15.0)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path) as listener:
            first, second = cluster.files
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            first.drain()
            moved = await listener.told.wait(events.Moved, to=second.node)
            assert "maintenance" in moved.why
            await listener.engine.stop()
            assert listener.told.of(events.Stalled) == []

    asyncio.run(scene())


def test_a_node_that_falls_silent_is_left(tmp_path: Path) -> None:
    song = make_song(seconds=30.0)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path) as listener:
            first, second = cluster.files
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await listener.told.wait(events.Position)  # by now it has read ahead
            first.gate.clear()  # its machine hangs: connections stay open, nothing comes
            await listener.told.wait(events.Moved, to=second.node)
            assert listener.told.of(events.Stalled) == []
            await listener.engine.stop()

    asyncio.run(scene())


def test_music_goes_on_without_prime_and_auth_node(tmp_path: Path) -> None:
    song = make_song(seconds=3.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await cluster.prime.stop()
            await cluster.auths[0].stop()
            await listener.told.wait(events.Prime, reachable=False)
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            assert listener.told.of(events.Stalled) == []

    asyncio.run(scene())


def test_the_prime_is_found_again(tmp_path: Path) -> None:
    song = make_song(seconds=0.2)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            await cluster.prime.stop()
            await listener.told.wait(events.Prime, reachable=False)
            await cluster.prime.start()
            await listener.told.wait(events.Prime, reachable=True)
            await cluster.files[0].stop()
            await listener.engine.play(song.track)  # finds the other node through the prime
            assert await listener.idle() is None
            assert listener.samples() == song.samples

    asyncio.run(scene())


def test_without_a_prime_the_last_known_nodes_are_asked_again(tmp_path: Path) -> None:
    song = make_song(seconds=30.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            (file,) = cluster.files
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await cluster.prime.stop()
            await listener.told.wait(events.Prime, reachable=False)
            before = file.sent_bytes
            await file.stop()
            await file.start()  # the same node at the same place
            await listener.engine.seek(28.0)
            assert await listener.idle() is None
            assert file.sent_bytes > before
            assert listener.samples().endswith(song.samples[round(28.0 * 44100) * 4 :])

    asyncio.run(scene())


def test_a_slow_line_stalls_and_recovers(tmp_path: Path) -> None:
    song = make_song(seconds=4.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            (file,) = cluster.files
            file.rate_bytes_s = 0.5 * CD.bytes_per_second
            await listener.engine.play(song.track)
            await listener.told.wait(events.Stalled)
            file.rate_bytes_s = 0.0
            unstalled = await listener.told.wait(events.Unstalled)
            assert unstalled.ms > 0
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            ended = listener.told.of(events.Ended)[0]
            assert ended.stalls == len(listener.told.of(events.Stalled))

    asyncio.run(scene())


def test_a_node_that_lacks_the_track_is_passed_over(tmp_path: Path) -> None:
    song = make_song(seconds=0.3)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            cluster.files[0].lacks.add(song.track.id)
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.samples() == song.samples

    asyncio.run(scene())


def test_a_queue_over_machines_that_hold_a_part_each(tmp_path: Path) -> None:
    """The prime knows who holds what; what a warm line lacks is played from where it is, without a gap or a word."""
    songs = [make_song(f"{number}.wav", seconds=2.0) for number in range(4)]

    async def scene() -> None:
        async with FakeCluster(*songs, files=2) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            first, second = cluster.files
            first.lacks = {songs[1].track.id, songs[3].track.id}
            second.lacks = {songs[0].track.id, songs[2].track.id}
            cluster.knows_holders = True
            await listener.engine.play_all([song.track for song in songs])
            opened = [await listener.told.wait(events.Opened) for _ in songs]
            assert await listener.idle() is None
            assert [one.source for one in opened[::2]] == [first.node] * 2
            assert [one.source for one in opened[1::2]] == [second.node] * 2
            assert listener.samples() == b"".join(song.samples for song in songs)
            assert not listener.told.of(events.Error)
            assert not listener.told.of(events.Moved)
            assert first.count(OpenTrack) + second.count(OpenTrack) <= 2 * len(songs)
            # A node that was left because nobody needed it has not failed: else another one would be started.
            lacking = {
                song.track.id: file.node for file in cluster.files for song in songs if song.track.id in file.lacks
            }
            for asked in cluster.prime.asked:
                if isinstance(asked, FindStream) and asked.track:
                    assert set(asked.avoid) <= {lacking[asked.track]}

    asyncio.run(scene())


def test_machines_with_the_track_that_are_full_are_named_as_such(tmp_path: Path) -> None:
    song = make_song()

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path) as listener:
            first, second = cluster.files
            first.lacks.add(song.track.id)
            cluster.knows_holders = True
            await listener.engine.all_tracks()  # a line to the first is open
            second.draining = True
            await listener.engine.play(song.track)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.CLUSTER_FULL

    asyncio.run(scene())


def test_a_prime_that_is_wrong_about_a_track_is_not_asked_for_ever(tmp_path: Path) -> None:
    song = make_song()

    async def scene() -> None:
        async with FakeCluster(song, files=6) as cluster, listening(cluster, tmp_path) as listener:
            for file in cluster.files:
                file.lacks.add(song.track.id)
            await listener.engine.play(song.track)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.TRACK_MISSING
            assert sum(file.count(OpenTrack) for file in cluster.files) <= 4

    asyncio.run(scene())


def test_a_track_that_is_gone_everywhere_is_missing(tmp_path: Path) -> None:
    song = make_song(seconds=0.3)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path) as listener:
            cluster.songs.clear()
            await listener.engine.play(song.track)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.TRACK_MISSING
            assert listener.told.of(events.Ended) == []
            assert listener.told.of(events.Error)[0].code == "TRACK_MISSING"

    asyncio.run(scene())


def test_a_track_that_goes_away_plays_as_far_as_it_came(tmp_path: Path) -> None:
    song = make_song(seconds=40.0)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            first, second = cluster.files
            first.die_after_bytes = 2_000_000
            second.lacks.add(song.track.id)
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            cluster.songs.clear()
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.PLAYBACK_LOST
            assert song.track.name in failure.text
            played = listener.samples()
            assert song.samples.startswith(played)
            assert len(played) > 1_500_000
            ended = listener.told.of(events.Ended)[0]
            assert (ended.frames, ended.complete) == (len(played) // 4, False)

    asyncio.run(scene())


def test_wrong_lengths_end_the_trust_in_a_node(tmp_path: Path) -> None:
    song = make_song(seconds=1.0)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            first, second = cluster.files
            first.spoil = lambda offset, data: data[:-8] if offset > 100_000 else data
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            assert listener.told.of(events.Moved)[0].to == second.node

    asyncio.run(scene())


def test_a_full_cluster_is_said_at_once(tmp_path: Path) -> None:
    song = make_song()

    async def scene() -> None:
        async with FakeCluster(song, files=0) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.CLUSTER_FULL

    asyncio.run(scene())


def test_it_gives_up_when_nobody_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.client.player.GIVE_UP_S", 0.5)
    song = make_song(seconds=3.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            (file,) = cluster.files
            file.die_after_bytes = 250_000
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await cluster.prime.stop()
            await listener.told.wait(events.Stalled)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.PLAYBACK_LOST
            assert listener.engine.reading().state is State.STOPPED

    asyncio.run(scene())


def test_a_node_that_stumbles_over_a_track_is_passed_over(tmp_path: Path) -> None:
    song = make_song(seconds=0.3)

    async def scene() -> None:
        async with FakeCluster(song, files=2) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            first, _ = cluster.files
            first.stumbles = True
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            assert first.count(OpenTrack) == 1

    asyncio.run(scene())


def test_the_only_node_stumbles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.client.player.START_GIVE_UP_S", 0.5)
    song = make_song(seconds=0.3)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            cluster.files[0].stumbles = True
            await listener.engine.play(song.track)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.BUG
            assert cluster.files[0].count(OpenTrack) < 20  # no busy loop

    asyncio.run(scene())
