"""From the log-in page to the whole window: the rest is loaded and built while somebody types their password."""

import importlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QApplication

from hocket.core.address import ClusterAddress
from hocket.gui.settings import Remembered
from hocket.gui.widgets import Look
from hocket.gui.window import Window

if TYPE_CHECKING:
    from hocket.client.engine import EngineOptions
    from hocket.gui.desktop import Desktop

REST = ("hocket.gui.shell", "hocket.gui.desktop")
"""Modules that bring everything else along: the pages, the engine and its network."""


class Opening(QObject):
    """Shows the log-in page; `desktop` is there some moments after its first paint, and `opened` tells of it."""

    opened = Signal()
    _loaded = Signal(object)

    def __init__(self, app: QApplication, options: "Callable[[], EngineOptions]", remembered: Remembered) -> None:
        super().__init__()
        self.desktop: Desktop | None = None
        self._app = app
        self._make_options = options
        self._remembered = remembered
        self._pressed: tuple[ClusterAddress, str, str] | None = None
        self._failure: BaseException | None = None
        self._is_ended = False
        self._thread = threading.Thread(target=self._load, name="opening")
        self._steps: Iterator[None] = iter(())
        self._stepper = QTimer()
        self._stepper.timeout.connect(self._step)
        self._loaded.connect(self._build, Qt.ConnectionType.QueuedConnection)
        window = self.window = Window(Look())
        window.show_theme(remembered.theme)
        window.restore(remembered.geometry)
        window.login.fill(remembered.server, remembered.user, remembered.keep_password)
        window.login.wanted.connect(self._press)
        window.closing.connect(self.close)
        window.painted.connect(self._thread.start, Qt.ConnectionType.QueuedConnection)

    def close(self) -> None:
        """The person quits."""
        if self.desktop is not None:
            self.desktop.controller.close()
        else:
            self._app.quit()

    def end(self) -> None:
        """Let go of everything, after the application's loop. Raises what went wrong while it opened."""
        self._is_ended = True
        self._stepper.stop()
        if self._thread.is_alive():
            self._thread.join()
        if self.desktop is not None:
            self.desktop.close()
        else:
            self.window.close_for_good()
        if self._failure is not None:
            raise self._failure

    # -- on the other thread

    def _load(self) -> None:
        try:
            for name in REST:
                importlib.import_module(name)
            self._loaded.emit(self._make_options())
        except BaseException as error:
            self._loaded.emit(error)

    # -- here

    @Slot(object)
    def _build(self, loaded: "EngineOptions | BaseException") -> None:
        self._thread.join()
        if isinstance(loaded, BaseException):
            self._failure = loaded
            self._app.quit()
        elif not self._is_ended:
            self._steps = self._furnish(loaded)
            self._stepper.start(0)

    def _step(self) -> None:
        try:
            next(self._steps)
        except StopIteration:
            self._stepper.stop()

    def _furnish(self, options: "EngineOptions") -> Iterator[None]:
        """What takes time, in steps; then the window is joined with the engine."""
        from hocket.gui.desktop import Desktop

        yield from self.window.furnish()
        yield
        login = self.window.login
        login.wanted.disconnect(self._press)
        self.window.closing.disconnect(self.close)
        self.desktop = Desktop(self._app, options, self._remembered, self.window)
        self.opened.emit()
        if self._pressed is not None:
            self.desktop.controller.log_in(*self._pressed)

    def _press(self, address: ClusterAddress, user: str, password: str) -> None:
        """Somebody was faster than the engine could be loaded: it goes to work as soon as it is there."""
        self._pressed = (address, user, password)
