"""Ports asked of routers that grant, refuse, keep silent or lie; all of them on this machine."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hocket.adapters.routers import Mapped, Mapper, NoRouter, RouterRefused, Where, natpmp, upnp
from hocket.adapters.routers.gateway import default_gateway
from hocket.core.address import HostPort
from hocket.relay.igd import MAX_DOCUMENT_BYTES
from tests.kit.routers import OUTER, Router, Temper, router

PORT = 25566
ONLY_UPNP = Temper(pcp=False, nat_pmp=False)
BY = {"pcp": Temper(), "nat-pmp": Temper(pcp=False), "upnp": ONLY_UPNP}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer is given up soon."""
    monkeypatch.setattr(natpmp, "WAITS_S", (0.1, 0.1))
    monkeypatch.setattr(upnp, "SEARCH_S", 0.4)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def mapper(of: Router) -> Mapper:
    return Mapper("127.0.0.1", PORT, of.where)


@pytest.mark.parametrize("protocol", BY)
def test_a_port_is_mapped_prolonged_and_given_back(protocol: str) -> None:
    async def work() -> None:
        async with router(BY[protocol]) as made:
            one = mapper(made)
            for _ in range(2):
                assert await one.map() == Mapped(HostPort(OUTER, PORT), 1200, protocol, True)
                assert made.mappings == {PORT: ("127.0.0.1", PORT)}
            await one.remove()
            assert made.mappings == {}
            asked = len(made.asked)
            await one.remove()
            assert len(made.asked) == asked, "given back once"

    run(work())


@pytest.mark.parametrize("protocol", BY)
def test_a_taken_port_becomes_another_one_and_stays_it(protocol: str) -> None:
    async def work() -> None:
        temper = replace(BY[protocol], taken=(PORT,))
        async with router(temper) as made:
            one = mapper(made)
            for _ in range(2):
                assert (await one.map()).at == HostPort(OUTER, PORT + 1)
            assert list(made.mappings) == [PORT + 1]
            await one.remove()
            assert made.mappings == {}

    run(work())


@pytest.mark.parametrize("protocol", BY)
def test_a_router_that_refuses_says_so(protocol: str) -> None:
    async def work() -> None:
        temper = replace(BY[protocol], refuses=True)
        async with router(temper) as made:
            with pytest.raises(RouterRefused, match=r"refuses: .*(allow|authorized)"):
                await mapper(made).map()
            assert made.mappings == {}

    run(work())


def test_what_one_protocol_refuses_another_may_grant() -> None:
    async def work() -> None:
        async with router(Temper(refuses=True, upnp=False)) as strict, router(ONLY_UPNP) as kind:
            where = Where(strict.where.gateway, kind.where.search_at)
            assert (await Mapper("127.0.0.1", PORT, where).map()).protocol == "upnp"

    run(work())


def test_a_silent_router_is_none(impatient: None) -> None:
    async def work() -> None:
        async with router(Temper(pcp=False, nat_pmp=False, upnp=False)) as made:
            with pytest.raises(NoRouter, match="no router offers"):
                await mapper(made).map()

    run(work())


def test_where_nobody_listens_at_all_there_is_none(impatient: None) -> None:
    async def work() -> None:
        async with router(Temper()) as made:
            where = made.where
        with pytest.raises(NoRouter):
            await Mapper("127.0.0.1", PORT, where).map()

    run(work())


@pytest.mark.parametrize("protocol", BY)
def test_a_router_behind_another_is_told_apart(protocol: str) -> None:
    async def work() -> None:
        temper = replace(BY[protocol], outer="100.64.3.4")
        async with router(temper) as made:
            assert not (await mapper(made).map()).is_public

    run(work())


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"\0",
        b"\xff" * 1100,
        b"\2\201" + bytes(58),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n<root>" + b"x" * 2 * MAX_DOCUMENT_BYTES,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000,
        b"HTTP/1.1 200 OK\r\n\r\n<!DOCTYPE a [<!ENTITY b 'c'>]><root/>",
    ],
    ids=range(9),
)
def test_a_router_that_lies_is_none(impatient: None, lie: bytes) -> None:
    async def work() -> None:
        for temper in (Temper(lies=lie or b" "), replace(ONLY_UPNP, lies=lie or b" ")):
            async with router(temper) as made:
                with pytest.raises(NoRouter):
                    await mapper(made).map()

    run(work())


@pytest.mark.parametrize("outer", ["0.0.0.0"])
@pytest.mark.parametrize("protocol", BY)
def test_a_mapping_to_nowhere_is_given_back(protocol: str, outer: str) -> None:
    async def work() -> None:
        temper = replace(BY[protocol], outer=outer)
        async with router(temper) as made:
            with pytest.raises(NoRouter, match="does not say where"):
                await mapper(made).map()
            assert made.mappings == {}

    run(work())


@pytest.mark.parametrize("location", ["http://10.255.255.1:80/desc.xml", "http://127.0.0.2/desc.xml", "file:///etc/x"])
def test_nobody_is_sent_to_another_machine(impatient: None, location: str) -> None:
    async def work() -> None:
        async with router(replace(ONLY_UPNP, location=location)) as made:
            with pytest.raises(NoRouter, match="no router offers"):
                await mapper(made).map()

    run(work())


def test_a_router_with_permanent_mappings_only_and_answers_in_chunks() -> None:
    async def work() -> None:
        async with router(replace(ONLY_UPNP, only_permanent=True, chunked=True)) as made:
            one = mapper(made)
            await one.map()
            assert "upnp AddPortMapping 0" in made.asked
            await one.remove()
            assert made.mappings == {}

    run(work())


def test_a_router_that_was_replaced_is_asked_anew() -> None:
    async def work() -> None:
        async with router(Temper(upnp=False)) as old, router(ONLY_UPNP) as new:
            one = Mapper("127.0.0.1", PORT, Where(old.where.gateway, new.where.search_at))
            assert (await one.map()).protocol == "pcp"
            old.temper = Temper(pcp=False, nat_pmp=False, upnp=False)
            assert (await one.map()).protocol == "upnp"

    run(work())


def test_a_search_from_an_address_that_is_not_ours_finds_none(impatient: None) -> None:
    async def work() -> None:
        async with router(ONLY_UPNP) as made:
            with pytest.raises(NoRouter, match="no router can be looked for"):
                await Mapper("203.0.113.1", PORT, made.where).map()

    run(work())


def test_the_way_out_is_read_from_the_kernels_table(tmp_path: Path) -> None:
    table = tmp_path / "route"
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    table.write_text(
        head
        + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        + "wlan0\t00000000\t01000A0A\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        + "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert default_gateway(table) == "192.168.1.1"
    table.write_text(head)
    assert default_gateway(table) is None
    assert default_gateway(tmp_path / "nothing") is None
