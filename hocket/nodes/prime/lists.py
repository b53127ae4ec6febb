"""Tells every streaming node what other machines hold, so that its listeners see the whole library."""

import asyncio
import logging
from collections.abc import Iterable

from hocket.adapters.link import Link
from hocket.core.errors import HocketError, NotReachable, Refused
from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.nodes.prime.librarian import Librarian
from hocket.wire import limits
from hocket.wire.messages.common import Done
from hocket.wire.messages.library import MAX_REMOVED_IDS, TracksElsewhere
from hocket.wire.pages import that_fit

log = logging.getLogger(__name__)

GATHER_S = 0.25
"""Changes that come together are told together: every one makes listeners look at their list again."""

RETRY_S = 1.0


class _Reader:
    """One streaming node, and the tracks that it is still to hear of: at worst all of them, each once."""

    def __init__(self, link: Link, machine: NodeId) -> None:
        self.link = link
        self.machine = machine
        self.due: dict[TrackId, None] = {}
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Lists:
    """All methods are for the event loop; await `stop` in the end."""

    def __init__(self, librarian: Librarian) -> None:
        self._librarian = librarian
        self._readers: dict[Link, _Reader] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def tell(self, link: Link, machine: NodeId) -> None:
        """From now on keep a streaming node up to date that serves the folder of a machine."""
        reader = self._readers[link] = _Reader(link, machine)
        reader.task = asyncio.create_task(self._keep(reader), name=f"list of {link.peer.node}")

    def news(self, tracks: Iterable[TrackId]) -> None:
        """These tracks may be elsewhere now, called otherwise, or gone."""
        due = dict.fromkeys(tracks)
        for reader in self._readers.values():
            reader.due |= due
            reader.wake.set()

    def forget(self, link: Link) -> None:
        """This connection is over."""
        reader = self._readers.pop(link, None)
        if reader is not None and reader.task is not None:
            reader.task.cancel()
            self._ending.add(reader.task)
            reader.task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """Nobody is told any more."""
        for link in list(self._readers):
            self.forget(link)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _keep(self, reader: _Reader) -> None:
        while True:
            try:
                await self._tell_whole(reader)
                while True:
                    await reader.wake.wait()
                    await asyncio.sleep(GATHER_S)
                    reader.wake.clear()
                    await self._tell_due(reader, first=False)
            except Refused as error:
                log.warning("%s does not take the list of the cluster's library: %s", reader.link.peer.node, error)
                return  # a node of another version: it lists what its own machine holds
            except NotReachable as error:
                if not reader.link.is_open:
                    return
                log.info("%s was not told the list: %s", reader.link.peer.node, error)
            except HocketError as error:
                log.warning("%s was not told the list: %s", reader.link.peer.node, error)
            await asyncio.sleep(RETRY_S)

    async def _tell_whole(self, reader: _Reader) -> None:
        reader.due = dict.fromkeys(self._librarian.elsewhere(reader.machine))
        await self._tell_due(reader, first=True)

    async def _tell_due(self, reader: _Reader, *, first: bool) -> None:
        while first or reader.due:
            tracks, removed = self._next(reader)
            await reader.link.request(TracksElsewhere(first, not reader.due, tracks, removed), Done)
            first = False

    def _next(self, reader: _Reader) -> tuple[tuple[Track, ...], tuple[TrackId, ...]]:
        """A part that fits into one message, as things stand now; it is due no more."""
        tracks: list[Track] = []
        removed: list[TrackId] = []
        for due in reader.due:
            track = self._librarian.beside(reader.machine, due)
            if len(tracks) == limits.MAX_PAGE or len(removed) == MAX_REMOVED_IDS:
                break
            if track is None:
                removed.append(due)
            else:
                tracks.append(track)
        fit = that_fit(tracks)
        for track in fit:
            del reader.due[track.id]
        for gone in removed:
            del reader.due[gone]
        return fit, tuple(removed)
