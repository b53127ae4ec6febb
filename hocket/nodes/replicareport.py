"""What a control node tells the librarian: its list and the changes of it, its transfers, how orders ended.

Everything that depends on the list is told after the part of the list that shows it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from hocket.adapters.clocks import SystemClock
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.media.manifest import Manifest, change_between, manifest_of
from hocket.nodes.shelf import Shelf
from hocket.wire import limits
from hocket.wire.message import Message
from hocket.wire.messages import library
from hocket.wire.messages.common import Done
from hocket.wire.pages import that_fit

if TYPE_CHECKING:
    from hocket.nodes.replica import Head

log = logging.getLogger(__name__)

PROGRESS_S = 1.0
PROGRESS_LOG_S = 10.0
"""Songs arrive and are logged within it; only who copies for longer wants to know how far it is."""

GIVE_UP_S = 30.0
"""A copy that the scan does not list after so long is none: the librarian may order it again."""

RETRY_S = 1.0


class _Due(msgspec.Struct, frozen=True):
    """A notice that waits until the list shows a track, or does not show it any more."""

    track: TrackId
    held: bool
    message: Message
    until_s: float


class Report:
    """Keeps the librarian up to date. All methods are for the event loop."""

    def __init__(
        self,
        node: NodeId,
        shelf: Shelf,
        head: "Head",
        transfers: Callable[[], tuple[library.TransferState, ...]],
    ) -> None:
        self._node = node
        self._shelf = shelf
        self._head = head
        self._transfers = transfers
        self._clock = SystemClock()
        self._known: Manifest | None = None  # what the librarian knows; None: nothing
        self._state = library.ReplicaState(HostPort("?", 0))
        self._told_state: library.ReplicaState | None = None
        self._due: list[_Due] = []
        self._wake = asyncio.Event()
        self._logged_s = 0.0

    def again(self) -> None:
        """Tell everything: the librarian may have forgotten this node."""
        self._known = None
        self._told_state = None
        self._wake.set()

    def changed(self) -> None:
        """The shelf has another library."""
        self._wake.set()

    def transfers_changed(self) -> None:
        """A transfer began or ended."""
        self._wake.set()

    def state(self, **fields: object) -> None:
        """Change what is told of this machine: address, label, problem."""
        self._state = msgspec.structs.replace(self._state, **fields)
        self._wake.set()

    def tell(self, message: Message) -> None:
        """A notice that depends on nothing."""
        self._head.notify(message)

    def when_held(self, track: TrackId, message: Message) -> None:
        """A notice for when the librarian's list shows a track."""
        self._await(track, message, held=True)

    def when_gone(self, track: TrackId, message: Message) -> None:
        """A notice for when the librarian's list does not show a track any more."""
        self._await(track, message, held=False)

    def _await(self, track: TrackId, message: Message, *, held: bool) -> None:
        self._due.append(_Due(track, held, message, self._clock.monotonic_s() + GIVE_UP_S))
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            busy = bool(self._transfers() or self._due)
            try:
                async with asyncio.timeout(PROGRESS_S if busy else None):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            self._log_progress()
            try:
                await self._tell_all()
            except NotReachable:
                self._known = None  # `again` comes with the next connection
            except HocketError as error:
                log.warning("the list of this folder was refused: %s", error)
                self._known = None
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    def _log_progress(self) -> None:
        transfers, now_s = self._transfers(), self._clock.monotonic_s()
        if not transfers:
            self._logged_s = now_s
        elif now_s - self._logged_s >= PROGRESS_LOG_S:
            self._logged_s = now_s
            done_bytes = sum(copy.done_bytes for copy in transfers)
            size_bytes = sum(copy.size_bytes for copy in transfers)
            log.info(
                "copies to here: %d under way, %.1f of %.1f MB came", len(transfers), done_bytes / 1e6, size_bytes / 1e6
            )

    async def _tell_all(self) -> None:
        state = msgspec.structs.replace(self._state, transfers=self._transfers()[: library.MAX_TRANSFERS_SHOWN])
        if state != self._told_state:
            self._head.notify(state)
            self._told_state = state
        if self._shelf.revision == 0:
            return  # an empty list would have everything copied here that is only not scanned yet
        known = self._known
        if known is None or known.revision != self._shelf.revision:
            await self._tell_list(known)
        if self._known is not None and self._known.revision == self._shelf.revision:
            self._tell_due()

    async def _tell_list(self, known: Manifest | None) -> None:
        revision, tracks = self._shelf.revision, self._shelf.library.catalogue.tracks
        now = await asyncio.to_thread(manifest_of, self._node, revision, tracks)
        if self._told_state is None:
            return  # another connection meanwhile: it begins with the state
        try:
            if known is None or not await self._tell_change(known, now):
                await self._tell_whole(now)
        except HocketError as error:
            if error.code is not ErrorCode.PROTOCOL or isinstance(error, NotReachable):
                raise
            await self._tell_whole(now)
        self._known = now

    async def _tell_change(self, known: Manifest, now: Manifest) -> bool:
        """Whether the change was small enough for one message."""
        change = await asyncio.to_thread(change_between, known, now)
        too_many = len(change.added) > limits.MAX_PAGE or len(change.removed) > library.MAX_REMOVED_IDS
        if too_many or len(that_fit(change.added)) < len(change.added):
            return False
        message = library.HoldsChanged(
            change.base_revision, change.revision, len(now.tracks), change.added, change.removed
        )
        await self._head.request(message, Done)
        return True

    async def _tell_whole(self, now: Manifest) -> None:
        tracks: Sequence[Track] = now.tracks
        at, first = 0, True
        while first or at < len(tracks):
            page = that_fit(tracks[at : at + limits.MAX_PAGE])
            at += len(page)
            message = library.HoldsPage(now.revision, first, at >= len(tracks), len(tracks), page)
            await self._head.request(message, Done)
            first = False

    def _tell_due(self) -> None:
        now_s = self._clock.monotonic_s()
        left: list[_Due] = []
        for due in self._due:
            if self._shelf.holds(due.track) == due.held:
                self._head.notify(due.message)
            elif now_s < due.until_s:
                left.append(due)
            elif isinstance(due.message, library.FetchEnded):
                text = "the copy came but is not in the folder's list"
                self._head.notify(msgspec.structs.replace(due.message, code=ErrorCode.TRACK_DAMAGED.value, text=text))
        self._due = left
