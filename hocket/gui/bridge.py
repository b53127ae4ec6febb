"""Between Qt and the engine's thread: events come in as signals, commands go out as coroutines.

Nothing here waits on the GUI thread: what a command brings is handed to a callback on it later.
"""

import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from hocket.client import events
from hocket.client.engine import Engine, EngineOptions
from hocket.client.thread import EngineThread
from hocket.core.errors import HocketError

log = logging.getLogger(__name__)

T = TypeVar("T")
Done = Callable[[T], object]
Failed = Callable[[HocketError], object]


class Bridge(QObject):
    """Owns the engine's thread, and one for disks and keyrings. Make, use and close it on the GUI thread."""

    happened = Signal(object)
    """An `events.Event`; on the GUI thread, and none after `close`."""

    _told = Signal(object)
    _finished = Signal(object)

    def __init__(self, options: EngineOptions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_closed = False
        self._finished.connect(self._settle, Qt.ConnectionType.QueuedConnection)
        self._told.connect(self._pass_on, Qt.ConnectionType.QueuedConnection)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="window")
        self._thread = EngineThread(options, self._told.emit)

    def run(
        self,
        command: Callable[[Engine], Coroutine[Any, Any, T]],
        done: Done[T] | None = None,
        failed: Failed | None = None,
    ) -> None:
        """Run a command of the engine; then one of the callbacks, here."""
        if not self._is_closed:
            self._follow(self._thread.call(command), done, failed)

    def read(self, what: Callable[[Engine], T], done: Done[T] | None = None) -> None:
        """Read or set something of the engine that takes no time."""
        if not self._is_closed:
            self._follow(self._thread.read(what), done, None)

    def background(self, work: Callable[[], T], done: Done[T] | None = None, failed: Failed | None = None) -> None:
        """Do what waits for a disk or another program on a thread of its own, in order."""
        if not self._is_closed:
            self._follow(self._background.submit(work), done, failed)

    @property
    def executor(self) -> Executor:
        """The thread of `background`, for coroutines of the engine that have something to work out."""
        return self._background

    def close(self) -> None:
        """Log out and end both threads; no callback runs after this. Safe to call twice."""
        self._is_closed = True
        self._thread.close()
        self._background.shutdown()

    def _follow(self, future: "Future[T]", done: Done[T] | None, failed: Failed | None) -> None:
        future.add_done_callback(lambda settled: self._finished.emit((settled, done, failed)))

    @Slot(object)
    def _pass_on(self, event: events.Event) -> None:
        if not self._is_closed:
            self.happened.emit(event)

    @Slot(object)
    def _settle(self, outcome: "tuple[Future[Any], Done[Any] | None, Failed | None]") -> None:
        future, done, failed = outcome
        if self._is_closed:
            return
        try:
            result = future.result()
        except CancelledError:
            return
        except HocketError as error:
            log.info("%s", error)
            if failed is not None:
                failed(error)
        except Exception as error:
            log.exception("a bug behind the window")
            if failed is not None:
                failed(HocketError(f"{type(error).__name__}: {error}"))
        else:
            if done is not None:
                done(result)
