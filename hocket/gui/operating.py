"""The cluster's page kept up to date while it is looked at, and what an operator does on it."""

import time
from collections.abc import Callable

from PySide6.QtCore import QTimer

from hocket.client.engine import Snapshot
from hocket.core.errors import HocketError
from hocket.core.ids import NodeId, Role
from hocket.gui import texts
from hocket.gui.bridge import Bridge
from hocket.gui.clusterview import cluster_view
from hocket.gui.notices import Notice, error_notice
from hocket.gui.window import Window
from hocket.wire.messages.common import Done
from hocket.wire.messages.operator import DrainNode, Spawned, SpawnNode, Status, StatusGet

POLL_MS = 1_000


class Operating:
    """Asks the prime each second while the account may operate; the plots need points from before they are seen."""

    def __init__(self, bridge: Bridge, window: Window, tell: Callable[[Notice], None]) -> None:
        self._bridge = bridge
        self._page = window.cluster
        self._tell = tell
        self._snapshot: Snapshot | None = None
        self._status: Status | None = None
        self._allowed = False
        self._asked = False
        self._timer = QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._ask)
        self._page.drain.connect(self._drain)
        self._page.spawn.connect(self._spawn)

    def allow(self, allowed: bool) -> None:
        """Whether the account may operate."""
        if allowed == self._allowed:
            return
        self._allowed = allowed
        self._status = None
        self._page.history.clear()
        if allowed:
            self._bridge.background(_bring_plots, lambda _: self._page.make_plots())
            self._timer.start()
            self._ask()
        else:
            self._timer.stop()

    def show_here(self, snapshot: Snapshot) -> None:
        """Where this listener is."""
        self._snapshot = snapshot
        if self._page.isVisible():
            self._page.show_view(cluster_view(snapshot, self._status))

    def close(self) -> None:
        self._timer.stop()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._bridge.run(lambda engine: engine.ask_prime(StatusGet(), Status), self._take, self._failed)

    def _take(self, status: Status) -> None:
        self._asked = False
        if not self._allowed or self._snapshot is None:
            return
        self._status = status
        view = cluster_view(self._snapshot, status)
        self._page.show_history(view, time.monotonic())
        if self._page.isVisible():
            self._page.show_view(view)

    def _failed(self, error: HocketError) -> None:
        self._asked = False

    def _drain(self, node: str) -> None:
        self._operate(DrainNode(NodeId(node)), Done, lambda _: Notice(texts.draining(node)))

    def _spawn(self, role: str) -> None:
        self._operate(SpawnNode(Role(role)), Spawned, lambda _: Notice(texts.spawned(role)))

    def _operate(self, message: DrainNode | SpawnNode, reply: type, said: Callable[[object], Notice]) -> None:
        def done(answer: object) -> None:
            self._tell(said(answer))
            self._ask()

        self._bridge.run(
            lambda engine: engine.ask_prime(message, reply), done, lambda error: self._tell(error_notice(error))
        )


def _bring_plots() -> None:
    """Half a second of imports, on a thread of its own."""
    import pyqtgraph  # noqa: F401
