"""The window: the log-in page at once, what is behind it part by part. It only shows; see `controller`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeyEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QMainWindow,
    QStackedWidget,
    QWidget,
)

from hocket.gui import texts
from hocket.gui.login import LoginPage
from hocket.gui.notices import Notice
from hocket.gui.theme import PALETTES, style_sheet
from hocket.gui.widgets import Look

if TYPE_CHECKING:  # the log-in page is on the screen before these are loaded
    from hocket.gui.cluster import ClusterPage
    from hocket.gui.nowplaying import NowPlayingPage, PlayerBar
    from hocket.gui.queuepanel import QueuePanel
    from hocket.gui.shell import Shell, SideBar
    from hocket.gui.songs import SongsPage
    from hocket.gui.together import TogetherPage

COMPACT_BELOW_PX = 1120
MINIMUM = QSize(900, 600)
START = QSize(1200, 800)


class Window(QMainWindow):
    """`closing` is emitted instead of closing: whoever listens decides. `painted`: once, with the first paint."""

    closing = Signal()
    painted = Signal()

    # Once `furnish` has come to its end:
    shell: "Shell"
    side: "SideBar"
    songs: "SongsPage"
    now: "NowPlayingPage"
    together: "TogetherPage"
    cluster: "ClusterPage"
    queue: "QueuePanel"
    bar: "PlayerBar"

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look
        self.is_furnished = False
        self._may_close = False
        self._is_painted = False
        self.setWindowTitle(texts.APP)
        self.setMinimumSize(MINIMUM)
        self.resize(START)
        self.login = LoginPage(look)
        self.all = QStackedWidget()
        self.all.setObjectName("root")
        self.all.addWidget(self.login)
        self.setCentralWidget(self.all)

    def furnish(self) -> Iterator[None]:
        """Load and make what is behind the log-in page; between two steps the window may live."""
        from hocket.gui.shell import Shell

        shell = self.shell = Shell(self.look)
        self.all.addWidget(shell)
        yield from shell.build()
        self.side, self.queue, self.bar = shell.side, shell.queue, shell.bar
        self.songs, self.now, self.together, self.cluster = shell.songs, shell.now, shell.together, shell.cluster
        self.is_furnished = True
        self.side.set_compact(self.width() < COMPACT_BELOW_PX)

    # -- showing

    def show_theme(self, name: str) -> None:
        """Dark or light; any other name: as the system has it."""
        if name not in PALETTES:
            is_light = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
            name = "light" if is_light else "dark"
        palette = PALETTES[name]
        self.look.change(palette)
        self.setStyleSheet(style_sheet(palette))

    def restore(self, geometry: str) -> None:
        """Size and place as `kept_geometry` told them; nothing happens without."""
        if geometry:
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))

    @property
    def kept_geometry(self) -> str:
        return self.saveGeometry().toBase64().toStdString()

    def show_page(self, name: str) -> None:
        """One of the side bar's pages, if it is offered."""
        self.shell.show_page(name)

    def offer_page(self, name: str, offered: bool) -> None:
        """Whether a page is in the side bar."""
        self.shell.offer_page(name, offered)

    def show_banner(self, notice: Notice | None) -> None:
        """What stands above the pages, or nothing."""
        self.shell.show_banner(notice)

    def show_login(self) -> None:
        self.all.setCurrentIndex(0)
        self.login.focus_first()

    def show_shell(self) -> None:
        self.all.setCurrentIndex(1)
        self.songs.table.setFocus()

    @property
    def is_at_login(self) -> bool:
        return self.all.currentIndex() == 0

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            self.painted.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.is_furnished:
            self.side.set_compact(event.size().width() < COMPACT_BELOW_PX)

    # -- closing

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._may_close:
            event.accept()
        else:
            event.ignore()
            self.closing.emit()

    def close_for_good(self) -> None:
        self._may_close = True
        self.close()


class KeysOfWidgets(QObject):
    """Lets a focused button, slider or list have the keys that are shortcuts elsewhere: space, arrows, Enter.

    It looks at what the focused widget is told and nothing else: a look at all that happens in the application would
    be a call of Python for each event, and each such call waits for the engine's thread.
    """

    def __init__(self, app: QApplication) -> None:
        super().__init__()
        self._app: QApplication | None = app
        self._watch(None, app.focusWidget())
        app.focusChanged.connect(self._watch)

    def close(self) -> None:
        """Look no more. Safe to call twice."""
        if self._app is not None:
            self._app.focusChanged.disconnect(self._watch)
            self._watch(self._app.focusWidget(), None)
            self._app = None

    def _watch(self, before: QWidget | None, now: QWidget | None) -> None:
        if before is not None:
            before.removeEventFilter(self)
        if now is not None:
            now.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and not event.modifiers():
            is_button = isinstance(watched, QAbstractButton) and event.key() == Qt.Key.Key_Space
            arrows = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down)
            is_slider = isinstance(watched, QAbstractSlider) and event.key() in arrows
            is_list = isinstance(watched, QAbstractItemView) and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down)
            if is_button or is_slider or is_list:
                event.accept()
                return True
        return super().eventFilter(watched, event)
