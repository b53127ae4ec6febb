"""The list of friends nearby, whatever the network does: comes, goes, has no multicast, changes under us."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from hocket.adapters.neighbourhood import Heard
from hocket.client import events
from hocket.client.together import nearby
from hocket.client.together.nearby import FriendsNearby
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import UserName
from hocket.relay.nearby import Neighbour, Notice
from tests.client.kit import Told

CLUSTER = "ab" * 32
BEN = Notice("f" * 16, "kitchen", UserName("Ben"), CLUSTER[:16], 4000)
FOREIGN = Notice("e" * 16, "next door", UserName("Eve"), "cd" * 8, 4000)


class Network:
    """What the machine's network is like, and what was done with it."""

    def __init__(self) -> None:
        self.broken = ""
        self.hosts = ["192.168.1.5"]
        self.done: list[str] = []
        self.news = asyncio.Event()
        self.hear: Callable[[Heard], None]
        self.lose: Callable[[str], None]

    def note(self, what: str) -> None:
        self.done.append(what)
        self.news.set()

    async def wait(self, what: str) -> None:
        async with asyncio.timeout(20):
            while what not in self.done:
                self.news.clear()
                await self.news.wait()


class FakeNeighbourhood:
    network: Network

    def __init__(self, on_heard: Callable[[Heard], None], on_gone: Callable[[str], None]) -> None:
        self.network.hear, self.network.lose = on_heard, on_gone

    async def start(self, hosts: Sequence[str]) -> None:
        self.network.note("try")
        if self.network.broken:
            raise HocketError(self.network.broken)
        self.network.note(f"start {' '.join(hosts)}")

    async def move(self, hosts: Sequence[str]) -> None:
        self.network.note(f"move {' '.join(hosts)}")

    async def say(self, notice: Notice, hosts: Sequence[str]) -> None:
        self.network.note(f"say {notice.user} {notice.port} {' '.join(hosts)}")

    async def unsay(self) -> None:
        self.network.note("unsay")

    def listen(self) -> None:
        self.network.note("listen")

    async def close(self) -> None:
        self.network.note("close")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Network, Told], Coroutine[Any, Any, None]]], None]:
    def run_it(work: Callable[[Network, Told], Coroutine[Any, Any, None]]) -> None:
        async def live() -> None:
            network = FakeNeighbourhood.network = Network()
            monkeypatch.setattr(nearby, "named_hosts", lambda: [(host, "eth0", True) for host in network.hosts])
            await work(network, Told())

        monkeypatch.setattr(nearby, "Neighbourhood", FakeNeighbourhood)
        monkeypatch.setattr(nearby, "RESCAN_S", 0.05)
        monkeypatch.setattr(nearby, "BEGIN_S", 0.01)
        asyncio.run(live())

    return run_it


Run = Callable[[Callable[[Network, Told], Coroutine[Any, Any, None]]], None]


def test_friends_come_and_go_and_strangers_are_none(run: Run) -> None:
    async def work(network: Network, told: Told) -> None:
        friends = FriendsNearby(told, is_on=True)
        friends.attach(CLUSTER)
        friends.watch()
        assert told.of(events.Nearby) == [events.Nearby(())]
        await network.wait("listen")
        network.hear(Heard("eve", FOREIGN, ("192.168.1.8",)))
        network.hear(Heard("ben", BEN, ("10.0.0.1", "192.168.1.7")))
        network.hear(Heard("ben", BEN, ("10.0.0.1", "192.168.1.7")))
        ben = Neighbour("Ben", "kitchen", "192.168.1.7:4000")
        network.lose("ben")
        network.lose("ben")
        assert told.of(events.Nearby)[1:] == [events.Nearby((ben,)), events.Nearby(())]
        await friends.close()
        assert network.done[-1] == "close"
        await friends.close()

    run(work)


def test_who_hosts_is_told_until_it_hosts_no_longer(run: Run) -> None:
    async def work(network: Network, told: Told) -> None:
        friends = FriendsNearby(told, is_on=True)
        friends.attach(CLUSTER)
        friends.say(HostPort("0.0.0.0", 25566), "Anna", invite_only=False)
        await network.wait("say Anna 25566 192.168.1.5")
        network.hosts.append("10.0.0.9")
        await network.wait("move 10.0.0.9 192.168.1.5")
        await network.wait("say Anna 25566 10.0.0.9 192.168.1.5")
        friends.unsay()
        await network.wait("unsay")
        assert "listen" not in network.done, "nobody asked who else is there"
        assert told.all == []
        friends.say(HostPort("127.0.0.1", 25566), "Anna", invite_only=False)
        await friends.close()
        assert not [what for what in network.done if "127.0.0.1" in what]

    run(work)


def test_a_network_without_multicast_says_so_once_and_is_tried_again(run: Run) -> None:
    async def work(network: Network, told: Told) -> None:
        network.broken = "no multicast DNS here"
        friends = FriendsNearby(told, is_on=True)
        friends.attach(CLUSTER)
        friends.watch()
        assert (await told.wait(events.Nearby, problem="no multicast DNS here")).friends == ()
        tries = network.done.count("try")
        async with asyncio.timeout(20):
            while network.done.count("try") < tries + 3:
                network.news.clear()
                await network.news.wait()
        assert len(told.of(events.Nearby)) == 2, "told once"
        network.broken = ""
        await told.wait(events.Nearby, problem="")
        await network.wait("listen")
        await friends.close()

    run(work)


def test_turned_off_nothing_is_said_or_heard(run: Run) -> None:
    async def work(network: Network, told: Told) -> None:
        friends = FriendsNearby(told, is_on=False)
        friends.attach(CLUSTER)
        friends.say(HostPort("0.0.0.0", 25566), "Anna", invite_only=False)
        friends.watch()
        assert [one.problem for one in told.of(events.Nearby)] == ["friends nearby are turned off here"]
        await friends.close()
        assert network.done == []

    run(work)
