"""One copy from begin to end: resume, pull, verify, rename."""

import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from hocket.adapters.transfer.lines import Lines, source_of
from hocket.adapters.transfer.pace import Pace, Stopped
from hocket.adapters.transfer.partial import SLICE_BYTES, Partial
from hocket.adapters.transfer.source import SourceLink
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import NodeId, Role, TrackId
from hocket.media.paths import MAX_COMPONENT_BYTES, BadName, is_library_name
from hocket.wire.messages.library import FetchOrder
from hocket.wire.messages.tracks import TrackOpened

RECONNECTS = 3
"""A line that breaks again after some bytes came is taken up again by this transfer; the partial file outlives it."""

_ID_DIGITS_SHOWN = 12


class Fetched(msgspec.Struct, frozen=True):
    """A copy that is in the folder: its name, and by what the scan knows it (inode, size, time of change)."""

    track: TrackId
    name: str
    stamp: tuple[int, int, int]


class Fetch:
    """Carries out one order in a thread. `stop` ends it from any thread; what came is kept for the next time."""

    def __init__(
        self,
        order: FetchOrder,
        music: Path,
        context: Callable[[], ssl.SSLContext],
        own: tuple[Role, NodeId],
        pace: Pace,
        lines: Lines | None = None,
    ) -> None:
        """`lines`: connections that are open already, and take this one's for the next file."""
        self.order = order
        self.done_bytes = 0
        self.resumed_bytes = 0
        self._music = music
        self._context = context
        self._own = own
        self._pace = pace
        self._lines = lines
        self._stop = threading.Event()
        self._throw_away = False
        self._link: SourceLink | None = None

    def stop(self, *, throw_away: bool = False) -> None:
        """Call it off; `throw_away`: nobody will want what came."""
        self._throw_away = throw_away
        self._stop.set()
        link = self._link
        if link is not None:
            link.abort()

    def run(self) -> Fetched:
        """Raises Stopped, HocketError: SOURCE_LIES, DISK_FULL, MUSIC_UNWRITABLE, BAD_NAME, and what broke the line."""
        order = self.order
        if not is_library_name(order.name) or not order.name.lower().endswith(".wav"):
            raise BadName(f"the name {order.name[:80]!r} is refused", hint="rename the file where it comes from")
        if self._stop.is_set():
            raise Stopped
        with Partial(self._music, order.track, order.name) as partial:
            try:
                self._receive(partial)
                return Fetched(order.track, partial.commit((order.name, name_by_id(order))), partial.stamp())
            finally:
                if self._throw_away:
                    partial.discard()

    def _receive(self, partial: Partial) -> None:
        reconnects = 0
        while True:
            before_bytes = partial.size_bytes
            kept = None if self._lines is None else self._lines.take(source_of(self.order))
            try:
                self._pull(partial, kept)
            except NotReachable:
                if self._stop.is_set():
                    raise Stopped from None
                if partial.size_bytes == before_bytes and kept:
                    continue  # it had ended while nobody used it
                reconnects += 1
                if partial.size_bytes == before_bytes or reconnects > RECONNECTS:
                    raise
                continue
            if partial.is_the_track:
                return
            was_resumed = partial.resumed_bytes > 0
            partial.restart()
            self.done_bytes = 0
            if not was_resumed:
                partial.discard()
                raise self._lies("sent other bytes than the track's")

    def _pull(self, partial: Partial, kept: SourceLink | None) -> None:
        order = self.order
        link = self._link = kept or SourceLink(order.address, self._context(), self._own)
        in_step = False
        try:
            if kept is None:
                link.greet((order.source_role, order.source))
                link.go_plain(between_machines=order.plain)
            opened = link.open(order.track)
            self._check(opened)
            partial.resume(order.size_bytes, self._stop, self._count)
            self.resumed_bytes, self.done_bytes = partial.resumed_bytes, partial.size_bytes

            def take(data: memoryview) -> None:
                partial.append(data)
                self._count(len(data))

            with memoryview(bytearray(SLICE_BYTES)) as buffer:
                link.pull(opened, partial.size_bytes, self._pace, self._stop, buffer, take)
            in_step = True
        finally:
            self._link = None
            if in_step and self._lines is not None:
                self._lines.keep(source_of(order), link)
            else:
                link.close()

    def _check(self, opened: TrackOpened) -> None:
        if (opened.track.id, opened.track.size_bytes) != (self.order.track, self.order.size_bytes):
            raise self._lies(f"offers {opened.track.size_bytes} bytes where {self.order.size_bytes} were announced")

    def _count(self, size_bytes: int) -> None:
        self.done_bytes += size_bytes

    def _lies(self, what: str) -> HocketError:
        order = self.order
        return HocketError(
            f"{order.source} {what} ('{order.name}', {order.track[:_ID_DIGITS_SHOWN]})",
            code=ErrorCode.SOURCE_LIES,
            hint="its disk or its memory may be faulty; another machine is asked",
        )


def name_by_id(order: FetchOrder) -> str:
    """Where the agreed name is taken by a file that the prime does not know of yet: the same on every machine."""
    folder, slash, last = order.name.rpartition("/")
    suffix = f" [{order.track[:_ID_DIGITS_SHOWN]}]{last[-4:]}"
    stem = last[:-4].encode()[: MAX_COMPONENT_BYTES - len(suffix)].decode("utf-8", "ignore")
    return f"{folder}{slash}{stem}{suffix}"
