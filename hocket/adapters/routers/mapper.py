"""One port of this machine, opened at whatever router takes the order: PCP, NAT-PMP, then UPnP."""

import contextlib
import logging
from typing import Protocol

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.adapters.routers.errors import NoRouter, RouterRefused
from hocket.adapters.routers.gateway import default_gateway
from hocket.adapters.routers.natpmp import PortControl
from hocket.adapters.routers.upnp import UpnpControl
from hocket.core.address import HostPort
from hocket.core.errors import HocketError
from hocket.relay.addresses import is_public
from hocket.relay.igd import SEARCH_AT
from hocket.relay.natpmp import NONCE_BYTES, PORT, Granted

log = logging.getLogger(__name__)

LIFETIME_S = 1200
"""A mapping that nobody prolongs ends after this: a machine that was unplugged leaves no open port behind."""

MAX_LIFETIME_S = 86_400


class Where(msgspec.Struct, frozen=True):
    """Whom to ask: the router of the way out by itself, and who answers a search. Others are for tests."""

    gateway: HostPort | None = None
    search_at: tuple[str, int] = SEARCH_AT


class Mapped(msgspec.Struct, frozen=True):
    """A router lets friends in at this outer address. `is_public`: the whole Internet can come, as far as it knows."""

    at: HostPort
    lifetime_s: int
    protocol: str
    is_public: bool


class _Control(Protocol):
    @property
    def protocol(self) -> str: ...

    async def map(self, external_port: int, lifetime_s: int) -> Granted: ...


class Mapper:
    """For one port that is listened on at `own_host`. `map` also prolongs; `remove` gives it back."""

    def __init__(self, own_host: str, port: int, where: Where | None = None) -> None:
        self._own_host = own_host
        self._port = port
        self._where = where or Where()
        self._nonce = random_bytes(NONCE_BYTES)
        self._control: _Control | None = None
        self._external_port = port

    async def map(self) -> Mapped:
        """Raises RouterRefused where one said no, NoRouter where none can be asked."""
        if self._control is not None:
            try:
                return await self._mapped_by(self._control)
            except HocketError as error:
                log.info("the mapping was lost: %s", error)
                self._control = None
        refused: RouterRefused | None = None
        try:
            return await self._mapped_by(self._by_gateway())
        except RouterRefused as error:
            refused = error
        except NoRouter as error:
            log.info("%s", error)
        try:
            return await self._mapped_by(await UpnpControl.find(self._own_host, self._port, self._where.search_at))
        except NoRouter:
            if refused is not None:
                raise refused from None
            raise

    async def remove(self) -> None:
        """Nothing happens where nothing is mapped. Raises NoRouter, RouterRefused."""
        control, self._control = self._control, None
        if control is not None:
            await control.map(self._external_port, 0)

    def _by_gateway(self) -> PortControl:
        router = self._where.gateway
        if router is None:
            host = default_gateway()
            if host is None:
                raise NoRouter("no router is known here")
            router = HostPort(host, PORT)
        return PortControl(router, self._port, self._nonce)

    async def _mapped_by(self, control: _Control) -> Mapped:
        self._control = control  # from here on it may be mapped, whether or not we live to hear of it
        try:
            granted = await control.map(self._external_port, LIFETIME_S)
        except HocketError:
            self._control = None
            raise
        self._external_port = granted.port or self._external_port
        if not granted.port or not granted.lifetime_s or not granted.host or granted.host == "0.0.0.0":
            with contextlib.suppress(HocketError):
                await self.remove()
            raise NoRouter("the router does not say where friends can come in")
        lifetime_s = min(granted.lifetime_s, MAX_LIFETIME_S)
        return Mapped(HostPort(granted.host, granted.port), lifetime_s, control.protocol, is_public(granted.host))
