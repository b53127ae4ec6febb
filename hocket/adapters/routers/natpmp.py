"""PCP and NAT-PMP with the router that the way out leads through."""

import asyncio
from collections.abc import Callable
from functools import partial

from hocket.adapters.routers.datagrams import Asking
from hocket.adapters.routers.errors import NoRouter, RouterRefused
from hocket.core.address import HostPort
from hocket.relay.natpmp import (
    Denied,
    Granted,
    ask_nat_pmp,
    ask_nat_pmp_address,
    ask_pcp,
    read_nat_pmp,
    read_nat_pmp_address,
    read_pcp,
)

Answer = Granted | Denied | str

WAITS_S = (0.25, 0.5, 1.0, 1.0)
"""For an answer, before the question is repeated; the RFC's own patience of a minute is not a person's."""


class PortControl:
    """One port of ours at one router. `nonce`: NONCE_BYTES random bytes, by which PCP knows whose mapping it is."""

    def __init__(self, router: HostPort, internal_port: int, nonce: bytes) -> None:
        self.router = router
        self._port = internal_port
        self._nonce = nonce
        self._is_older = False

    @property
    def protocol(self) -> str:
        return "nat-pmp" if self._is_older else "pcp"

    async def map(self, external_port: int, lifetime_s: int) -> Granted:
        """Get or prolong a mapping, or (lifetime_s 0) give it back. Raises NoRouter, RouterRefused."""
        try:
            async with Asking.to(self.router) as asking:
                if not self._is_older:
                    granted = await self._by_pcp(asking, external_port, lifetime_s)
                    if granted is not None:
                        return granted
                    self._is_older = True
                return await self._by_nat_pmp(asking, external_port, lifetime_s)
        except OSError as error:
            raise NoRouter(f"the router at {self.router.host} takes no questions: {error.strerror or error}") from None

    async def _by_pcp(self, asking: Asking, external_port: int, lifetime_s: int) -> Granted | None:
        """None where it speaks the older protocol."""
        question = ask_pcp(asking.own_host, self._nonce, self._port, external_port, lifetime_s)
        answer = await self._asked(asking, question, partial(read_pcp, nonce=self._nonce, internal_port=self._port))
        if isinstance(answer, Denied):
            if answer.is_version:
                return None
            raise RouterRefused(f"the router refuses: {answer.why}")
        assert isinstance(answer, Granted)
        return answer

    async def _by_nat_pmp(self, asking: Asking, external_port: int, lifetime_s: int) -> Granted:
        question = ask_nat_pmp(self._port, external_port, lifetime_s)
        granted = await self._asked(asking, question, partial(read_nat_pmp, internal_port=self._port))
        if isinstance(granted, Denied):
            raise RouterRefused(f"the router refuses: {granted.why}")
        assert isinstance(granted, Granted)
        if not lifetime_s:
            return granted
        host = await self._asked(asking, ask_nat_pmp_address(), read_nat_pmp_address)
        return Granted(granted.port, granted.lifetime_s, host if isinstance(host, str) else "")

    async def _asked(self, asking: Asking, question: bytes, read: Callable[[bytes], Answer | None]) -> Answer:
        for wait_s in WAITS_S:
            asking.send([question])
            try:
                async with asyncio.timeout(wait_s):
                    while True:
                        data, _ = await asking.receive()
                        answer = read(data)
                        if answer is not None:
                            return answer
            except TimeoutError:
                continue
        raise NoRouter(f"the router at {self.router.host} does not answer")
