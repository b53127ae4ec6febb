"""A control node's music folder: scanned once, watched from then on, its index kept for the streaming nodes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from hocket.adapters.library import Library, open_track
from hocket.adapters.library.index import Entry
from hocket.adapters.library.scan import Progress, Stamp
from hocket.adapters.library.watch import News, follow
from hocket.core.errors import HocketError
from hocket.core.ids import TrackId
from hocket.core.track import Track

log = logging.getLogger(__name__)

INDEX_FILE = "library.index"
RETRY_S = 5.0
"""A folder that could not be read is looked at again after this."""


class ShelfState(msgspec.Struct, frozen=True):
    """What `status` tells of the library."""

    tracks: int
    unplayable: int
    problems: tuple[str, ...] = ()
    scan_done: int = 0  # bytes of new files that were read
    scan_total: int = 0


class Shelf:
    """Keeps the index of one music folder true. `on_change(revision, tracks)` is called on the event loop."""

    def __init__(self, music: Path, data: Path, on_change: Callable[[int, int], None]) -> None:
        self.index = data / INDEX_FILE
        self.music = music
        self._on_change = on_change
        self._library = Library()
        self._news = News()
        self._revision = 0
        self._problem = ""
        self._progress = (0, 0)
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()

    @property
    def revision(self) -> int:
        """Counts the changes since the node started."""
        return self._revision

    @property
    def state(self) -> ShelfState:
        """For `status`."""
        catalogue = self._library.catalogue
        playable = sum(1 for track in catalogue.tracks if track.is_playable)
        problems = (self._problem,) if self._problem else ()
        return ShelfState(playable, len(catalogue) - playable, problems, *self._progress)

    @property
    def library(self) -> Library:
        """As of the last look; another object after each change. Empty before the first one, at revision 0."""
        return self._library

    async def wait_first(self) -> None:
        """Until the folder was looked at once."""
        await self._looked.wait()

    def find(self, track: TrackId) -> Track | None:
        """The track with this id, if it is in this folder."""
        return self._library.catalogue.get(track)

    def open(self, track: Track) -> int:
        """A descriptor of a track's bytes. Raises TrackMissing."""
        return open_track(self.music, track, self._library.files(track.id))

    def files(self, track: TrackId) -> list[Entry]:
        """The files of a track; none if it is not here."""
        return self._library.files(track) if self.holds(track) else []

    def touched(self, path: str, stamp: Stamp | None = None, track: TrackId | None = None) -> None:
        """The node itself changed a file: look at once. With stamp and id its bytes are verified already."""
        self._news.tell(path, stamp, track)

    def holds(self, track: TrackId) -> bool:
        return self._library.catalogue.get(track) is not None

    def start(self) -> None:
        """Scan and watch in the background."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the watch; a scan under way ends at its next piece, what it has read so far is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _keep(self) -> None:
        while True:
            try:
                async with contextlib.aclosing(
                    follow(self.music, self.index, self._note_progress, news=self._news, on_trouble=self._note_problem)
                ) as libraries:
                    async for library in libraries:
                        self._take(library)
            except HocketError as error:
                if self._problem != str(error):
                    log.warning("%s", error)
                self._note_problem(str(error))
            except Exception:
                log.exception("a bug while looking at %s", self.music)
                self._note_problem(f"looking at {self.music} failed; the log tells why")
            await asyncio.sleep(RETRY_S)

    def _take(self, library: Library) -> None:
        self._library = library
        self._progress = (0, 0)
        self._note_problem("")
        self._revision += 1
        self._looked.set()
        log.info("%d tracks in %s", len(library.catalogue), self.music)
        self._on_change(self._revision, len(library.catalogue))

    def _note_problem(self, problem: str) -> None:
        self._problem = problem

    def _note_progress(self, progress: Progress) -> None:
        """Called by the scanning thread."""
        self._progress = (progress.size_bytes, progress.all_bytes)
