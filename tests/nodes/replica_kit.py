"""Several machines with their folders in one process: real sockets, real files, one librarian."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from hocket.adapters.datafolder import DataFolder
from hocket.adapters.tls import node_client_context, server_context
from hocket.core.errors import NotReachable
from hocket.core.ids import NodeId, Role
from hocket.nodes.prime.librarian import AtHome, Librarian, M
from hocket.nodes.replica import Contexts, Replica
from hocket.nodes.shelf import Shelf
from hocket.wire.message import Message
from tests.adapters.transfer_kit import files_below
from tests.kit.identities import credentials

TIMEOUT_S = 60.0


class Line:
    """A machine's way to the librarian; it can be cut."""

    def __init__(self, librarian: Librarian, node: NodeId, changed: asyncio.Event) -> None:
        self._home = AtHome(librarian, node)
        self._changed = changed
        self.is_cut = False

    async def request(self, message: Message, reply: type[M]) -> M:
        if self.is_cut:
            raise NotReachable("the line is cut")
        answer = await self._home.request(message, reply)
        self._changed.set()
        return answer

    def notify(self, message: Message) -> None:
        if not self.is_cut:
            self._home.notify(message)
            self._changed.set()


class Site:
    """One machine: a folder, its shelf, its replica."""

    def __init__(self, sites: "Sites", node: NodeId, music: Path, rate: float) -> None:
        self.node = node
        self.music = music
        self.lines_cut = 0
        self._sites = sites
        own = credentials(Role.PLANE, node)
        data = music.with_name(f"{music.name}-data")
        for folder in (music, data):
            folder.mkdir(exist_ok=True)
        self.shelf = Shelf(music, data, self._shelf_changed)
        self.line = Line(sites.librarian, node, sites.changed)
        self.contexts = Contexts(server_context(own), node_client_context(own))
        self.replica = Replica((Role.PLANE, node), self.shelf, self.line, self.contexts, rate_bytes_per_s=rate)

    def _shelf_changed(self, revision: int, count: int) -> None:
        self.replica.library_changed()
        self._sites.changed.set()

    async def start(self) -> None:
        await self.replica.start("127.0.0.1")
        self.shelf.start()

    async def stop(self) -> None:
        await self.replica.stop()
        await self.shelf.stop()

    def cut(self) -> None:
        """The prime does not see this machine any more."""
        self.line.is_cut = True
        self._sites.librarian.away(self.node)

    def heal(self) -> None:
        self.line.is_cut = False
        self.replica.registered()

    @property
    def files(self) -> dict[str, bytes]:
        """What is in the folder for people to see, at some moment of its changes."""
        found: dict[str, bytes] = {}
        for name in files_below(self.music):
            if name.endswith(".wav") and not any(part.startswith(".") for part in name.split("/")):
                with contextlib.suppress(FileNotFoundError):
                    found[name] = (self.music / name).read_bytes()
        return found


class _Librarian(Librarian):
    """Tells of each of its steps: it makes one a second also where nothing happens."""

    stepped: asyncio.Event

    def _step(self, now_s: float) -> None:
        super()._step(now_s)
        self.stepped.set()


class Sites:
    """A librarian and its machines."""

    def __init__(self, folder: Path, data: DataFolder, replicas: int) -> None:
        self._folder = folder
        self._by_id: dict[NodeId, Site] = {}
        self.crowded: frozenset[NodeId] = frozenset()
        self.sent: list[tuple[NodeId, Message]] = []
        self.librarian = _Librarian(data, replicas, self._send, lambda *_: None, lambda: self.crowded)
        self.changed = self.librarian.stepped = asyncio.Event()
        self.stack = contextlib.AsyncExitStack()

    def _send(self, node: NodeId, message: Message) -> None:
        site = self._by_id.get(node)
        if site is not None and not site.line.is_cut:
            self.sent.append((node, message))
            site.replica.take(message)

    async def add(self, number: int, rate: float = 0.0, **files: bytes) -> Site:
        """Another machine, with these files (NAME=bytes)."""
        node = NodeId(f"plane-{number:012x}")
        music = self._folder / f"music-{number}"
        music.mkdir(exist_ok=True)
        for name, data in files.items():
            (music / f"{name}.wav").write_bytes(data)
        site = self._by_id[node] = Site(self, node, music, rate)
        self.stack.push_async_callback(site.stop)
        await site.start()
        return site

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what machines and librarian bring about: asked again after whatever they do."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def settled(self) -> None:
        """Until every machine's folder has the same files, and nothing is left to do."""
        sites = list(self._by_id.values())
        await self.until(lambda: all(site.files == sites[0].files for site in sites) and self.is_idle)

    @property
    def is_idle(self) -> bool:
        return not self.librarian.missing_copies and not self.librarian.transfers()


@contextlib.asynccontextmanager
async def sites(folder: Path, replicas: int = 0) -> AsyncIterator[Sites]:
    with DataFolder.open(folder / "prime-data") as data:
        made = Sites(folder, data, replicas)
        running = asyncio.create_task(made.librarian.run())
        try:
            yield made
            if running.done():
                running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await made.stack.aclose()
