"""The plane: another machine's control node. It joins, keeps its music folder, raises nodes when it is told to."""

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from hocket.adapters.authority import save_credentials
from hocket.adapters.certificates import new_key_pem, request_certificate
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.primefiles import keep_music_folder
from hocket.adapters.tls import Credentials, node_client_context, reload_context, server_context
from hocket.control.children import Child
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role
from hocket.nodes.endings import cancelled, first_done
from hocket.nodes.joining import CREDENTIALS, Passport, authority_key_of, join
from hocket.nodes.leaves import LeafHashes
from hocket.nodes.raising import Home, Raising
from hocket.nodes.renewal import keep_fresh, renewal_in_s
from hocket.nodes.replica import Contexts, Replica
from hocket.nodes.shelf import Shelf
from hocket.nodes.uplink import Uplink
from hocket.wire.message import Message
from hocket.wire.messages.common import Ping, Pong
from hocket.wire.messages.library import LeavesGet
from hocket.wire.messages.nodes import Drain, Heartbeat, Register, Registered, Retire
from hocket.wire.messages.planes import Certified, Certify, ChildGone, NodesRemoved, SpawnChild

log = logging.getLogger(__name__)


class PlaneConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One plane's settings; the flags of `planeNODE.py` fill them."""

    token: str = ""
    data: Path = Path("plane-data")
    music: Path = Path("music")
    listen: HostPort | None = None  # None: the address by which the prime is reached, any port
    advertise: str = ""
    max_load: int = settings.MAX_LOAD
    node_ports: tuple[int, int] | None = None
    sync_rate_bytes_per_s: int = settings.SYNC_RATE
    log_level: int = 20


class _Alone:
    """A plane outlives its prime: nobody has to look after it."""

    def registered(self) -> None: ...

    def cut_off(self) -> None: ...

    def adopted(self) -> None: ...


class Plane:
    """One plane. `start`, then `run` until told to `end`, then `stop`; `stop` is safe after a failed start."""

    def __init__(self, config: PlaneConfig) -> None:
        self._config = config
        self._stack = contextlib.AsyncExitStack()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._registered = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()
        self._lasting: list[asyncio.Task[None]] = []
        self._draining = False
        self._removed: frozenset[NodeId] = frozenset()

    @property
    def node(self) -> NodeId:
        return self._passport.standing.node

    async def start(self) -> bool:
        """Join or come back, until the prime has registered this plane; False if it was told to `end` before.

        Raises TokenRefused, DataInUse, DataUnwritable, HocketError (PORT_BUSY, CERTIFICATE_REFUSED, ID_COPIED);
        NotReachable only for a first join: one that joined before waits for its prime.
        """
        starting = asyncio.create_task(self._start())
        try:
            first: set[asyncio.Future[Any]] = {starting, self._ended}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                return True
        except BaseException:
            await cancelled(starting)
            await self.stop()
            raise
        await cancelled(starting)
        return False

    async def run(self) -> str:
        """Until `end`, or until the prime refuses this plane for good; returns why."""
        return await first_done(self._ended, *self._lasting)

    def end(self, why: str) -> None:
        """Make `run` return."""
        if not self._ended.done():
            self._ended.set_result(why)

    async def stop(self) -> None:
        """Everything in reverse order of its start, the children included. Safe to call twice."""
        await self._stack.aclose()

    # -- start

    async def _start(self) -> None:
        config, stack = self._config, self._stack
        folder = stack.enter_context(DataFolder.open(config.data))
        self._folder = folder
        keep_music_folder(folder, config.music)
        self._passport: Passport = await join(folder, Role.PLANE, config.token)
        standing = self._passport.standing
        self._context = server_context(standing.credentials)
        self._server = LinkServer(self._context, Role.PLANE, standing.node, self)
        stack.push_async_callback(self._server.stop)
        self._address = await self._server.start(config.listen or HostPort(self._passport.own_host or settings.IP, 0))
        self._shelf = Shelf(config.music, folder.path, self._on_catalogue)
        stack.push_async_callback(self._shelf.stop)
        self._leaves = LeafHashes(self._shelf)
        stack.callback(self._leaves.close)
        self._raising = Raising(self._home, config.max_load, self._gone)
        self._uplink = Uplink(
            standing,
            describe=self._describe,
            load=self._load,
            on_registered=self._on_registered,
            on_message=self._on_prime,
            watcher=_Alone(),
        )
        self._contexts = Contexts(self._context, node_client_context(standing.credentials))
        self._replica = Replica(
            (Role.PLANE, standing.node),
            self._shelf,
            self._uplink,
            self._contexts,
            is_member=lambda who: who not in self._removed,
            rate_bytes_per_s=config.sync_rate_bytes_per_s,
            prime_host=standing.prime.host,
        )
        stack.push_async_callback(self._replica.stop)
        await self._replica.start(self._address.host, config.node_ports, config.advertise)
        self._shelf.start()
        renew_in_s = renewal_in_s(standing.credentials)
        fresh = keep_fresh(standing, renew_in_s, self._uplink.request, self._renewed)
        self._lasting = [asyncio.create_task(self._uplink.run()), asyncio.create_task(fresh)]
        stack.push_async_callback(self._stop_tasks)
        stack.push_async_callback(self._raising.stop)
        await self._wait_registered()

    async def _wait_registered(self) -> None:
        """Until the prime took this plane in; raises what the uplink raises."""
        registered = asyncio.create_task(self._registered.wait())
        waiting: set[asyncio.Future[Any]] = {registered, *self._lasting}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            registered.cancel()
        for task in self._lasting:
            if task.done():
                task.result()

    def _home(self) -> Home:
        standing = self._passport.standing
        return Home(
            control=standing.node,
            prime=standing.prime,
            prime_node=standing.prime_node,
            authority_key=authority_key_of(standing.credentials),
            listen_host=self._address.host,
            ports=self._config.node_ports,
            advertise=self._config.advertise,
            music=self._config.music,
            index=self._shelf.index,
            log_level=self._config.log_level,
        )

    async def _stop_tasks(self) -> None:
        await cancelled(*self._lasting, *self._errands)

    # -- those who look whether this plane lives (link.Owner)

    async def on_message(self, link: Link, message: Message) -> Message | None:
        """The prime's probe."""
        if isinstance(message, Ping):
            return Pong()
        raise HocketError(f"{type(message).__name__} is not for a plane", code=ErrorCode.NOT_ALLOWED)

    def on_closed(self, link: Link, error: HocketError) -> None: ...

    # -- the prime

    def _describe(self, boot: str) -> Register:
        address = HostPort(self._config.advertise or self._address.host, self._address.port)
        return Register(boot, self.node, address, os.getpid(), self._config.max_load, len(self._raising))

    def _load(self) -> Heartbeat:
        return Heartbeat(len(self._raising), self._draining)

    def _on_registered(self, registered: Registered) -> None:
        self._registered.set()
        self._replica.registered()

    async def _on_prime(self, message: Message) -> Message | None:
        match message:
            case SpawnChild():
                await self._spawn(message)
            case LeavesGet():
                return await self._leaves.answer(message)
            case Drain():
                self._draining = True
                self._uplink.load_changed()
            case Retire():
                self.end(message.why or "retired")
            case NodesRemoved() if self.node in message.nodes:
                self.end("this plane was removed from the cluster")
            case NodesRemoved():
                self._removed |= frozenset(message.nodes)
            case Ping():
                return Pong()
            case _:
                self._replica.take(message)
        return None

    async def _spawn(self, order: SpawnChild) -> None:
        if self._draining:
            raise HocketError(f"{self.node} is being drained", code=ErrorCode.DRAINING)
        key = new_key_pem()
        request = request_certificate(order.role, order.node, key)
        certified = await self._uplink.request(Certify(request), Certified)
        credentials = Credentials(certified.certificate, key, self._passport.standing.credentials.authority)
        await self._raising.spawn(order.node, order.role, order.capacity, order.policy, credentials)
        log.info("%s is up", order.node)

    def _gone(self, child: Child, not_before_s: float) -> None:
        retry_in_s = max(0.0, not_before_s - asyncio.get_running_loop().time()) if child.crashed else 0.0
        self._uplink.notify(ChildGone(child.node_id, child.why or "its process ended", retry_in_s))

    def _renewed(self, credentials: Credentials) -> None:
        for context in (self._contexts.server, self._contexts.client):
            reload_context(context, credentials)
        self._uplink.renewed(credentials)
        save_credentials(self._folder, CREDENTIALS, credentials)

    def _on_catalogue(self, revision: int, tracks: int) -> None:
        log.info("%d tracks here", tracks)
        self._replica.library_changed()
