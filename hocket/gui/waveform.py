"""The seek bar: the track's waveform, clicked, dragged, or moved with the keys."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractSlider, QSizePolicy, QToolTip

from hocket.gui import texts
from hocket.gui.theme import Palette
from hocket.gui.widgets import Look

BAR_PX = 3
GAP_PX = 2
STEP_S = 5
PAGE_S = 30
QUIET = 0.06
"""Silence is drawn this high, so that the bar is there before its waveform has come."""

FAINT = 48
MS_PER_S = 1000


def bars(peaks: Sequence[int], count: int) -> list[float]:
    """`count` heights of 0 to 1: the highest of the peaks (0 to 255) below each bar. Quiet where there are none.

    A quiet recording is drawn as tall as a loud one, unless it is next to silent.
    """
    if not peaks or count <= 0:
        return [QUIET] * max(0, count)
    loudest = max(FAINT, max(peaks))
    heights = []
    for bar in range(count):
        first = bar * len(peaks) // count
        last = max(first + 1, (bar + 1) * len(peaks) // count)
        heights.append(max(QUIET, max(peaks[first:last]) / loudest))
    return heights


class Waveform(QAbstractSlider):
    """Its value is the position in milliseconds. `sought` is emitted with seconds when the person chose a place."""

    sought = Signal(float)

    def __init__(self, look: Look, height_px: int) -> None:
        super().__init__()
        self._palette: Palette = look.palette
        self._peaks: Sequence[int] = b""
        self._played: QPixmap | None = None
        self._ahead: QPixmap | None = None
        self._hover_x: float | None = None
        self._is_dragged = False
        self._has_ring = False
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setFixedHeight(height_px)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(texts.SEEK_BAR)
        self.setRange(0, 0)
        self.setEnabled(False)
        look.follow(self._repaint_in)

    def sizeHint(self) -> QSize:
        return QSize(320, self.height())

    # -- what it shows

    def set_peaks(self, peaks: Sequence[int]) -> None:
        """Heights of 0 to 255, over the whole track; none while they are not known."""
        self._peaks = peaks
        self._forget_drawing()

    def set_position(self, position_s: float, length_s: float, can_seek: bool) -> None:
        """Where the music is, unless the person is choosing another place."""
        self.setEnabled(can_seek)
        if not self._is_dragged:
            self.setMaximum(round(length_s * MS_PER_S))
            self.setValue(round(position_s * MS_PER_S))
            self.setAccessibleDescription(f"{texts.time(position_s)} / {texts.time(length_s)}")

    # -- painting

    def _repaint_in(self, palette: Palette) -> None:
        self._palette = palette
        self._forget_drawing()

    def _forget_drawing(self) -> None:
        self._played = self._ahead = None
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._forget_drawing()
        super().resizeEvent(event)

    def sliderChange(self, change: QAbstractSlider.SliderChange) -> None:
        self.update()
        super().sliderChange(change)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._played is None or self._ahead is None:
            self._played = self._draw(self._palette.accent)
            self._ahead = self._draw(self._palette.wave)
        painter = QPainter(self)
        at = self._x_of(self.value())
        painter.setClipRect(QRectF(at, 0, self.width() - at, self.height()))
        painter.drawPixmap(0, 0, self._ahead)
        painter.setClipRect(QRectF(0, 0, at, self.height()))
        painter.drawPixmap(0, 0, self._played)
        painter.setClipping(False)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.isEnabled() and (self._hover_x is not None or self._is_dragged):
            painter.setPen(QPen(QColor(self._palette.text), 1))
            x = at if self._is_dragged or self._hover_x is None else self._hover_x
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        if self._has_ring and self.hasFocus():
            painter.setPen(QPen(QColor(self._palette.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)

    def _draw(self, colour: str) -> QPixmap:
        scale = self.devicePixelRatioF()
        drawn = QPixmap(self.size() * scale)
        drawn.setDevicePixelRatio(scale)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour))
        room = self.height() - 8
        for number, height in enumerate(bars(self._peaks, self.width() // (BAR_PX + GAP_PX))):
            tall = max(2.0, height * room)
            left = number * (BAR_PX + GAP_PX)
            painter.drawRoundedRect(QRectF(left, (self.height() - tall) / 2, BAR_PX, tall), 1.5, 1.5)
        painter.end()
        return drawn

    # -- mouse and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.isEnabled():
            self._is_dragged = True
            self.setValue(self._value_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover_x = min(max(0.0, event.position().x()), float(self.width()))
        if self._is_dragged:
            self.setValue(self._value_at(event.position().x()))
        if self.isEnabled():
            at_s = self._value_at(event.position().x()) / MS_PER_S
            QToolTip.showText(event.globalPosition().toPoint(), texts.time(at_s), self)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._is_dragged and event.button() == Qt.MouseButton.LeftButton:
            self._is_dragged = False
            self.sought.emit(self.value() / MS_PER_S)

    def leaveEvent(self, event: QEvent) -> None:
        self._hover_x = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: -STEP_S,
            Qt.Key.Key_Right: STEP_S,
            Qt.Key.Key_Down: -STEP_S,
            Qt.Key.Key_Up: STEP_S,
            Qt.Key.Key_PageDown: -PAGE_S,
            Qt.Key.Key_PageUp: PAGE_S,
        }
        if event.key() == Qt.Key.Key_Escape and self._is_dragged:
            self._is_dragged = False
        elif event.key() == Qt.Key.Key_Home:
            self._go_to(0)
        elif event.key() == Qt.Key.Key_End:
            self._go_to(self.maximum() - STEP_S * MS_PER_S)
        elif (step := steps.get(Qt.Key(event.key()))) is not None:
            self._go_to(self.value() + step * MS_PER_S)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        by_key = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
        self._has_ring = event.reason() in by_key
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()

    def _go_to(self, value_ms: int) -> None:
        self.setValue(value_ms)
        self.sought.emit(self.value() / MS_PER_S)

    def _value_at(self, x: float) -> int:
        return round(min(max(0.0, x / max(1, self.width())), 1.0) * self.maximum())

    def _x_of(self, value: int) -> float:
        return self.width() * value / self.maximum() if self.maximum() else 0.0
