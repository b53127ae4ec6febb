"""Multicast DNS: says who hosts here, and hears who hosts nearby. Where there is no multicast it says why, once."""

import asyncio
import contextlib
import importlib
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.nearby import MAX_NEIGHBOURS, SERVICE, Notice, instance_of, read_notice, texts_of

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

log = logging.getLogger(__name__)
logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # what is wrong with a network is no news to a person

MDNS_PORT = 5353
MDNS_GROUP = "224.0.0.251"
ADDRESS_TTL_S = 30
"""A host that was unplugged is forgotten after this, and the next look."""

LOOK_S = 5.0
ANSWER_TIMEOUT_MS = 1500
MAX_ASKING = 8


class Heard(msgspec.Struct, frozen=True):
    """What a service says now. `notice`: None where it cannot be read."""

    service: str
    notice: Notice | None
    hosts: tuple[str, ...]


class Neighbourhood:
    """One sender and listener on this machine's networks. Everything on the event loop; `close` it there.

    `on_heard` is called for what is news, and for each service that is still there at every look;
    `on_gone` with the service's name.
    """

    def __init__(
        self,
        on_heard: Callable[[Heard], None],
        on_gone: Callable[[str], None],
        *,
        address_ttl_s: int = ADDRESS_TTL_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._on_heard = on_heard
        self._on_gone = on_gone
        self._address_ttl_s = address_ttl_s
        self._look_s = look_s
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._said: AsyncServiceInfo | None = None
        self._services: dict[str, None] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(MAX_ASKING)
        self._looking: asyncio.Task[None] | None = None

    async def start(self, hosts: Sequence[str]) -> None:
        """Be on the networks of these own addresses. Raises HocketError (NOT_REACHABLE) where there is no multicast."""
        if not hosts:
            raise HocketError("this machine is in no network", code=ErrorCode.NOT_REACHABLE)
        await asyncio.to_thread(importlib.import_module, "zeroconf.asyncio")  # a tenth of a second
        from zeroconf import Error
        from zeroconf.asyncio import AsyncZeroconf

        try:
            self._zeroconf = AsyncZeroconf(interfaces=_usable(hosts))
            await self._zeroconf.zeroconf.async_wait_for_start()
        except (OSError, RuntimeError, Error) as error:
            await self.close()
            why = getattr(error, "strerror", "") or error
            raise HocketError(f"no multicast DNS here: {why}", code=ErrorCode.NOT_REACHABLE) from error

    async def move(self, hosts: Sequence[str]) -> None:
        """This machine's addresses are others now."""
        if self._zeroconf is not None and hosts:
            with _no_matter("the networks have changed"):
                await self._zeroconf.async_update_interfaces(_usable(hosts))

    # -- saying

    async def say(self, notice: Notice, hosts: Sequence[str]) -> None:
        """From now on others hear this instead of what was said before."""
        from zeroconf.asyncio import AsyncServiceInfo

        if self._zeroconf is None:
            return
        await self.unsay()
        info = AsyncServiceInfo(
            SERVICE,
            instance_of(notice),
            port=notice.port,
            properties=texts_of(notice),
            server=f"hocket-{notice.id}.local.",
            host_ttl=self._address_ttl_s,
            other_ttl=4 * self._address_ttl_s,
            parsed_addresses=list(hosts),
        )
        self._said = info
        with _no_matter("nobody nearby was told"):
            await (await self._zeroconf.async_register_service(info, cooperating_responders=True))

    async def unsay(self) -> None:
        """Say good-bye. Nothing happens where nothing was said."""
        said, self._said = self._said, None
        if said is not None and self._zeroconf is not None:
            with _no_matter("nobody nearby was told"):
                await (await self._zeroconf.async_unregister_service(said))

    # -- hearing

    def listen(self) -> None:
        """Hear who is there, from now on."""
        from zeroconf.asyncio import AsyncServiceBrowser

        if self._zeroconf is not None and self._browser is None:
            self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._changed])
            self._looking = asyncio.create_task(self._look_for_ever(), name="neighbours")

    def _changed(self, zeroconf: object, service_type: str, name: str, state_change: "ServiceStateChange") -> None:
        """Called by the library, by these names."""
        if state_change.name == "Removed":
            self._services.pop(name, None)
            self._on_gone(name)
        elif name in self._services or len(self._services) < MAX_NEIGHBOURS:
            self._services[name] = None
            self._ask(name)

    def _ask(self, name: str) -> None:
        if name not in self._asking:
            task = asyncio.create_task(self._answer_of(name))
            self._asking[name] = task
            task.add_done_callback(lambda _: self._asking.pop(name, None) and None)

    async def _answer_of(self, name: str) -> None:
        from zeroconf import IPVersion
        from zeroconf.asyncio import AsyncServiceInfo

        heard: Heard | None = None
        async with self._few:
            with _no_matter(name):
                info = AsyncServiceInfo(SERVICE, name)
                if self._zeroconf is not None and await info.async_request(self._zeroconf.zeroconf, ANSWER_TIMEOUT_MS):
                    hosts = tuple(info.parsed_addresses(IPVersion.All))
                    heard = Heard(name, read_notice(info.properties, info.port), hosts)
        if name not in self._services:
            return  # it has said good-bye meanwhile
        if heard is None:
            self._on_gone(name)  # its name is kept: it may come back without a word
        else:
            self._on_heard(heard)

    async def _look_for_ever(self) -> None:
        """Who went without a good-bye is noticed once its address is out of date and nobody answers."""
        while True:
            await asyncio.sleep(self._look_s)
            for name in list(self._services):
                self._ask(name)

    # -- ending

    async def close(self) -> None:
        """Say good-bye and end everything. Safe to call twice."""
        tasks = [*self._asking.values(), *([self._looking] if self._looking is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._looking = None
        zeroconf, self._zeroconf = self._zeroconf, None
        browser, self._browser = self._browser, None
        self._said = None
        if zeroconf is not None:
            with _no_matter("at the end"):
                if browser is not None:
                    await browser.async_cancel()
                await zeroconf.async_close()


def _usable(hosts: Sequence[str]) -> list[str]:
    """IPv4 carries it in every home; IPv6 where there is nothing else. Raises OSError where no multicast comes in."""
    v4 = [host for host in hosts if ":" not in host]
    if not v4:
        return list(hosts)
    usable = []
    problem: OSError | None = None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        probe.bind(("", MDNS_PORT))
        for host in v4:
            membership = socket.inet_aton(MDNS_GROUP) + socket.inet_aton(host)
            try:
                probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            except OSError as error:
                problem = error
            else:
                usable.append(host)
    if problem is not None and not usable:
        raise problem
    return usable


@contextlib.contextmanager
def _no_matter(what: str) -> Iterator[None]:
    """Friends nearby are a comfort: whatever goes wrong with them stays here."""
    from zeroconf import Error

    try:
        yield
    except (OSError, RuntimeError, ValueError, TimeoutError, Error) as error:
        log.info("%s: %s", what, error)
