"""A node's one connection to its prime: registers, sends heartbeats, comes back by itself.

While the prime is away the node serves on with what it knows, and keeps trying; how long it may do
so without anybody looking after it is judged by its Watcher.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from hocket.adapters import link as links
from hocket.adapters.clocks import SystemClock, random_bytes
from hocket.adapters.tls import Credentials, node_client_context, reload_context
from hocket.core.clustertime import ClusterTime
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import Role
from hocket.nodes.standing import Standing
from hocket.wire.message import Message
from hocket.wire.messages.nodes import Heartbeat, HeartbeatHeard, Register, Registered
from hocket.wire.messages.planes import Supervised

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.1
MAX_RETRY_S = 1.0
"""A prime that was killed is back within a second or two: nodes are in its registry soon after."""

BOOT_BYTES = 8

M = TypeVar("M", bound=Message)


class Watcher(Protocol):
    """Who wants to know how the node stands with its prime."""

    def registered(self) -> None:
        """A prime took the node in."""
        ...

    def cut_off(self) -> None:
        """The connection to the prime is lost."""
        ...

    def adopted(self) -> None:
        """The prime says that the node's control node is back."""
        ...


class Uplink:
    """Keeps the node registered. All callbacks run on the event loop."""

    def __init__(
        self,
        standing: Standing,
        *,
        describe: Callable[[str], Register],
        load: Callable[[], Heartbeat],
        on_registered: Callable[[Registered], None],
        on_message: Callable[[Message], Awaitable[Message | None]],
        watcher: Watcher,
    ) -> None:
        self._standing = standing
        self._describe = describe
        self._load = load
        self._on_registered = on_registered
        self._answer = on_message
        self._watcher = watcher
        self._clock = SystemClock()
        self._boot = random_bytes(BOOT_BYTES).hex()
        self._context = node_client_context(standing.credentials)
        self._link: links.Link | None = None
        self._urgent = asyncio.Event()
        self.time = ClusterTime()

    def cluster_ns(self) -> int:
        return self.time.now_ns(self._clock.monotonic_s())

    def load_changed(self) -> None:
        """Tell the prime soon, not at the next heartbeat."""
        self._urgent.set()

    async def request(self, message: Message, reply: type[M]) -> M:
        """Ask the prime. Raises NotReachable while it is away, Refused."""
        if self._link is None:
            raise NotReachable("the prime is away", hint="try again in a moment", retry_s=MAX_RETRY_S)
        return await self._link.request(message, reply)

    def notify(self, message: Message) -> None:
        """Tell the prime, if it is there."""
        if self._link is not None:
            self._link.notify(message)

    def renewed(self, credentials: Credentials) -> None:
        """Connect with these from now on."""
        reload_context(self._context, credentials)

    async def run(self) -> None:
        """Until cancelled. Raises HocketError when the prime refuses the node for good."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                await self._stay_connected()
                retry_s = FIRST_RETRY_S
            except HocketError as error:
                if error.code in _FOR_GOOD:
                    raise
                log.debug("no prime: %s", error)
                await asyncio.sleep(max(retry_s, error.retry_s))
                retry_s = min(MAX_RETRY_S, retry_s * 2)

    async def on_message(self, link: links.Link, message: Message) -> Message | None:
        if isinstance(message, Supervised):
            self._watcher.adopted()
            return None
        return await self._answer(message)

    def on_closed(self, link: links.Link, error: HocketError) -> None:
        if self._link is link:
            log.info("the prime is away: %s", error)
            self._link = None
            self._urgent.set()
            self._watcher.cut_off()

    async def _stay_connected(self) -> None:
        mine = links.hello(self._standing.role, self._standing.node)
        expect = (Role.PRIME, self._standing.prime_node)
        link = await links.connect(self._standing.prime, self._context, mine, self, expect=expect)
        try:
            sent_s = self._clock.monotonic_s()
            registered = await link.request(self._describe(self._boot), Registered)
            self.time.heard(registered.cluster_ns, sent_s, self._clock.monotonic_s())
            if not link.is_open:
                return
            self._link = link
            self._watcher.registered()
            self._on_registered(registered)
            next_in_s = registered.heartbeat_s
            while link.is_open:
                await self._pause(next_in_s)
                next_in_s = await self._beat(link) or registered.heartbeat_s
        finally:
            link.close()
            await link.wait_closed()

    async def _pause(self, heartbeat_s: float) -> None:
        try:
            async with asyncio.timeout(heartbeat_s):
                await self._urgent.wait()
        except TimeoutError:
            pass
        self._urgent.clear()

    async def _beat(self, link: links.Link) -> float:
        """When the prime wants to hear the next one, in seconds; 0 if it does not say."""
        if not link.is_open:
            return 0.0
        sent_s = self._clock.monotonic_s()
        heard = await link.request(self._load(), HeartbeatHeard)
        self.time.heard(heard.cluster_ns, sent_s, self._clock.monotonic_s())
        return max(0.0, heard.next_in_s)


_FOR_GOOD = frozenset(
    {
        ErrorCode.ID_COPIED,
        ErrorCode.NOT_ALLOWED,
        ErrorCode.CERTIFICATE_REFUSED,
        ErrorCode.VERSION_TOO_NEW,
        ErrorCode.VERSION_TOO_OLD,
    }
)
"""Waiting does not help against these."""
