"""UPnP with whatever gateway answers in this network."""

import asyncio
import contextlib
import ipaddress
import logging

from hocket.adapters.routers.datagrams import Asking
from hocket.adapters.routers.errors import NoRouter, RouterRefused
from hocket.adapters.routers.http import fetch
from hocket.relay.igd import (
    CONFLICT,
    ONLY_PERMANENT,
    SEARCH_AT,
    Control,
    Fault,
    Place,
    mapping,
    order,
    read_answer,
    read_description,
    read_found,
    searches,
    unmapping,
)
from hocket.relay.natpmp import Granted

log = logging.getLogger(__name__)

SEARCH_S = 2.5
REPEAT_S = 0.8
MAX_CANDIDATES = 4
PORT_TRIES = 8
"""Outer ports that are tried where one is taken."""


class UpnpControl:
    """One port of ours at one gateway that was found."""

    protocol = "upnp"

    def __init__(self, control: Control, own_host: str, internal_port: int) -> None:
        self._control = control
        self._own_host = own_host
        self._port = internal_port

    @classmethod
    async def find(cls, own_host: str, internal_port: int, search_at: tuple[str, int] = SEARCH_AT) -> "UpnpControl":
        """The first gateway that answers with a description that makes sense. Raises NoRouter."""
        seen: set[Place] = set()
        try:
            async with Asking.around(own_host) as asking, asyncio.timeout(SEARCH_S):
                repeating = asyncio.create_task(_search(asking, search_at))
                try:
                    while len(seen) < MAX_CANDIDATES:
                        data, sender = await asking.receive()
                        place = read_found(data, sender)
                        if place is None or place in seen or not _is_near(sender):
                            continue
                        seen.add(place)
                        found = await _described(place)
                        if found is not None:
                            return cls(*found, internal_port)
                finally:
                    repeating.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await repeating
        except TimeoutError:
            pass
        except OSError as error:
            raise NoRouter(f"no router can be looked for: {error.strerror or error}") from None
        raise NoRouter("no router offers UPnP here")

    async def map(self, external_port: int, lifetime_s: int) -> Granted:
        """Get or prolong a mapping, or (lifetime_s 0) give it back. Raises NoRouter, RouterRefused."""
        if not lifetime_s:
            await self._order("DeletePortMapping", unmapping(external_port))
            return Granted(external_port, 0)
        fault = Fault(CONFLICT)
        for port in range(external_port, min(65536, external_port + PORT_TRIES)):
            lease_s = lifetime_s
            answer = await self._order("AddPortMapping", mapping(self._own_host, self._port, port, lease_s))
            if isinstance(answer, Fault) and answer.code == ONLY_PERMANENT:
                answer = await self._order("AddPortMapping", mapping(self._own_host, self._port, port, 0))
            if not isinstance(answer, Fault):
                return Granted(port, lease_s, await self._external_host())
            fault = answer
            if fault.code != CONFLICT:
                break
        raise RouterRefused(f"the router refuses: {fault.text or 'it says error'} ({fault.code})")

    async def _external_host(self) -> str:
        answer = await self._order("GetExternalIPAddress", {})
        host = "" if isinstance(answer, Fault) else answer.get("NewExternalIPAddress", "")
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return ""

    async def _order(self, action: str, arguments: dict[str, object]) -> dict[str, str] | Fault:
        headers, body = order(self._control, action, arguments)
        try:
            document, _ = await fetch(self._control.at, headers, body)
        except OSError as error:
            raise NoRouter(f"the router does not answer any more: {str(error) or 'timed out'}") from None
        answer = read_answer(document, action)
        if answer is None:
            raise NoRouter("the router answers nothing that makes sense")
        return answer


async def _search(asking: Asking, at: tuple[str, int]) -> None:
    while True:
        asking.send(searches(), at)
        await asyncio.sleep(REPEAT_S)


async def _described(place: Place) -> tuple[Control, str] | None:
    try:
        document, own_host = await fetch(place)
    except OSError as error:
        log.info("%s:%d describes nothing: %s", place.host, place.port, error)
        return None
    control = read_description(document, place)
    return None if control is None else (control, own_host)


def _is_near(host: str) -> bool:
    """A gateway of this network has an address of this network."""
    try:
        return ipaddress.IPv4Address(host).is_private
    except ValueError:
        return False
