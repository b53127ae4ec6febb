"""What is behind the log-in page: the side bar, the pages, the queue and the player bar."""

from collections.abc import Iterator

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from hocket.gui import icons, texts
from hocket.gui.cluster import ClusterPage
from hocket.gui.notices import Notice
from hocket.gui.nowplaying import NowPlayingPage, PlayerBar
from hocket.gui.queuepanel import QueuePanel
from hocket.gui.songs import SongsPage
from hocket.gui.together import TogetherPage
from hocket.gui.widgets import UNIT, Icon, Look, NoticeBar, label, margins

SIDE_PX = 208
COMPACT_SIDE_PX = 64


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


class Shell(QWidget):
    """Whole once `build` has come to its end; each of its steps is short enough to be done between two frames."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.side = SideBar(look)
        self.pages = QStackedWidget()
        self._column = QVBoxLayout(self)
        margins(self._column, gap=0)
        self._row = QHBoxLayout()
        margins(self._row, gap=0)
        self._row.addWidget(self.side)
        self._middle = QVBoxLayout()
        margins(self._middle, gap=0)
        self._middle.addWidget(self.pages, 1)
        self._row.addLayout(self._middle, 1)
        self._column.addLayout(self._row, 1)

    def build(self) -> Iterator[None]:
        """Make and place the parts, one a step."""
        look = self._look
        self.songs = SongsPage(look)
        self._add_page("songs", texts.SONGS, self.songs)
        yield
        self.bar = PlayerBar(look)
        self._column.addWidget(self.bar)
        yield
        self.now = NowPlayingPage(look)
        self._add_page("disc", texts.NOW_PLAYING, self.now)
        yield
        self.together = TogetherPage(look)
        self._add_page("together", texts.TOGETHER, self.together)
        yield
        self.cluster = ClusterPage(look)
        self._add_page("cluster", texts.CLUSTER, self.cluster)
        yield
        self.queue = QueuePanel(look)
        self._row.addWidget(self.queue)
        self.queue.hide()  # not before: what has no place yet would be a window of its own
        self.bar.queue_wanted.connect(self.queue.setVisible)
        self.bar.page_wanted.connect(lambda: self.show_page(texts.NOW_PLAYING))
        self._add_banner()
        self.show_page(texts.SONGS)

    def _add_page(self, icon: str, name: str, page: QWidget) -> None:
        self.pages.addWidget(page)
        page.setAccessibleName(name)
        self.side.add(icon, name).clicked.connect(lambda: self.show_page(name))

    def _add_banner(self) -> None:
        self.notice = NoticeBar(self._look, can_close=True)
        row = QHBoxLayout()
        margins(row, 3 * UNIT, 2 * UNIT, 3 * UNIT, 0, gap=0)
        row.addWidget(self.notice)
        self._banner = QWidget()
        self._banner.setLayout(row)
        self._middle.insertWidget(0, self._banner)
        self._banner.hide()

    # -- showing

    def show_page(self, name: str) -> None:
        """One of the side bar's pages, if it is offered."""
        button = self.side.buttons[name]
        if not button.isHidden():
            self.pages.setCurrentIndex(list(self.side.buttons).index(name))
            button.setChecked(True)
            # Else Qt gives the keyboard to whatever stands next, and a space that is to pause presses that.
            page = self.songs.table if name == texts.SONGS else self.pages.currentWidget()
            if page is not None:
                page.setFocus()

    def go_to_page(self, name: str) -> None:
        """Show it to somebody who came by a key: what they most likely want has the focus."""
        self.show_page(name)
        first = {texts.SONGS: self.songs.table, texts.TOGETHER: self.together.target}.get(name)
        if first is not None and first.isVisible():
            first.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def offer_page(self, name: str, offered: bool) -> None:
        """Whether a page is in the side bar."""
        self.side.buttons[name].setVisible(offered)
        if not offered and self.side.buttons[name].isChecked():
            self.show_page(texts.SONGS)

    def show_banner(self, notice: Notice | None) -> None:
        self.notice.show_notice(notice)
        self._banner.setVisible(notice is not None)
