"""Friends who meet by way of the prime, over real connections: what each is told, and what nobody can bring about."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from hocket.adapters.link import Link, connect, hello
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import listener_context, server_context
from hocket.auth.accounts import Rights
from hocket.auth.keys import SigningKey
from hocket.auth.revocations import Revocations
from hocket.auth.tickets import Grant, Ticket, possession_proof, sign_grant, sign_ticket
from hocket.client.together.values import encode
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, NotReachable, Refused
from hocket.core.ids import NODE_ID_RANDOM_BYTES, NodeId, Role, SessionId, UserName, node_id
from hocket.nodes.prime import meeting as meetings
from hocket.nodes.prime.meeting import OFFENCES, Meeting
from hocket.nodes.prime.visitors import Visitors
from hocket.relay.keys import GroupId
from hocket.relay.lineage import found
from hocket.relay.meetings import MEETINGS
from hocket.wire.message import Message
from hocket.wire.messages import common
from hocket.wire.messages.reach import (
    Carried,
    Carry,
    CarryEnd,
    CarryEnded,
    FriendComes,
    HostHere,
    HostSeen,
    MeetHost,
    MeetingAt,
    MeetNow,
)
from tests.kit.identities import authority, credentials
from tests.relay.people import Person

PRIME = NodeId("prime-0123456789ab")
CLUSTER, AUTH_NODE = (SigningKey(letter * 32) for letter in (b"a", b"n"))
GROUP = GroupId("7" * 32)
HERE = HostPort("127.0.0.1", 0)
VICTIM = HostPort("93.184.216.34", 80)
LIFE_NS = 30 * NS_PER_S
NOW_NS = 1_700_000_000 * NS_PER_S
WAIT_S = 60.0

M = TypeVar("M", bound=Message)


class Listener:
    """One connection of a user to the prime, and what came on it."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.told: asyncio.Queue[Message] = asyncio.Queue()
        self.asked: list[FriendComes] = []
        self.answer: HocketError | None = None  # to FriendComes
        self.is_deaf = False
        self.on_comes: Callable[[], Awaitable[None]] | None = None
        self.link: Link

    async def on_message(self, link: Link, message: Message) -> Message | None:
        if isinstance(message, FriendComes):
            self.asked.append(message)
            if self.is_deaf:
                await asyncio.get_running_loop().create_future()
            if self.on_comes is not None:
                await self.on_comes()
            if self.answer is not None:
                raise self.answer
            return common.Done()
        self.told.put_nowait(message)
        return None

    def on_closed(self, link: Link, error: HocketError) -> None: ...

    async def told_of(self, kind: type[M]) -> M:
        async with asyncio.timeout(WAIT_S):
            message = await self.told.get()
        assert isinstance(message, kind)
        return message

    @property
    def seen(self) -> HostPort:
        """As the prime sees it."""
        return self.link.own_address


class Scene:
    """A prime that does nothing else, and listeners."""

    def __init__(self) -> None:
        self.revoked = Revocations()
        self.visitors = Visitors(PRIME, CLUSTER.public, self.revoked, lambda: NOW_NS)
        self.meeting = Meeting(self.visitors, lambda: NOW_NS)
        self.server = LinkServer(server_context(credentials(Role.PRIME, PRIME)), Role.PRIME, PRIME, self)
        self.links: list[Link] = []

    async def on_message(self, link: Link, message: Message) -> Message | None:
        if isinstance(message, common.Present):
            return self.visitors.present(link, message)
        return await self.meeting.take(link, message)

    def on_closed(self, link: Link, error: HocketError) -> None:
        self.visitors.forget(link)
        self.meeting.gone(link)

    async def listener(self, person: Person, *, shows: bool = True) -> Listener:
        one = Listener(person)
        me = hello(Role.LISTENER, node_id(Role.LISTENER, person.key[:NODE_ID_RANDOM_BYTES]))
        context = listener_context(authority().certificate_pem)
        one.link = await connect(self.server.address, context, me, one, expect=(Role.PRIME, PRIME))
        self.links.append(one.link)
        if shows:
            key = SigningKey(person.private.private_bytes_raw())
            grant = sign_grant(Grant(NodeId("auth-0123456789ab"), AUTH_NODE.public, NOW_NS + 2 * LIFE_NS), CLUSTER)
            session = SessionId(person.key.hex()[:32])
            ticket = Ticket(session, UserName(person.name), int(Rights.LISTEN), person.key, NOW_NS, NOW_NS + LIFE_NS)
            proof = possession_proof(key, one.link.peer.nonce, PRIME)
            await one.link.request(common.Present(sign_ticket(ticket, grant, AUTH_NODE), proof), common.Presented)
        return one

    async def host(self, *addresses: HostPort, is_listed: bool = True) -> tuple[Listener, Listener]:
        """Anna's line and, once somebody comes, her door."""
        anna = Person("Anna")
        line, door = await self.listener(anna), await self.listener(anna)
        reign = encode(found(GROUP, anna.key, anna.sign))
        await line.link.request(HostHere(GROUP, reign, addresses, is_listed), HostSeen)

        async def be_at_the_door() -> None:
            await door.link.request(HostHere(GROUP, is_door=True), HostSeen)

        line.on_comes = be_at_the_door
        return line, door


def with_scene(test: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene()
        await scene.server.start(HERE)
        try:
            await test(scene)
        finally:
            for link in scene.links:
                link.close()
                await link.wait_closed()
            await scene.server.stop()

    asyncio.run(run())


def test_each_is_told_where_the_other_is_seen_and_when() -> None:
    async def test(scene: Scene) -> None:
        line, door = await scene.host()
        ben = await scene.listener(Person("Ben"))
        meeting = await ben.link.request(MeetHost(GROUP, token=b"invite"), MeetingAt)
        now = await door.told_of(MeetNow)
        assert (meeting.address, meeting.key) == (door.seen, line.person.key)
        assert now.address == ben.seen
        assert NOW_NS < now.at_ns == meeting.at_ns
        assert line.asked == [FriendComes(UserName("Ben"), ben.person.key, b"invite")]

    with_scene(test)


def test_nobody_is_made_to_dial_a_third_party() -> None:
    """Only addresses that the prime saw are dialled; what a client names is at most tried by who asked for it."""

    async def test(scene: Scene) -> None:
        _, door = await scene.host(VICTIM, HostPort("127.0.0.1", 25566))
        ben = await scene.listener(Person("Ben"))
        with pytest.raises(Refused):
            await ben.link.request(MeetHost("", str(VICTIM)), MeetingAt)
        meeting = await ben.link.request(MeetHost("", "127.0.0.1:25566"), MeetingAt)
        assert VICTIM not in (meeting.address, *meeting.addresses)
        assert (await door.told_of(MeetNow)).address == ben.seen

    with_scene(test)


@pytest.mark.parametrize("message", [HostHere(GROUP), HostHere(GROUP, is_door=True), MeetHost(GROUP)])
def test_strangers_are_told_nothing(message: Message) -> None:
    async def test(scene: Scene) -> None:
        line, _ = await scene.host()
        stranger = await scene.listener(Person("Stranger"), shows=False)
        with pytest.raises(Refused) as caught:
            await stranger.link.request(message, type(message).reply or common.Done)
        assert caught.value.code is ErrorCode.TICKET_REFUSED
        assert not line.asked

    with_scene(test)


def test_the_host_may_refuse_and_is_not_given_away() -> None:
    async def test(scene: Scene) -> None:
        line, door = await scene.host()
        line.answer = HocketError("the host does not want you here now", code=ErrorCode.NOT_ALLOWED, hint="ask")
        ben = await scene.listener(Person("Ben"))
        for carry in (False, True):
            with pytest.raises(Refused) as caught:
                await ben.link.request(MeetHost(GROUP, carry=carry), MeetingAt)
            assert (caught.value.code, caught.value.hint) == (ErrorCode.NOT_ALLOWED, "ask")
        assert door.told.empty()

    with_scene(test)


def test_a_host_that_does_not_answer_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meetings, "COMES_TIMEOUT_S", 0.2)

    async def test(scene: Scene) -> None:
        line, _ = await scene.host()
        line.is_deaf = True
        ben = await scene.listener(Person("Ben"))
        with pytest.raises(Refused) as caught:
            await ben.link.request(MeetHost(GROUP), MeetingAt)
        assert caught.value.code is ErrorCode.TIMED_OUT

    with_scene(test)


def test_a_host_that_was_banned_is_met_no_more() -> None:
    async def test(scene: Scene) -> None:
        await scene.host()
        ben = await scene.listener(Person("Ben"))
        scene.revoked.end_user(UserName("Anna"), NOW_NS)
        with pytest.raises(Refused):
            await ben.link.request(MeetHost(GROUP), MeetingAt)

    with_scene(test)


def test_a_flood_of_requests_reaches_no_host_and_is_cut() -> None:
    async def test(scene: Scene) -> None:
        line, door = await scene.host()
        ben = await scene.listener(Person("Ben"))
        asked = MEETINGS.burst + OFFENCES.burst + 50
        requests = [ben.link.request(MeetHost(GROUP), MeetingAt) for _ in range(asked)]
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        codes = [one.code for one in outcomes if isinstance(one, HocketError)]
        assert codes.count(ErrorCode.TOO_MANY_REQUESTS) >= OFFENCES.burst
        assert len(line.asked) <= MEETINGS.burst + 5  # a few grew back meanwhile
        async with asyncio.timeout(WAIT_S):
            await ben.link.wait_closed()
        assert door.link.is_open
        carla = await scene.listener(Person("Carla"))
        assert (await carla.link.request(MeetHost(GROUP), MeetingAt)).address == door.seen

    with_scene(test)


# through the prime


def test_what_is_said_through_the_prime_reaches_the_other_alone() -> None:
    async def test(scene: Scene) -> None:
        line, door = await scene.host()
        ben, carla = [await scene.listener(Person(name)) for name in ("Ben", "Carla")]
        number = (await ben.link.request(MeetHost(GROUP, carry=True), MeetingAt)).channel
        assert [one.channel for one in line.asked] == [0, number]
        carla.link.notify(Carry(number, b"forged"))
        ben.link.notify(Carry(number, b"hello"))
        assert await door.told_of(Carried) == Carried(number, b"hello")
        door.link.notify(Carry(number, b"welcome"))
        assert await ben.told_of(Carried) == Carried(number, b"welcome")
        ben.link.notify(CarryEnd(number))
        assert (await door.told_of(CarryEnded)).channel == number
        door.link.notify(Carry(number, b"too late"))
        number = (await ben.link.request(MeetHost(GROUP, carry=True), MeetingAt)).channel
        assert ben.told.empty()
        assert carla.told.empty()

    with_scene(test)


@pytest.mark.parametrize("who", ["friend", "host"])
def test_a_channel_ends_with_either_connection(who: str) -> None:
    async def test(scene: Scene) -> None:
        _, door = await scene.host()
        ben = await scene.listener(Person("Ben"))
        number = (await ben.link.request(MeetHost(GROUP, carry=True), MeetingAt)).channel
        gone, left = (ben, door) if who == "friend" else (door, ben)
        gone.link.close()
        assert (await left.told_of(CarryEnded)).channel == number

    with_scene(test)


def test_who_sends_music_through_the_prime_loses_the_channel() -> None:
    async def test(scene: Scene) -> None:
        _, door = await scene.host()
        ben = await scene.listener(Person("Ben"))
        number = (await ben.link.request(MeetHost(GROUP, carry=True), MeetingAt)).channel
        for _ in range(64):
            door.link.notify(Carry(number, bytes(16 * 1024)))
        pieces = 0
        async with asyncio.timeout(WAIT_S):
            while isinstance(message := await ben.told.get(), Carried):
                pieces += 1
        assert isinstance(message, CarryEnded)
        assert message.why
        assert pieces < 32
        assert (await door.told_of(CarryEnded)).channel == number
        assert door.link.is_open

    with_scene(test)


def test_without_a_door_nobody_is_met() -> None:
    async def test(scene: Scene) -> None:
        line, _ = await scene.host()
        line.on_comes = None
        ben = await scene.listener(Person("Ben"))
        with pytest.raises(Refused) as caught:
            await ben.link.request(MeetHost(GROUP), MeetingAt)
        assert caught.value.code is NotReachable.code

    with_scene(test)
