"""The router's port for friends from elsewhere: asked for, prolonged, given back at the end."""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from hocket.core.address import HostPort
from hocket.core.errors import HocketError

if TYPE_CHECKING:
    from hocket.adapters.routers import Mapped, Mapper, Where

log = logging.getLogger(__name__)

RETRY_S = 300.0
"""A router that did not help is asked again after this: it may have been restarted, or told to."""

GIVE_BACK_TIMEOUT_S = 2.0


class Mapping(StrEnum):
    """How asking the router went."""

    MAPPED = "mapped"
    BEHIND_ANOTHER_ROUTER = "behind_another_router"
    REFUSED = "refused"
    NONE = "none"


class Answer(msgspec.Struct, frozen=True):
    """What came of it. `at`: where friends from elsewhere come in, None where they cannot; `why` is for people."""

    mapping: Mapping
    at: HostPort | None = None
    why: str = ""


class RouterLease:
    """`on_answer` is called with each answer that differs from the one before."""

    def __init__(self, on_answer: Callable[[Answer], None], where: "Where | None" = None) -> None:
        self._on_answer = on_answer
        self._where = where
        self._keeper: asyncio.Task[None] | None = None

    def open(self, own_host: str, port: int) -> None:
        """Ask for a port that leads to this one."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(own_host, port), name="port mapping")

    async def close(self) -> None:
        """Give it back. Safe to call twice."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep(self, own_host: str, port: int) -> None:
        await asyncio.to_thread(importlib.import_module, "hocket.adapters.routers")  # few ask, and it takes its time
        from hocket.adapters.routers import Mapper

        mapper = Mapper(own_host, port, self._where)
        before: Answer | None = None
        try:
            while True:
                answer, wait_s = await _asked(mapper, port)
                if answer != before:
                    before = answer
                    self._on_answer(answer)
                await asyncio.sleep(wait_s)
        finally:
            with contextlib.suppress(HocketError, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_TIMEOUT_S):
                    await mapper.remove()


async def _asked(mapper: "Mapper", port: int) -> tuple[Answer, float]:
    """The router's answer, and when to ask again."""
    from hocket.adapters.routers import NoRouter, RouterRefused

    by_hand = f"forward TCP port {port} to this machine by hand for friends from elsewhere"
    try:
        mapped = await mapper.map()
    except RouterRefused as error:
        return Answer(Mapping.REFUSED, why=f"{error.text}; {by_hand}"), RETRY_S
    except NoRouter as error:
        return Answer(Mapping.NONE, why=f"{error.text}; {by_hand}"), RETRY_S
    log.info("%s is mapped by %s for %d s", mapped.at, mapped.protocol, mapped.lifetime_s)
    return _answer(mapped), max(1.0, mapped.lifetime_s / 2)


def _answer(mapped: "Mapped") -> Answer:
    if mapped.is_public:
        return Answer(Mapping.MAPPED, mapped.at)
    why = f"the router stands behind another one, its own address is {mapped.at.host}"
    return Answer(Mapping.BEHIND_ANOTHER_ROUTER, why=why)
