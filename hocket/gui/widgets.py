"""Small parts that all pages are made of: labels, buttons, notices, empty states, spacing."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from hocket.gui import icons, texts
from hocket.gui.notices import Notice, Tone
from hocket.gui.theme import DARK, Palette

UNIT = 8
ICON_PX = 20


class Look:
    """The palette in force; widgets with icons ask to be told when it changes."""

    def __init__(self) -> None:
        self.palette: Palette = DARK
        self._listeners: list[Callable[[Palette], None]] = []

    def follow(self, listener: Callable[[Palette], None]) -> None:
        """Call now and at every change. The listener lives as long as the window."""
        self._listeners.append(listener)
        listener(self.palette)

    def change(self, palette: Palette) -> None:
        self.palette = palette
        for listener in self._listeners:
            listener(palette)


def margins(layout: QLayout, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0, gap: int = UNIT) -> None:
    """Margins and spacing of a layout, in pixels."""
    layout.setContentsMargins(left, top, right, bottom)
    layout.setSpacing(gap)


def label(text: str = "", role: str = "", *, wrap: bool = False, selectable: bool = False) -> QLabel:
    """A text in one of the styles of the style sheet. Never read as markup."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        made.setProperty("role", role)
    made.setWordWrap(wrap)
    if selectable:
        made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return made


class Elided(QLabel):
    """A line of text that is cut with an ellipsis where it lacks room; the whole text is its tooltip then."""

    def __init__(self, role: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        metrics = QFontMetrics(self.font())
        shown = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        self.setToolTip(self.text() if shown != self.text() else "")
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.rect(), int(self.alignment()), shown)


def restyle(widget: QWidget, name: str, value: object) -> None:
    """Set a property that the style sheet looks at."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


class IconButton(QToolButton):
    """A button with an icon, a name for screen readers, and the same as a tooltip."""

    def __init__(self, look: Look, icon: str, name: str, *, size_px: int = ICON_PX, keys: str = "") -> None:
        super().__init__()
        self._look = look
        self._icon = icon
        self._size_px = size_px
        self._keys = keys
        self.setIconSize(QSize(size_px, size_px))
        self.setFixedSize(size_px + 2 * UNIT, size_px + 2 * UNIT)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.rename(name)
        look.follow(lambda palette: self._draw())

    def rename(self, name: str) -> None:
        self.setAccessibleName(name)
        self.setToolTip(f"{name}  ({self._keys})" if self._keys else name)

    def show_as(self, icon: str, name: str) -> None:
        """Another icon and name."""
        if (icon, name) != (self._icon, self.accessibleName()):
            self._icon = icon
            self.rename(name)
            self._draw()

    def set_lit(self, lit: bool) -> None:
        """In the accent colour, for what is switched on."""
        if lit != bool(self.property("lit")):
            self.setProperty("lit", lit)
            self._draw()

    def _colour(self) -> str:
        palette = self._look.palette
        if self.objectName() == "play":
            return palette.on_accent
        return palette.accent if self.property("lit") else palette.text

    def _draw(self) -> None:
        self.setIcon(icons.icon(self._icon, self._colour(), self._size_px, self._look.palette.muted))


def text_button(text: str, kind: str = "", action: Callable[[], object] | None = None) -> QPushButton:
    """A button with a word; `kind` primary for the one that a page is about."""
    made = QPushButton(text)
    if kind:
        made.setProperty("kind", kind)
    made.setAutoDefault(True)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    if action is not None:
        made.clicked.connect(lambda: action())
    return made


class Icon(QLabel):
    """A picture that follows the palette."""

    def __init__(self, look: Look, name: str, size_px: int = ICON_PX, colour: str = "muted") -> None:
        super().__init__()
        self._look, self._name, self._size_px, self._colour_name = look, name, size_px, colour
        self.setFixedSize(size_px, size_px)
        look.follow(lambda palette: self._draw())

    def show_as(self, name: str, colour: str) -> None:
        self._name, self._colour_name = name, colour
        self._draw()

    def _draw(self) -> None:
        colour = getattr(self._look.palette, self._colour_name)
        self.setPixmap(icons.pixmap(self._name, colour, self._size_px, self.devicePixelRatioF()))


class NoticeBar(QFrame):
    """A banner with a title, what to do, and a button that closes it: `closed` tells of a press."""

    closed = Signal()

    def __init__(self, look: Look, *, can_close: bool = False) -> None:
        super().__init__()
        self.setObjectName("notice")
        row = self._row = QHBoxLayout(self)
        margins(row, 2 * UNIT, UNIT, UNIT, UNIT, gap=12)
        self._icon = Icon(look, "info", colour="text")
        row.addWidget(self._icon)
        words = QVBoxLayout()
        margins(words, 0, 0, 0, 0, gap=2)
        self.title = label(role="heading", wrap=True)
        self.title.setObjectName("songTitle")
        self.text = label(role="muted", wrap=True, selectable=True)
        words.addWidget(self.title)
        words.addWidget(self.text)
        row.addLayout(words, 1)
        self.close_button = IconButton(look, "close", texts.DISMISS, size_px=16)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.close_button.setVisible(can_close)
        self.close_button.clicked.connect(self.closed)
        self.hide()

    def show_notice(self, notice: Notice | None) -> None:
        if notice is None:
            self.hide()
            return
        is_bad = notice.tone is Tone.BAD
        self._icon.show_as("warning" if is_bad else "info", "danger" if is_bad else "text")
        self.title.setText(notice.title)
        self.text.setText(notice.text)
        self.text.setVisible(bool(notice.text))
        where = Qt.AlignmentFlag.AlignTop if notice.text else Qt.AlignmentFlag.AlignVCenter
        self._row.setAlignment(self._icon, where)
        self.setAccessibleName(f"{notice.title}. {notice.text}")
        restyle(self, "tone", notice.tone.value)
        self.show()


class Empty(QWidget):
    """What stands where a list would: a picture, what is so, and what to do."""

    def __init__(self, look: Look, icon: str, title: str, text: str = "") -> None:
        super().__init__()
        column = QVBoxLayout(self)
        margins(column, 2 * UNIT, UNIT, 2 * UNIT, UNIT, gap=UNIT)
        column.addStretch(1)
        picture = Icon(look, icon, 40)
        column.addWidget(picture, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(UNIT)
        self.title = label(title, "heading", wrap=True)
        self.text = label(text, "muted", wrap=True)
        for words in (self.title, self.text):
            words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            words.setMaximumWidth(360)
            line = QHBoxLayout()
            line.addWidget(words)
            column.addLayout(line)
        self.column = column
        column.addStretch(2)

    def add_button(self, button: QPushButton) -> None:
        """Below the words."""
        self.column.insertSpacing(self.column.count() - 1, UNIT)
        self.column.insertWidget(self.column.count() - 1, button, 0, Qt.AlignmentFlag.AlignHCenter)

    def say(self, title: str, text: str) -> None:
        self.title.setText(title)
        self.text.setText(text)
        self.text.setVisible(bool(text))


def scrolling(inside: QWidget) -> QScrollArea:
    """A page that can be scrolled where the window is too low for it."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    return area


def card(gap: int = UNIT) -> tuple[QFrame, QVBoxLayout]:
    """A panel with a border, and the column inside it."""
    frame = QFrame()
    frame.setObjectName("card")
    column = QVBoxLayout(frame)
    margins(column, 2 * UNIT, 2 * UNIT, 2 * UNIT, 2 * UNIT, gap=gap)
    return frame, column
