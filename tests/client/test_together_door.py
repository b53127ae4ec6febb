"""What a host tells of where it can be found: by itself, by its owner, by its router."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from hocket.adapters.routers import natpmp, upnp
from hocket.client import events
from hocket.client.together import lease
from hocket.client.together.door import Door
from hocket.core.address import HostPort
from tests.client.kit import Told
from tests.kit.routers import OUTER, Temper, router

EVERYWHERE = HostPort("0.0.0.0", 25566)
HOME, SECOND = "192.168.1.5", "10.0.0.9"


@pytest.fixture(autouse=True)
def two_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine in two networks, of which one leads outwards."""
    hosts = [(SECOND, "eth1", False), (HOME, "eth0", True), ("127.0.0.1", "lo", False)]
    monkeypatch.setattr("hocket.client.together.door.named_hosts", lambda: hosts)
    monkeypatch.setattr(upnp, "SEARCH_S", 0.4)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_every_network_of_the_host_is_told() -> None:
    async def work() -> None:
        told = Told()
        door = Door(told)
        assert not door.is_open
        assert door.address == ""
        door.open(EVERYWHERE, "Anna", invite_only=False)
        assert told.of(events.Hosting) == [events.Hosting(f"{HOME}:25566", (f"{SECOND}:25566",))]
        assert door.leads_to(HostPort(SECOND, 25566))
        assert door.leads_to(HostPort("127.0.0.1", 25566))
        assert not door.leads_to(HostPort(SECOND, 1))
        assert not door.leads_to(HostPort("10.0.0.10", 25566))
        await door.close()
        assert door.places == ()
        assert not door.leads_to(HostPort(SECOND, 25566))

    run(work())


def test_what_the_owner_says_is_told() -> None:
    async def work() -> None:
        told = Told()
        door = Door(told, advertise=HostPort("music.example.org", 0))
        door.open(EVERYWHERE, "Anna", invite_only=False)
        assert told.of(events.Hosting) == [events.Hosting("music.example.org:25566")]
        await door.close()

    run(work())


def test_a_mapped_port_comes_first_is_prolonged_and_given_back() -> None:
    async def work() -> None:
        told = Told()
        async with router(Temper(taken=(25566,), lifetime_s=2)) as made:
            door = Door(told, map_port=True, router=made.where)
            door.open(EVERYWHERE, "Anna", invite_only=False)
            told_again = await told.wait(events.Hosting, mapping="mapped")
            assert told_again == events.Hosting(f"{OUTER}:25567", (f"{HOME}:25566", f"{SECOND}:25566"), "mapped")
            assert door.leads_to(HostPort(OUTER, 25567))
            assert made.mappings == {25567: ("127.0.0.1", 25566)}
            await made.asked.wait(lambda: len(made.asked) >= 3)  # so the answer to the second was heard
            assert len(told.of(events.Hosting)) == 2, "told once"
            await door.close()
            assert made.mappings == {}
            await door.close()

    run(work())


def test_a_router_without_a_public_address_is_told_apart() -> None:
    async def work() -> None:
        told = Told()
        async with router(Temper(outer="192.168.100.7")) as made:
            door = Door(told, map_port=True, router=made.where)
            door.open(EVERYWHERE, "Anna", invite_only=False)
            said = await told.wait(events.Hosting, mapping="behind_another_router")
            assert said.address == f"{HOME}:25566", "friends are not sent where they cannot come"
            assert "192.168.100.7" in said.why
            await door.close()
            assert made.mappings == {}

    run(work())


def test_a_router_that_refuses_or_keeps_silent_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        told = Told()
        async with router(Temper(refuses=True, upnp=False)) as made:
            door = Door(told, map_port=True, router=made.where)
            door.open(EVERYWHERE, "Anna", invite_only=False)
            said = await told.wait(events.Hosting, mapping="refused")
            assert "forward TCP port 25566" in said.why
            made.temper = Temper(pcp=False, nat_pmp=False, upnp=False)
            assert (await told.wait(events.Hosting, mapping="none")).address == f"{HOME}:25566"
            made.temper = Temper(upnp=False)
            assert (await told.wait(events.Hosting, mapping="mapped")).address == f"{OUTER}:25566"
            await door.close()

    monkeypatch.setattr(lease, "RETRY_S", 0.1)
    monkeypatch.setattr(natpmp, "WAITS_S", (0.5, 0.5))
    run(work())


def test_a_router_that_falls_silent_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        told = Told()
        async with router(Temper()) as made:
            door = Door(told, map_port=True, router=made.where)
            door.open(EVERYWHERE, "Anna", invite_only=False)
            await told.wait(events.Hosting, mapping="mapped")
            made.temper = Temper(pcp=False, nat_pmp=False, upnp=False)
            await door.close()
            assert list(made.mappings) == [25566], "its lease ends it"

    monkeypatch.setattr(lease, "GIVE_BACK_TIMEOUT_S", 0.3)
    run(work())


def test_who_lets_in_only_this_machine_asks_no_router() -> None:
    async def work() -> None:
        told = Told()
        async with router(Temper()) as made:
            door = Door(told, map_port=True, router=made.where)
            door.open(HostPort("127.0.0.1", 25566), "Anna", invite_only=False)
            assert told.of(events.Hosting) == [events.Hosting("127.0.0.1:25566")]
            await door.close()
            assert made.asked == []

    run(work())
