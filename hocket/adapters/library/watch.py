"""A music folder that is watched: the library follows what people do to their files."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from watchfiles._rust_notify import RustNotify

from hocket.adapters.library.index import Library
from hocket.adapters.library.scan import OnProgress, Progress, Scan, Stamp, rescan, scan
from hocket.adapters.library.walk import music_unreadable
from hocket.core.errors import HocketError
from hocket.core.ids import TrackId
from hocket.media.paths import is_hidden
from hocket.media.settling import Settling

log = logging.getLogger(__name__)

QUIET_S: Final = 1.0
"""A file that nobody wrote to for so long is whole: copies write many times a second."""

_GROUP_MS: Final = 400
_STEP_MS: Final = 100
_POLL_MS: Final = 2_000
_RETRY_S: Final = 2.0


class News:
    """What the node itself did to the folder: looked at without waiting for quiet. For the event loop's thread."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._come = asyncio.Event()
        self.known: dict[Stamp, TrackId] = {}

    def tell(self, path: str, stamp: Stamp | None = None, track: TrackId | None = None) -> None:
        """A path changed; with a stamp and an id its bytes are known, too, and need not be hashed."""
        if stamp is not None and track is not None:
            self.known[stamp] = track
        self._paths.add(path)
        self._come.set()

    def take(self) -> frozenset[str]:
        """What was told since the last time."""
        paths = frozenset(self._paths)
        self._paths.clear()
        self._come.clear()
        return paths

    async def wait(self) -> None:
        """Until there is something to take."""
        await self._come.wait()


class FolderWatch:
    """Watches from `__init__` on, so that a scan that begins afterwards misses nothing. Use with `async with`."""

    def __init__(
        self,
        music_dir: Path,
        quiet_s: float = QUIET_S,
        now_s: Callable[[], float] = time.monotonic,
        news: News | None = None,
    ) -> None:
        """Raises HocketError (MUSIC_UNREADABLE)."""
        self._news = news or News()
        self._root = os.path.realpath(music_dir)
        self._settling = Settling(quiet_s)
        self._now_s = now_s
        self._stop = threading.Event()
        self._heard: asyncio.Task[set[tuple[int, str]] | str] | None = None
        try:
            self._notify = _notifier(self._root)
        except OSError as error:
            raise music_unreadable(music_dir, error) from None

    def note(self, path: str) -> None:
        """Treat a path as changed just now."""
        self._settling.note(path, self._now_s())

    async def settled(self) -> frozenset[str]:
        """The next paths that changed and came to rest, relative to the folder; '' is the folder itself."""
        while not (quiet := self._settling.settled(self._now_s()) | self._news.take()):
            if self._heard is None:
                self._heard = asyncio.create_task(asyncio.to_thread(self._listen))
            told = asyncio.create_task(self._news.wait())
            try:
                await asyncio.wait(
                    {self._heard, told},
                    timeout=self._settling.wait_s(self._now_s()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                told.cancel()
            if self._heard.done():
                heard, self._heard = self._heard.result(), None
                for _kind, path in heard if isinstance(heard, set) else ():
                    self._hear(path)
        return quiet

    async def __aenter__(self) -> "FolderWatch":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        try:
            if self._heard is not None:
                await asyncio.shield(self._heard)
        finally:
            self._notify.close()

    def _listen(self) -> set[tuple[int, str]] | str:
        return self._notify.watch(_GROUP_MS, _STEP_MS, 0, self._stop)

    def _hear(self, path: str) -> None:
        relative = os.path.relpath(path, self._root)
        relative = "" if relative == "." else relative
        if not any(is_hidden(part) for part in relative.split("/")):
            self.note(relative)


def _notifier(root: str) -> RustNotify:
    try:
        return RustNotify([root], False, False, 0, True, True)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:
        # Out of inotify watches, or a file system that has no notices.
        log.warning("%s is looked at every %.0f s, as the system cannot watch it: %s", root, _POLL_MS / 1000, error)
        return RustNotify([root], False, True, _POLL_MS, True, True)


async def follow(
    music_dir: Path,
    index_path: Path,
    on_progress: OnProgress | None = None,
    quiet_s: float = QUIET_S,
    news: News | None = None,
    on_trouble: Callable[[str], None] | None = None,
) -> AsyncGenerator[Library, None]:
    """The library now, then again after each change; the index file is up to date each time.

    Close it with `contextlib.aclosing`. When the folder goes away it says so in the log and to `on_trouble`
    ("" once that is over), keeps the last library, and takes up again when the folder is back; likewise when
    the index cannot be written. Raises HocketError when that is so at the start (MUSIC_UNREADABLE,
    DATA_UNWRITABLE). `on_progress` is called in another thread.
    """
    news = news or News()
    library: Library | None = None
    while True:
        try:
            async with FolderWatch(music_dir, quiet_s, news=news) as watch:
                found = await _in_thread(partial(scan, music_dir, index_path, known=news.known.copy()), on_progress)
                while True:
                    for path in found.unsettled:
                        watch.note(path)
                    if on_trouble:
                        on_trouble("")
                    # Also when no track changed: by the times of its files a node knows them when it opens them.
                    if library is None or found.library.entries != library.entries:
                        library = found.library
                        yield library
                    paths = await watch.settled()
                    look = partial(rescan, music_dir, index_path, library, paths, known=news.known.copy())
                    news.known.clear()
                    found = await _in_thread(look, on_progress)
                    if "" in paths:  # perhaps another folder stands there now, which the old watch does not see
                        break
        except HocketError as error:
            if library is None:
                raise
            log.warning("%s; until then the last list of tracks stands", error)
            if on_trouble:
                on_trouble(str(error))
            await asyncio.sleep(_RETRY_S)


class _Stopped(Exception):
    pass


async def _in_thread(work: Callable[[OnProgress], Scan], on_progress: OnProgress | None) -> Scan:
    """Scan off the event loop; when cancelled the thread ends with the next piece that it reads."""
    stop = threading.Event()

    def progress(now: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        if on_progress:
            on_progress(now)

    scanning = asyncio.ensure_future(asyncio.to_thread(work, progress))
    try:
        return await asyncio.shield(scanning)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(scanning, return_exceptions=True)
        raise
