"""Who comes to the wrong door, or speaks before being let in: told so plainly, and nobody is hurt."""

import asyncio
from pathlib import Path

import pytest

from hocket.adapters.peers import PeerLink
from hocket.client import events
from hocket.client.together.follower import Follower
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.invites import JoinAddress
from hocket.wire.messages.common import ErrorReply
from hocket.wire.messages.together import Admitted, AskTime, LeafNews, TimeIs
from tests.client.strangers import admitted, stranger
from tests.client.together_kit import ear, play
from tests.kit.fakecluster import FakeCluster, make_song
from tests.kit.ports import free_port


def test_whoever_dials_the_own_port_is_told_so(tmp_path: Path) -> None:
    """It begins to serve there to pass music on, and would answer itself."""

    async def run() -> None:
        at = HostPort("127.0.0.1", free_port())
        async with FakeCluster() as cluster, ear(cluster, tmp_path, "lonely", host=at) as lonely:
            for _ in range(2):
                with pytest.raises(HocketError, match=f"{at} is your own address") as caught:
                    await lonely.engine.together.join(str(at))
                assert caught.value.code is ErrorCode.NOT_ALLOWED
                assert "your friend's player" in caught.value.hint
            assert not lonely.engine.together.is_following

    asyncio.run(run())


def test_a_host_that_dials_its_own_address_is_told_so(tmp_path: Path) -> None:
    song = make_song("own.wav", 20)

    async def run() -> None:
        async with FakeCluster(song) as cluster, ear(cluster, tmp_path, "host") as host:
            at = await play(host, song)
            with pytest.raises(HocketError, match="is your own address"):
                await host.engine.together.join(at)

    asyncio.run(run())


def test_a_newcomer_is_pushed_only_what_it_cannot_have_asked_for(tmp_path: Path) -> None:
    """What is heard in the next seconds would hold up every answer about the time: it asks for that itself."""
    song = make_song("newcomer.wav", 60)

    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "guest") as guest,
        ):
            at = HostPort.parse(await play(host, song))
            assert guest.engine._cluster is not None
            hosting = host.engine.together._host
            assert hosting is not None
            for _ in range(2):
                async with stranger(at) as one:
                    await admitted(one, guest.engine._cluster.wallet)
                    due = {leaf for _, leaf in hosting.hall._due()}
                    assert len(due) > 10
                    while not isinstance(news := await one.hear(), LeafNews):
                        pass
                    assert news.leaf > max(due)

    asyncio.run(run())


def test_who_asks_for_the_time_before_joining_is_refused(tmp_path: Path) -> None:
    """And may come in by another connection."""
    song = make_song("early.wav", 20)

    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "guest") as guest,
        ):
            at = HostPort.parse(await play(host, song))
            assert guest.engine._cluster is not None
            wallet = guest.engine._cluster.wallet
            async with stranger(at) as hasty:
                await hasty.greet()
                hasty.say(AskTime(1))
                said = await hasty.thrown_out()
                assert said is not None
                assert (said.code, said.text) == (ErrorCode.NOT_ALLOWED, "AskTime before joining")
            async with stranger(at) as one:
                await one.greet()
                assert isinstance(await one.join(wallet), Admitted)
                one.say(AskTime(2))
                while not isinstance(answer := await one.hear(), TimeIs):
                    pass
                assert answer.number == 2
            assert not host.told.of(events.Error)

    asyncio.run(run())


def test_a_stranger_who_knocks_before_a_follower_is_in(tmp_path: Path) -> None:
    """A follower serves from the start, and belongs to no group before its host has let it in."""

    async def run() -> None:
        async with FakeCluster() as cluster, ear(cluster, tmp_path, "guest") as guest:
            held = guest.engine._cluster
            assert held is not None
            follower = Follower(held, guest.told, guest.engine._sound.open, lambda error: None, lambda hosts: None)
            try:
                assert not follower.is_hosting
                at = await follower.server.start(HostPort("127.0.0.1", 0))
                follower.run()
                async with stranger(at) as one:
                    await one.greet()
                    said = await one.join(held.wallet)
                    assert isinstance(said, ErrorReply)
                    assert (said.code, said.text) == (ErrorCode.NOT_ALLOWED, "I am in no session yet")
                async with stranger(at) as one:
                    await one.greet()
                    one.say(AskTime(1))
                    assert (await one.thrown_out()) is not None
            finally:
                await follower.close()

    asyncio.run(run())


def test_the_time_is_asked_for_only_after_asking_to_be_let_in(tmp_path: Path) -> None:
    """Also where the own port opens late: until then it cannot be told, and nothing else may be said."""
    song = make_song("late.wav", 20)

    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "guest") as guest,
        ):
            at = await play(host, song)
            held = guest.engine._cluster
            assert held is not None
            follower = Follower(held, guest.told, guest.engine._sound.open, lambda error: None, lambda hosts: None)
            secured, serve = asyncio.Event(), asyncio.Event()
            start, tls_is_there = follower.server.start, follower.secured

            async def start_late(where: HostPort) -> HostPort:
                await serve.wait()
                return await start(where)

            def note(link: PeerLink) -> None:
                tls_is_there(link)
                secured.set()

            follower.server.start, follower.secured = start_late, note  # type: ignore[assignment, method-assign]
            joining = asyncio.create_task(follower.join(JoinAddress.parse(at), HostPort("127.0.0.1", 0)))
            try:
                async with asyncio.timeout(30):
                    await secured.wait()
                    for _ in range(20):  # whoever is about to ask too early has had its turn
                        await asyncio.sleep(0)
                    serve.set()
                    await joining
            finally:
                joining.cancel()
                await asyncio.gather(joining, return_exceptions=True)
                await follower.close()

    asyncio.run(run())
