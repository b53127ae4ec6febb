"""Invites while friends listen: counted, withdrawn, and kept by whoever hosts next."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from hocket.client import events
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.invites import Counted, JoinAddress, Scope
from hocket.relay.keys import GroupId
from hocket.relay.ledger import Account, sign_account
from hocket.wire.messages.together import LedgerNews
from tests.client.kit import WAIT_S
from tests.client.strangers import admitted, stranger
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, Song, make_song


@pytest.fixture(scope="module")
def song() -> Song:
    return make_song("together.wav", 60)


async def refused(friend: Ear, invite: str, why: str) -> None:
    """Nobody lets this friend in."""
    with pytest.raises(HocketError, match=why) as error:
        await friend.engine.together.join(invite)
    assert error.value.code in (ErrorCode.INVITE_REFUSED, ErrorCode.NOT_ALLOWED)
    assert not friend.engine.together.is_following


async def heard_of(one: Ear, members: int) -> None:
    """Wait until this follower knows everybody, and the roster and the books have come, too."""
    async with asyncio.timeout(WAIT_S):
        while len(one.engine.together.state.members) < members:
            await one.told.wait(events.Position)
        for _ in range(2):
            await one.told.wait(events.Position)


def moved_to(invite: str, address: str) -> str:
    """The same invite, shown at another address."""
    parsed = JoinAddress.parse(invite).invite
    assert parsed is not None
    fragment = str(parsed).partition("#")[2]
    return f"hocket://{address}#{fragment}"


def test_an_invite_is_counted_and_listed(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host", invite_only=True) as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            with pytest.raises(HocketError, match="nothing is hosted"):
                host.engine.together.invite()
            with pytest.raises(HocketError, match="nothing is hosted"):
                host.engine.together.invites()
            address = await play(host, song)
            invite = host.engine.together.invite(life_s=600, uses=3, may_control=True)
            told = await host.told.wait(events.Invited)
            assert (told.invite, told.uses, told.scope, told.expires_in_s) == (invite, 3, "control", 600)
            assert address in invite
            await refused(friend, address, "for those with an invite")
            await friend.engine.together.join(invite)
            news = [await host.told.wait(events.Invites)][-1]
            while not news.invites[0].friends:
                news = await host.told.wait(events.Invites)
            (listed,) = host.engine.together.invites()
            assert (listed.id, listed.uses, listed.uses_left) == (told.id, 3, 2)
            assert listed.friends == ("Someone",)
            assert 0 < listed.expires_in_s <= 600

    asyncio.run(run())


def test_who_came_by_a_withdrawn_invite_stays_until_sent_away(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host", invite_only=True) as host,
            ear(cluster, tmp_path, "friend") as friend,
            ear(cluster, tmp_path, "other") as other,
        ):
            await play(host, song)
            invite = host.engine.together.invite(uses=5)
            await friend.engine.together.join(invite)
            await friend.told.wait(events.Playing)
            (listed,) = host.engine.together.invites()
            with pytest.raises(HocketError, match="there is no invite"):
                host.engine.together.revoke("ffffffffffff")
            assert host.engine.together.revoke(listed.id.upper()).revoked
            assert (await host.told.wait(events.Revoked)).friends == ("Someone",)
            await refused(other, invite, "withdrawn")
            await friend.heard(2 * 44_100)
            assert friend.engine.together.is_following
            assert host.engine.together.kick("Someone")
            assert "sent you away" in (await friend.told.wait(events.Error)).text
            await refused(friend, invite, "withdrawn|sent you away")

    asyncio.run(run())


def test_an_invite_with_several_addresses_leads_to_the_one_that_answers(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            address = await play(host, song)
            mute = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
            try:
                nowhere = HostPort("127.0.0.1", mute.sockets[0].getsockname()[1])
                invite = moved_to(host.engine.together.invite(), f"127.0.0.1:1,{nowhere},{address}")
                await friend.engine.together.join(invite)
                assert (await friend.told.wait(events.Joined)).at == address
            finally:
                mute.close()
                await mute.wait_closed()

    asyncio.run(run())


def test_a_successor_keeps_the_door_as_the_host_did(tmp_path: Path, song: Song) -> None:
    """Used up stays used up, withdrawn stays withdrawn, and invite-only stays so, though the host is gone."""

    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "heir") as heir,
            ear(cluster, tmp_path, "late") as late,
        ):
            async with ear(cluster, tmp_path, "host", invite_only=True) as host:
                await play(host, song)
                together = host.engine.together
                used, open_, gone = together.invite(), together.invite(uses=2), together.invite(uses=9)
                await heir.engine.together.join(used)
                ids = {one.uses: one.id for one in together.invites()}
                await heard_of(heir, 2)
                together.revoke(ids[9])
                await heir.heard(44_100)
            hosting = await heir.told.wait(events.Hosting)
            mine = {one.id: one for one in heir.engine.together.invites()}
            assert [mine[ids[number]].uses_left for number in (1, 2)] == [0, 2]
            assert mine[ids[9]].revoked
            await refused(late, hosting.address, "for those with an invite")
            await refused(late, moved_to(gone, hosting.address), "withdrawn")
            await late.engine.together.join(moved_to(open_, hosting.address))
            await late.told.wait(events.Playing)
            assert heir.engine.together.invites()[1].uses_left == 1
            assert len(JoinAddress.parse(heir.engine.together.invite()).places) == 1

    asyncio.run(run())


def test_a_friend_that_keeps_the_hosts_books_is_thrown_out(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "villain") as villain,
        ):
            at = HostPort.parse(await play(host, song))
            host.engine.together.invite()
            (before,) = host.engine.together.invites()
            assert villain.engine._cluster is not None
            wallet = villain.engine._cluster.wallet
            async with stranger(at) as one:
                group = GroupId((await admitted(one, wallet)).group)
                mine = Counted(bytes.fromhex(before.id), 1 << 40, 200, Scope.CONTROL)
                one.say(LedgerNews(account=msgspec.msgpack.encode(sign_account(Account(group, 0, mine), wallet.sign))))
                said = await one.thrown_out()
                assert said is None or "keeps its door" in said.text
            async with stranger(at) as one:
                await admitted(one, wallet)
                one.say(LedgerNews(house=b"nonsense"))
                await one.thrown_out()
            assert [one.uses_left for one in host.engine.together.invites()] == [1]

    asyncio.run(run())


def test_an_invite_of_another_session_is_foreign(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "other") as other,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            address = await play(host, song)
            await play(other, song)
            await refused(friend, moved_to(other.engine.together.invite(), address), "another session|not the one")

    asyncio.run(run())
