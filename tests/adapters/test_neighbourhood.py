"""Multicast DNS among hosts of a test network; nothing is sent on the machine's own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from hocket.adapters.neighbourhood import Heard, Neighbourhood
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import UserName
from hocket.relay.nearby import SERVICE, Notice
from tests.kit.wan import Wan

pytestmark = pytest.mark.root

WAIT_S = 30.0
ANNA = Notice("0123456789abcdef", "living room", UserName("Anna"), "ab" * 8, 25566)


class Ears:
    """What one host heard."""

    def __init__(self) -> None:
        self.heard: dict[str, Heard] = {}
        self._news = asyncio.Event()

    def on_heard(self, heard: Heard) -> None:
        self.heard[heard.service] = heard
        self._news.set()

    def on_gone(self, service: str) -> None:
        self.heard.pop(service, None)
        self._news.set()

    async def wait(self, holds: Callable[[dict[str, Heard]], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds(self.heard):
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def neighbour(wan: Wan, host: int) -> AsyncIterator[tuple[Neighbourhood, Ears]]:
    ears = Ears()
    one = Neighbourhood(ears.on_heard, ears.on_gone, address_ttl_s=2, look_s=0.5)
    try:
        with wan.inside(host):
            await one.start([wan.address(host)])
        yield one, ears
    finally:
        await one.close()


def test_two_hosts_find_one_another_and_say_good_bye(wan: Wan) -> None:
    async def run() -> None:
        async with neighbour(wan, 2) as (_, _), neighbour(wan, 1) as (friend, ears):
            friend.listen()
            async with neighbour(wan, 2) as (host, _):
                await host.say(ANNA, [wan.address(2)])
                await ears.wait(lambda heard: heard)
                (found,) = ears.heard.values()
                assert found.notice == ANNA
                assert found.hosts == (wan.address(2),)
                changed = Notice(ANNA.id, ANNA.name, ANNA.user, ANNA.cluster, 4000, True)
                await host.say(changed, [wan.address(2)])
                await ears.wait(lambda heard: changed in {one.notice for one in heard.values()})
            await ears.wait(lambda heard: not heard)

    asyncio.run(run())


def test_who_was_there_before_is_found_and_who_vanishes_is_forgotten(wan: Wan) -> None:
    async def run() -> None:
        async with neighbour(wan, 2) as (host, _), neighbour(wan, 1) as (friend, ears):
            await host.say(ANNA, [wan.address(2)])
            friend.listen()
            await ears.wait(lambda heard: heard)
            wan.cut(2)
            await ears.wait(lambda heard: not heard)
            wan.heal(2)
            await ears.wait(lambda heard: heard)

    asyncio.run(run())


def test_without_a_network_it_says_why() -> None:
    async def run() -> None:
        ears = Ears()
        for hosts in ([], ["203.0.113.1"]):
            one = Neighbourhood(ears.on_heard, ears.on_gone)
            with pytest.raises(HocketError) as refused:
                await one.start(hosts)
            assert refused.value.code is ErrorCode.NOT_REACHABLE
            await one.say(ANNA, hosts)
            one.listen()
            await one.unsay()
            await one.close()

    asyncio.run(run())


def test_a_taken_port_is_no_crash(wan: Wan) -> None:
    async def run() -> None:
        ears = Ears()
        one = Neighbourhood(ears.on_heard, ears.on_gone)
        with wan.inside(1), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
            rude.bind(("", 5353))
            with pytest.raises(HocketError, match="no multicast DNS here"):
                await one.start([wan.address(1)])
        await one.close()

    asyncio.run(run())


def test_lies_harm_nobody(wan: Wan) -> None:
    """Records of every kind of nonsense: what can be read is cleaned, what cannot is passed over."""

    async def run() -> None:
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

        async with neighbour(wan, 1) as (friend, ears):
            friend.listen()
            with wan.inside(2):
                liar = AsyncZeroconf(interfaces=[wan.address(2)])
            try:
                lies: list[dict[str, str | bytes]] = [
                    {"v": "1", "id": "\x1b[2Jxxxxxxxxxxxx", "u": "\x1b]0;owned\x07\u202eevil", "n": "\x00", "c": "zz"},
                    {"v": "1", "id": "0" * 16, "u": b"\xff\xfe" * 60, "c": b"\xff" * 100, "i": "2"},
                    {"v": "9"},
                    {},
                ]
                for number, texts in enumerate(lies):
                    info = AsyncServiceInfo(
                        SERVICE,
                        f"lie {number}.{SERVICE}",
                        port=0 if number == 1 else 65535,
                        properties=texts,
                        server=f"liar{number}.local.",
                        parsed_addresses=["127.0.0.1", "224.0.0.251"],
                    )
                    await (await liar.async_register_service(info, cooperating_responders=True, strict=False))
                await ears.wait(lambda heard: len(heard) == len(lies))
                notices = [one.notice for one in ears.heard.values() if one.notice is not None]
                assert [(one.user, one.name) for one in notices] == [("]0;owned evil", "")]
            finally:
                await liar.async_close()

    asyncio.run(run())
