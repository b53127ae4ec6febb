"""A control node's part in the common library: tells what its folder holds, hands files out, carries out orders.

The same on the prime and on planes; only the way to the librarian differs (`Head`).
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import msgspec

from hocket.adapters.clocks import SystemClock
from hocket.adapters.streaming import OpenFiles, StreamServer
from hocket.adapters.transfer import Fetched, FileService, Pace, Transfers, trash
from hocket.adapters.transfer.partial import sweep, unwritable
from hocket.adapters.transfer.renaming import rename_new
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, TrackId
from hocket.media.paths import local_path
from hocket.nodes.ports import listen_within
from hocket.nodes.replicareport import Report
from hocket.nodes.shelf import Shelf
from hocket.wire.message import Message
from hocket.wire.messages import library

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

MAX_CONNECTIONS = 64
"""Control nodes that fetch from this one at once; each has a few connections."""

_OF_THE_FOLDER = frozenset({ErrorCode.DISK_FULL, ErrorCode.MUSIC_UNWRITABLE})


class Head(Protocol):
    """The way to the librarian."""

    async def request(self, message: Message, reply: type[M]) -> M:
        """Raises NotReachable while it is away, Refused."""
        ...

    def notify(self, message: Message) -> None:
        """Tell it, if it is there."""
        ...


class Contexts(msgspec.Struct, frozen=True):
    """TLS of this node: for those who connect to it, and for connecting."""

    server: ssl.SSLContext
    client: ssl.SSLContext


class Replica:
    """Await `start`, then `registered` at each (new) connection to the librarian, then `stop`."""

    def __init__(
        self,
        own: tuple[Role, NodeId],
        shelf: Shelf,
        head: Head,
        contexts: Contexts,
        *,
        is_member: Callable[[NodeId], bool] = lambda node: True,
        rate_bytes_per_s: float = 0.0,
        prime_host: str = "",
    ) -> None:
        """`prime_host`: how this machine reaches the prime, which may only know itself as 0.0.0.0."""
        self._shelf = shelf
        self._contexts = contexts
        self._prime_host = prime_host
        self._pace = Pace(rate_bytes_per_s)
        clock = SystemClock()
        files = OpenFiles(shelf.open)
        service = FileService(files, shelf.find, is_member, clock.monotonic_s)
        self._server = StreamServer(
            own[1],
            service,
            files,
            clock,
            contexts.server,
            MAX_CONNECTIONS,
            role=own[0],
            send_buffer_bytes=0,
            is_bulk=True,
        )
        self._transfers = Transfers(shelf.music, lambda: contexts.client, own, self._pace, self._ended)
        self._report = Report(own[1], shelf, head, self._transfers.states)
        self._troubles: dict[TrackId, HocketError] = {}  # why the folder cannot take them
        self._errands: set[asyncio.Task[None]] = set()
        self._lasting: asyncio.Task[None] | None = None

    async def start(self, host: str, ports: tuple[int, int] | None = None, advertise: str = "") -> HostPort:
        """Hand out files on one port of a range, or on any; others are told the host `advertise`.

        A range that is taken is no reason not to serve: copies then need a port that a firewall may close.
        Raises HocketError (PORT_BUSY).
        """
        try:
            taken = await listen_within(self._server.start, HostPort(host, 0), ports)
        except HocketError as error:
            if ports is None:
                raise
            log.warning("copies of music go over a port outside of --node-ports: %s", error)
            taken = await self._server.start(HostPort(host, 0))
        self._report.state(address=HostPort(advertise or taken.host, taken.port), label=socket.gethostname()[:64])
        self._lasting = asyncio.create_task(self._report.run())
        self._run(self._sweep())
        return taken

    async def stop(self) -> None:
        """Everything ends; what came of files is kept for the next time."""
        tasks = [*self._errands] + ([self._lasting] if self._lasting else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transfers.stop()
        self._server.stop()

    def registered(self) -> None:
        """There is a connection to the librarian, who may know nothing of this node."""
        self._report.again()

    def library_changed(self) -> None:
        """The shelf has another library."""
        self._note_troubles({track: why for track, why in self._troubles.items() if not self._shelf.holds(track)})
        self._report.changed()

    @property
    def sent_bytes(self) -> int:
        """Handed out to other machines since the start."""
        return self._server.sent_bytes

    def take(self, message: Message) -> bool:
        """Carry out an order of the librarian; whether it was one."""
        match message:
            case library.FetchOrder():
                self._transfers.order(self._reachable(message))
                self._report.transfers_changed()
            case library.FetchCancel():
                self._transfers.cancel(message.track)
            case library.RenameCopy():
                self._run(self._rename(message))
            case library.Discard():
                self._run(self._discard(message.track))
            case library.PutBack():
                self._run(self._put_back(message.track))
            case library.SyncPause():
                self._pace.pause(message.paused)
            case _:
                return False
        return True

    def _reachable(self, order: library.FetchOrder) -> library.FetchOrder:
        if not order.address.is_wildcard or not self._prime_host:
            return order
        return msgspec.structs.replace(order, address=HostPort(self._prime_host, order.address.port))

    # -- transfers

    def _ended(self, order: library.FetchOrder, result: Fetched | HocketError) -> None:
        self._report.transfers_changed()
        if isinstance(result, Fetched):
            log.info("'%s' came from %s", result.name, order.source)
            # It could be written: only what was too large is still in trouble.
            full = {track: why for track, why in self._troubles.items() if why.code is ErrorCode.DISK_FULL}
            self._note_troubles({track: why for track, why in full.items() if track != result.track})
            self._shelf.touched(result.name, result.stamp, result.track)
            self._report.when_held(result.track, library.FetchEnded(order.track, order.source))
            return
        log.info("'%s' did not come from %s: %s", order.name, order.source, result)
        if result.code in _OF_THE_FOLDER:
            self._note_troubles({**self._troubles, order.track: result})
        self._report.tell(library.FetchEnded(order.track, order.source, result.code.value, str(result)[:2000]))

    def _note_troubles(self, troubles: dict[TrackId, HocketError]) -> None:
        if troubles != self._troubles:
            self._troubles = troubles
            self._report.state(problem=str(next(reversed(troubles.values()))) if troubles else "")

    # -- changes in the folder

    async def _rename(self, order: library.RenameCopy) -> None:
        entry = self._shelf.library.entries.get(order.old_name)
        if entry is None or entry.track.id != order.track:
            self._report.again()  # the librarian's list is not this folder's
            return

        def rename() -> None:
            target = local_path(self._shelf.music, order.new_name)
            target.parent.mkdir(parents=True, exist_ok=True)
            rename_new(self._shelf.music / entry.path, target)

        try:
            await asyncio.to_thread(rename)
        except OSError as error:
            log.warning("'%s' could not be renamed to '%s': %s", order.old_name, order.new_name, error)
            if not isinstance(error, FileExistsError | FileNotFoundError):
                self._note_troubles({**self._troubles, order.track: unwritable(self._shelf.music, error)})
            return
        except HocketError as error:
            log.warning("%s", error)
            return
        log.info("'%s' is called '%s' now: another track has that name", order.old_name, order.new_name)
        self._shelf.touched(entry.path)
        stamp = (entry.inode, entry.track.size_bytes, entry.mtime_ns)
        self._shelf.touched(order.new_name, stamp, order.track)

    async def _discard(self, track: TrackId) -> None:
        await self._transfers.cancelled(track)
        self._note_troubles({other: why for other, why in self._troubles.items() if other != track})
        paths = [entry.path for entry in self._shelf.files(track)]
        try:
            await asyncio.to_thread(trash.discard, self._shelf.music, track, paths)
        except HocketError as error:
            log.warning("%s could not be removed: %s", track, error)
            self._note_troubles({**self._troubles, track: error})
            self._report.tell(library.Discarded(track, str(error)))
            return
        for path in paths:
            log.info("'%s' was removed: it is in the trash", path)
            self._shelf.touched(path)
        self._report.when_gone(track, library.Discarded(track))

    async def _put_back(self, track: TrackId) -> None:
        try:
            names = await asyncio.to_thread(trash.put_back, self._shelf.music, track)
        except HocketError as error:
            log.warning("%s could not be restored: %s", track, error)
            self._note_troubles({**self._troubles, track: error})
            return
        for name in names:
            log.info("'%s' is back", name)
            self._shelf.touched(name)

    async def _sweep(self) -> None:
        """Partial files of tracks that are here by now, from before a crash."""
        await self._shelf.wait_first()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(sweep, self._shelf.music, lambda track: not self._shelf.holds(track))

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)
