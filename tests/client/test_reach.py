"""Friends whom the prime leads to a host that does not answer at its address; and whom it does not."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import msgspec
import pytest

from hocket.adapters.peers import PeerLink
from hocket.client import events
from hocket.client.together.hall import Friend
from hocket.client.together.party import Party
from hocket.client.together.portline import PortLine
from hocket.client.together.reach import both
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import UserName
from hocket.relay.invites import JoinAddress, Scope
from hocket.relay.keys import PeerId, peer_id
from hocket.wire import codec
from hocket.wire.message import Message
from hocket.wire.messages.reach import FriendComes, HostHere
from hocket.wire.messages.together import Members, Report
from tests.client.kit import WAIT_S
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import USER, FakeCluster, make_song

SONG = make_song("meeting.wav", seconds=30)
NOWHERE = HostPort("127.0.0.9", 9)
"""An address of the host's, as it says, where nothing answers."""


def with_host(tmp_path: Path, test: Callable[[Ear, Ear, Party], Awaitable[None]], *, invite_only: bool = False) -> None:
    """Somebody hosts, known to the prime at NOWHERE as well; a friend is logged in."""

    async def run() -> None:
        async with (
            FakeCluster(SONG) as cluster,
            ear(cluster, tmp_path, "host", invite_only=invite_only) as host,
            ear(cluster, tmp_path, "friend", host=None) as friend,
        ):
            await play(host, SONG)
            party = host.engine.together._host
            assert party is not None
            party.beacon.places = lambda: (NOWHERE,)
            asked = cluster.prime.asked
            await asked.wait(lambda: any(NOWHERE in one.addresses for one in asked if isinstance(one, HostHere)))
            await test(host, friend, party)

    asyncio.run(run())


def test_the_prime_leads_to_a_host_that_does_not_answer(tmp_path: Path) -> None:
    async def test(host: Ear, friend: Ear, party: Party) -> None:
        await friend.engine.together.join(str(NOWHERE))
        await friend.heard(22_050)
        reach = friend.engine.together.state.reach
        assert reach is not None
        assert friend.told.of(events.Reach)[0] == events.Reach(reach.how.value, reach.via)
        assert friend.runs(SONG)

    with_host(tmp_path, test)


def test_who_joins_directly_is_told_so(tmp_path: Path) -> None:
    async def test(host: Ear, friend: Ear, party: Party) -> None:
        await friend.engine.together.join(str(party.server.address))
        assert await friend.told.wait(events.Reach) == events.Reach("direct")

    with_host(tmp_path, test)


def test_an_invite_leads_there_and_an_address_does_not_where_only_the_invited_may(tmp_path: Path) -> None:
    async def test(host: Ear, friend: Ear, party: Party) -> None:
        with pytest.raises(NotReachable) as caught:
            await friend.engine.together.join(str(NOWHERE))
        assert "knows nobody" in caught.value.text
        assert caught.value.hint
        invite = JoinAddress.parse(host.engine.together.invite()).invite
        assert invite is not None
        await friend.engine.together.join(str(msgspec.structs.replace(invite, at=NOWHERE, also=())))
        await friend.heard(4410)

    with_host(tmp_path, test, invite_only=True)


def test_who_was_sent_away_is_not_even_dialled(tmp_path: Path) -> None:
    async def test(host: Ear, friend: Ear, party: Party) -> None:
        party.kick(USER, ban=True)
        turned_away, links = party.server.turned_away, len(party.server.links)
        with pytest.raises(HocketError) as caught:
            await friend.engine.together.join(str(NOWHERE))
        assert caught.value.code is ErrorCode.NOT_ALLOWED
        assert (party.server.turned_away, len(party.server.links)) == (turned_away, links)

    with_host(tmp_path, test)


class Spoken:
    """As much of a PeerLink as a hall speaks to."""

    def __init__(self, is_carried: bool) -> None:
        self.is_carried = is_carried
        self.heard: list[Message] = []

    def send(self, message: Message) -> None:
        self.heard.append(message)

    def send_frame(self, frame: bytes) -> None:
        self.heard += map(codec.decode, codec.Decoder(len(frame)).feed(frame))


def test_a_large_group_does_not_fill_the_way_through_the_prime(tmp_path: Path) -> None:
    async def test(host: Ear, friend: Ear, party: Party) -> None:
        links = [Spoken(is_carried) for is_carried in (True, False)]
        for number, link in enumerate(links):
            key = bytes([number]) * 32
            one = Friend(cast(PeerLink, link), UserName(USER), key, peer_id(key), Scope.LISTEN, None, False, 0)
            party.hall._friends[one.id] = one
        for number in range(33):
            party.members[PeerId(f"{number}")] = Report(f"{number}", "somebody", "", 0, 0, 0)
        for _ in range(10):
            party.tell_members(passed_s=1.0)
        party.hall._friends.clear()
        for link in links:
            told = [message for message in link.heard if isinstance(message, Members)]
            assert len(told) == 1, "of whom there is no news nothing is said"
            assert len(told[0].members) >= 33

    with_host(tmp_path, test)


def test_who_stops_hosting_while_a_friend_comes_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, may_go_on = asyncio.Event(), asyncio.Event()
    really_open = PortLine.open

    async def open_slowly(line: PortLine, local: HostPort) -> None:
        await really_open(line, local)
        opening.set()
        await may_go_on.wait()

    async def test(host: Ear, friend: Ear, party: Party) -> None:
        monkeypatch.setattr(PortLine, "open", open_slowly)
        coming = asyncio.create_task(party.beacon._asked(FriendComes(UserName("Somebody"), bytes(32))))
        async with asyncio.timeout(WAIT_S):
            await opening.wait()
            party.beacon.stop()
            may_go_on.set()
            with pytest.raises(HocketError) as caught:
                await coming
        assert caught.value.code is ErrorCode.NOT_ALLOWED
        assert party.beacon._line is None

    with_host(tmp_path, test)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (ErrorCode.NOT_ALLOWED, "by prime"),
        (ErrorCode.AMBIGUOUS, "by prime"),
        (ErrorCode.UNKNOWN_KIND, "directly"),
        (ErrorCode.TIMED_OUT, "both"),
        (ErrorCode.NOT_REACHABLE, "both"),
    ],
)
def test_one_error_tells_of_all_ways(code: ErrorCode, says: str) -> None:
    directly, by_prime = NotReachable("directly", hint="d"), HocketError("by prime", code=code)
    told = both(directly, by_prime)
    if says == "both":
        assert "directly" in told.text
        assert "by prime" in told.text
        assert told.hint
    else:
        assert told.text == says
