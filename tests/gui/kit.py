"""A window in this process, driven as a person would: by clicks and keys, and what it shows."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from hocket.adapters.folders import client_folders
from hocket.client.engine import EngineOptions
from hocket.client.playing import State
from hocket.client.together.together import TogetherOptions
from hocket.gui.desktop import Desktop
from hocket.gui.opening import Opening
from hocket.gui.settings import Remembered
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Cluster

WAIT_S = 60.0
LEFT = Qt.MouseButton.LeftButton


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Let the window live until something holds. Raises AssertionError when the time is up."""
    deadline = time.monotonic() + timeout_s
    wake = QTimer()
    wake.start(10)
    while not holds():
        assert time.monotonic() < deadline, f"never came: {what}"
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    wake.stop()


class Person:
    """Somebody in front of the window."""

    def __init__(self, desktop: Desktop) -> None:
        self.desktop = desktop
        self.control = desktop.controller
        self.window = desktop.controller.window

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        QTest.mouseClick(widget, LEFT, Qt.KeyboardModifier.NoModifier, at or widget.rect().center())

    def press(self, key: Qt.Key, *, on: QWidget | None = None, with_: Qt.KeyboardModifier | None = None) -> None:
        QTest.keyClick(on or self.window, key, with_ or Qt.KeyboardModifier.NoModifier)

    def wait(self, holds: Callable[[], object], what: str) -> None:
        wait_until(holds, what)

    def log_in(self, password: str = DEMO_PASSWORD) -> None:
        """Type the password, trust the fingerprint if it is asked about, wait for the songs."""
        self.try_password(password)
        self.wait(lambda: not self.window.is_at_login, "the log-in")
        self.wait(lambda: self.window.songs.songs.total and not self.window.songs.is_loading, "the song list")

    def try_password(self, password: str) -> None:
        """Press the button, and again where the cluster is new; until there is an answer."""
        login = self.window.login
        login.password.clear()
        QTest.keyClicks(login.password, password)
        self.click(login.button)
        self.wait(lambda: not login.form.busy or login.form.fingerprint or not self.window.is_at_login, "an answer")
        if login.form.fingerprint:
            self.click(login.trust)
            self.wait(lambda: not login.form.busy, "an answer to the log-in")

    def double_click(self, row: int) -> None:
        table = self.window.songs.table
        at = table.visualRect(table.model().index(row, 1)).center()
        QTest.mouseClick(table.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
        QTest.mouseDClick(table.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)

    def row_of(self, title: str) -> int:
        songs = self.window.songs.songs
        return next(row for row in range(len(songs)) if songs.track(row).title == title)

    @property
    def state(self) -> State:
        snapshot = self.control.view.snapshot
        return State.STOPPED if snapshot is None else snapshot.state

    def wait_state(self, state: State) -> None:
        self.wait(lambda: self.state is state, f"the state {state}")


@contextmanager
def person_at(
    app: QApplication,
    cluster_address: str,
    home: Path,
    *,
    output: str = "null",
    theme: str = "dark",
    user: str = DEMO_USER,
    together: TogetherOptions | None = None,
) -> Iterator[Person]:
    """A window that remembers the server and the user, opened as the program does it."""
    options = EngineOptions(client_folders(home), output, together=together or TogetherOptions())
    remembered = Remembered(server=cluster_address, user=user, theme=theme)
    opening = Opening(app, lambda: options, remembered)
    opening.window.show()
    try:
        wait_until(lambda: opening.desktop is not None, "the whole window")
        assert opening.desktop is not None
        yield Person(opening.desktop)
    finally:
        opening.end()
        opening.window.deleteLater()
        opening.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QCoreApplication.processEvents()
        gc.collect()  # here, and not on the next test's engine thread


def add_operator(cluster: Cluster, name: str, password: str) -> None:
    """An account that may look after the cluster; with it the demo accounts are gone."""
    done = cluster.control("users", "add", name, "--may-operate", "--password-stdin", stdin=f"{password}\n")
    assert done.returncode == 0, done.stderr
