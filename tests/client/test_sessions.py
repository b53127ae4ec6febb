"""Log-in, heartbeats, tickets, and what happens when an authentication node or the prime is lost."""

import asyncio
from pathlib import Path

import pytest

from hocket.client import events
from hocket.core.errors import ErrorCode, HocketError
from hocket.wire.messages.common import Present
from hocket.wire.messages.login import LogOut, Resume, SessionHeartbeat
from tests.client.kit import Listener, listening
from tests.kit.fakecluster import PASSWORD, USER, FakeCluster, make_song


async def _refused(listener: Listener, cluster: FakeCluster, user: str = USER, password: str = PASSWORD) -> HocketError:
    with pytest.raises(HocketError) as raised:
        await listener.engine.log_in(cluster.address, user, password)
    assert listener.engine.snapshot().user == ""
    return raised.value


def test_log_in_and_out(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path) as listener:
            snapshot = listener.engine.snapshot()
            assert (snapshot.user, snapshot.auth_node) == (USER, cluster.auths[0].node)
            await listener.engine.log_out()
            assert cluster.auths[0].count(LogOut) == 1
            assert listener.engine.snapshot().user == ""
            assert isinstance(listener.told.all[-1], events.LoggedOut)
            with pytest.raises(HocketError):
                await listener.engine.tracks()

    asyncio.run(scene())


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("Nobody", PASSWORD)])
def test_a_refused_log_in_is_not_tried_elsewhere(user: str, password: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(auths=2) as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            error = await _refused(listener, cluster, user, password)
            assert error.code is ErrorCode.LOGIN_REFUSED
            assert cluster.auths[1].asked == []
            await listener.engine.log_in(cluster.address, USER, PASSWORD)  # another try is welcome

    asyncio.run(scene())


@pytest.mark.parametrize("code", [ErrorCode.NODE_FULL, ErrorCode.DRAINING])
def test_a_node_that_filled_up_meanwhile_is_passed_over(code: ErrorCode, tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(auths=2) as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            cluster.auths[0].refuse_login = HocketError("no room", code=code)
            await listener.engine.log_in(cluster.address, USER, PASSWORD)
            assert listener.engine.snapshot().auth_node == cluster.auths[1].node

    asyncio.run(scene())


def test_a_full_cluster_refuses(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(auths=0) as cluster, listening(cluster, tmp_path, log_in=False) as listener:
            assert (await _refused(listener, cluster)).code is ErrorCode.CLUSTER_FULL

    asyncio.run(scene())


def test_a_lost_auth_node_is_replaced_under_the_music(tmp_path: Path) -> None:
    song = make_song(seconds=2.5)

    async def scene() -> None:
        async with FakeCluster(song, auths=2) as cluster, listening(cluster, tmp_path) as listener:
            first, second = cluster.auths
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await first.stop()
            moved = await listener.told.wait(events.SessionMoved)
            assert (moved.origin, moved.to) == (first.node, second.node)
            assert second.count(Resume) == 1
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            assert listener.engine.snapshot().auth_node == second.node

    asyncio.run(scene())


def test_a_draining_auth_node_is_left(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(auths=2) as cluster, listening(cluster, tmp_path) as listener:
            cluster.auths[0].drain()
            moved = await listener.told.wait(events.SessionMoved)
            assert "maintenance" in moved.why
            assert moved.to == cluster.auths[1].node

    asyncio.run(scene())


def test_an_auth_node_that_hangs_is_left(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(auths=2, heartbeat_s=0.2) as cluster, listening(cluster, tmp_path) as listener:
            cluster.auths[0].silent = True
            assert (await listener.told.wait(events.SessionMoved)).to == cluster.auths[1].node

    asyncio.run(scene())


def test_tickets_are_renewed_while_music_plays(tmp_path: Path) -> None:
    song = make_song(seconds=4.0)

    async def scene() -> None:
        async with (
            FakeCluster(song, ticket_s=1.0, heartbeat_s=0.2) as cluster,
            listening(cluster, tmp_path) as listener,
        ):
            (file,) = cluster.files
            file.rate_bytes_s = 400_000.0  # so that it still reads when the first tickets have run out
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            assert file.count(Present) > 3
            assert cluster.auths[0].count(SessionHeartbeat) > 5

    asyncio.run(scene())


def test_without_fresh_tickets_the_music_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.client.player.GIVE_UP_S", 1.0)
    song = make_song(seconds=20.0)

    async def scene() -> None:
        async with (
            FakeCluster(song, ticket_s=0.6, heartbeat_s=0.2) as cluster,
            listening(cluster, tmp_path) as listener,
        ):
            cluster.files[0].rate_bytes_s = 250_000.0
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await cluster.auths[0].stop()
            await cluster.prime.stop()
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.PLAYBACK_LOST

    asyncio.run(scene())


def test_a_ban_ends_the_music_at_once(tmp_path: Path) -> None:
    song = make_song(seconds=20.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            cluster.auths[0].ban()
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.SESSION_ENDED
            assert "disabled" in failure.text
            assert listener.told.of(events.Error)[0].code == "SESSION_ENDED"
            assert listener.engine.snapshot().user == ""

    asyncio.run(scene())


def test_a_session_that_cannot_be_resumed_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hocket.client.session.SESSION_GRACE_S", 0.3)

    async def scene() -> None:
        async with FakeCluster(ticket_s=0.5, heartbeat_s=0.1) as cluster, listening(cluster, tmp_path) as listener:
            await cluster.auths[0].stop()
            error = await listener.told.wait(events.Error)
            assert error.code == "SESSION_ENDED"

    asyncio.run(scene())


def test_a_refused_resumption_ends_the_session(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster(auths=2) as cluster, listening(cluster, tmp_path) as listener:
            cluster.auths[0].ban()
            cluster.ended.update()
            error = await listener.told.wait(events.Error)
            assert error.code == "SESSION_ENDED"
            assert cluster.auths[1].count(Resume) == 0

    asyncio.run(scene())


def test_without_the_prime_the_same_auth_node_is_asked_to_resume(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FakeCluster() as cluster, listening(cluster, tmp_path) as listener:
            (auth,) = cluster.auths
            await cluster.prime.stop()
            await listener.told.wait(events.Prime, reachable=False)
            await auth.stop()
            await auth.start()
            assert (await listener.told.wait(events.SessionMoved)).to == auth.node
            assert auth.count(Resume) == 1

    asyncio.run(scene())


def test_without_prime_and_auth_node_another_one_is_asked_to_resume(tmp_path: Path) -> None:
    """One that the listener only knows of by what came with its tickets."""

    async def scene() -> None:
        async with FakeCluster(auths=3, heartbeat_s=0.1) as cluster, listening(cluster, tmp_path) as listener:
            first, second, third = cluster.auths
            await second.stop()
            before = first.count(SessionHeartbeat)  # by the second one more, the first was answered
            await first.asked.wait(lambda: first.count(SessionHeartbeat) >= before + 2)
            await cluster.prime.stop()
            await listener.told.wait(events.Prime, reachable=False)
            await first.stop()
            assert (await listener.told.wait(events.SessionMoved)).to == third.node
            assert third.count(Resume) == 1

    asyncio.run(scene())


def test_lists_are_paged_and_survive_a_node(tmp_path: Path) -> None:
    songs = [make_song(f"song {number:04}.wav", 0.001) for number in range(1200)]

    async def scene() -> None:
        async with FakeCluster(*songs, files=2) as cluster, listening(cluster, tmp_path) as listener:
            found = await listener.engine.all_tracks()
            assert [track.name for track in found] == [song.track.name for song in songs]
            assert listener.told.of(events.Tracks) == [events.Tracks(1200)]
            await cluster.files[0].stop()
            page = await listener.engine.tracks("song 00", limit=10)
            assert (page.total, len(page.tracks)) == (100, 10)

    asyncio.run(scene())
