"""The window: the log-in page, or the side bar, the pages and the player bar. It only shows; see `controller`."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from hocket.gui import icons, texts
from hocket.gui.cluster import ClusterPage
from hocket.gui.login import LoginPage
from hocket.gui.nowplaying import NowPlayingPage, PlayerBar
from hocket.gui.queuepanel import QueuePanel
from hocket.gui.songs import SongsPage
from hocket.gui.together import TogetherPage
from hocket.gui.view import Notice
from hocket.gui.widgets import UNIT, Icon, Look, NoticeBar, label, margins

SIDE_PX = 208
COMPACT_SIDE_PX = 64
COMPACT_BELOW_PX = 1120
MINIMUM = QSize(900, 600)
START = QSize(1200, 800)


class SideButton(QToolButton):
    """One page: its icon and name, or the icon alone where there is little room."""

    def __init__(self, look: Look, icon: str, name: str) -> None:
        super().__init__()
        self._look, self._icon = look, icon
        self.rename(name)
        self.setCheckable(True)
        self.setIconSize(QSize(20, 20))
        self.setFixedHeight(40)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.toggled.connect(lambda: self._draw())
        look.follow(lambda palette: self._draw())

    def rename(self, name: str) -> None:
        self.setText(f"  {name}")  # Qt leaves no room between icon and text
        self.setAccessibleName(name)
        self.setToolTip(name)

    def set_compact(self, compact: bool) -> None:
        style = Qt.ToolButtonStyle.ToolButtonIconOnly if compact else Qt.ToolButtonStyle.ToolButtonTextBesideIcon
        self.setToolButtonStyle(style)
        self.setFixedWidth((COMPACT_SIDE_PX if compact else SIDE_PX) - 2 * UNIT)

    def _draw(self) -> None:
        palette = self._look.palette
        self.setIcon(icons.icon(self._icon, palette.accent if self.isChecked() else palette.muted))


class SideBar(QFrame):
    """The pages, and the menu of the one who is logged in."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setObjectName("side")
        self.setAccessibleName(texts.PAGES)
        self._look = look
        self._column = QVBoxLayout(self)
        margins(self._column, UNIT, 3 * UNIT, UNIT, UNIT, gap=4)
        brand = QHBoxLayout()
        margins(brand, UNIT + 2, 0, 0, 0, gap=UNIT)
        brand.addWidget(Icon(look, "hocket", 28, "accent"), 0, Qt.AlignmentFlag.AlignLeft)
        self._name = label(texts.APP)
        self._name.setObjectName("brand")
        brand.addWidget(self._name, 1)
        self._column.addLayout(brand)
        self._column.addSpacing(2 * UNIT)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, SideButton] = {}
        self._column.addStretch(1)
        self.menu = SideButton(look, "person", texts.MENU)
        self.menu.setCheckable(False)
        self.menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._column.addWidget(self.menu)

    def add(self, icon: str, name: str) -> SideButton:
        """A page below the others."""
        button = SideButton(self._look, icon, name)
        self.buttons[name] = button
        self._group.addButton(button)
        self._column.insertWidget(self._column.count() - 2, button)
        return button

    def set_compact(self, compact: bool) -> None:
        self.setFixedWidth(COMPACT_SIDE_PX if compact else SIDE_PX)
        self._name.setVisible(not compact)
        for button in (*self.buttons.values(), self.menu):
            button.set_compact(compact)

    def show_user(self, user: str) -> None:
        self.menu.rename(user or texts.MENU)
        self.menu.setAccessibleName(f"{texts.MENU}: {user}")


class Window(QMainWindow):
    """`closing` is emitted instead of closing: whoever listens decides."""

    closing = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setWindowTitle(texts.APP)
        self.setMinimumSize(MINIMUM)
        self.resize(START)
        self._may_close = False
        self.login = LoginPage(look)
        self.side = SideBar(look)
        self.songs = SongsPage(look)
        self.now = NowPlayingPage(look)
        self.together = TogetherPage(look)
        self.cluster = ClusterPage(look)
        self.queue = QueuePanel(look)
        self.bar = PlayerBar(look)
        self.notice = NoticeBar(look, self._dismissed)
        self.on_dismiss: Callable[[], object] = lambda: None
        self.pages = QStackedWidget()
        self.all = QStackedWidget()
        self.all.setObjectName("root")
        self._add_pages()
        self.all.addWidget(self.login)
        self.all.addWidget(self._shell())
        self.setCentralWidget(self.all)
        self.queue.hide()
        self.bar.queue_wanted.connect(self.queue.setVisible)
        self.bar.page_wanted.connect(lambda: self.show_page(texts.NOW_PLAYING))

    def _add_pages(self) -> None:
        for icon, name, page in (
            ("songs", texts.SONGS, self.songs),
            ("disc", texts.NOW_PLAYING, self.now),
            ("together", texts.TOGETHER, self.together),
            ("cluster", texts.CLUSTER, self.cluster),
        ):
            self.pages.addWidget(page)
            page.setAccessibleName(name)
            self.side.add(icon, name).clicked.connect(lambda _=False, name=name: self.show_page(name))
        self.show_page(texts.SONGS)

    def _shell(self) -> QWidget:
        shell = QWidget()
        column = QVBoxLayout(shell)
        margins(column, gap=0)
        row = QHBoxLayout()
        margins(row, gap=0)
        row.addWidget(self.side)
        middle = QVBoxLayout()
        margins(middle, gap=0)
        banner = QHBoxLayout()
        margins(banner, 3 * UNIT, 2 * UNIT, 3 * UNIT, 0, gap=0)
        banner.addWidget(self.notice)
        self._banner = QWidget()
        self._banner.setLayout(banner)
        self._banner.hide()
        middle.addWidget(self._banner)
        middle.addWidget(self.pages, 1)
        row.addLayout(middle, 1)
        row.addWidget(self.queue)
        column.addLayout(row, 1)
        column.addWidget(self.bar)
        return shell

    # -- showing

    def show_page(self, name: str) -> None:
        """One of the side bar's pages, if it is offered."""
        pages = {texts.SONGS: 0, texts.NOW_PLAYING: 1, texts.TOGETHER: 2, texts.CLUSTER: 3}
        button = self.side.buttons[name]
        if not button.isHidden():
            self.pages.setCurrentIndex(pages[name])
            button.setChecked(True)

    def offer_page(self, name: str, offered: bool) -> None:
        """Whether a page is in the side bar."""
        self.side.buttons[name].setVisible(offered)
        if not offered and self.side.buttons[name].isChecked():
            self.show_page(texts.SONGS)

    def show_login(self) -> None:
        self.all.setCurrentIndex(0)
        self.login.focus_first()

    def show_shell(self) -> None:
        self.all.setCurrentIndex(1)
        self.songs.table.setFocus()

    @property
    def is_at_login(self) -> bool:
        return self.all.currentIndex() == 0

    def show_banner(self, notice: Notice | None) -> None:
        self.notice.show_notice(notice)
        self._banner.setVisible(notice is not None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.side.set_compact(event.size().width() < COMPACT_BELOW_PX)

    def _dismissed(self) -> None:
        self.on_dismiss()

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
    """Lets a focused button, slider or list have the keys that are shortcuts elsewhere: space, arrows, Enter."""

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
