"""The player bar at the bottom, and the page of what plays."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractSlider,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from hocket.client.queue import Repeat
from hocket.gui import icons, texts
from hocket.gui.view import Playing
from hocket.gui.waveform import Waveform
from hocket.gui.widgets import UNIT, Elided, IconButton, Look, card, label, margins, scrolling

BAR_PX = 104
SIDE_PX = 248
PLAY_PX = 24
KNOB_PX = 12


class Cover(QWidget):
    """The cover of what plays, or a note where there is none."""

    def __init__(self, look: Look, size_px: int, radius_px: int) -> None:
        super().__init__()
        self._look = look
        self._radius_px = radius_px
        self._picture: QPixmap | None = None
        self.setFixedSize(size_px, size_px)
        self.setAccessibleName(texts.COVER)
        look.follow(lambda palette: self.update())

    def show_picture(self, image: QImage | None) -> None:
        self._picture = None if image is None else self._cropped(image)
        self.update()

    def _cropped(self, image: QImage) -> QPixmap:
        scale = self.devicePixelRatioF()
        side = round(self.width() * scale)
        fitted = image.scaled(
            side, side, Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
        )
        middle = fitted.copy((fitted.width() - side) // 2, (fitted.height() - side) // 2, side, side)
        made = QPixmap.fromImage(middle)
        made.setDevicePixelRatio(scale)
        return made

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self._look.palette
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        outline = QPainterPath()
        outline.addRoundedRect(QRectF(self.rect()), self._radius_px, self._radius_px)
        painter.setClipPath(outline)
        if self._picture is not None:
            painter.drawPixmap(0, 0, self._picture)
            return
        painter.fillPath(outline, QColor(palette.raised))
        side = round(self.width() * 0.4)
        picture = icons.pixmap("songs", palette.muted, side, self.devicePixelRatioF())
        painter.drawPixmap((self.width() - side) // 2, (self.height() - side) // 2, picture)


class VolumeBar(QAbstractSlider):
    """0 to 100. Set by a click, a drag, the wheel or the arrows."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.setOrientation(Qt.Orientation.Horizontal)
        self.setRange(0, 100)
        self.setValue(100)
        self.setSingleStep(5)
        self.setPageStep(10)
        self.setFixedHeight(24)
        self.setMinimumWidth(72)
        self.setAccessibleName(texts.VOLUME)
        self.setToolTip(texts.VOLUME)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        look.follow(lambda palette: self.update())

    def paintEvent(self, event: QPaintEvent) -> None:
        palette = self._look.palette
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        at = KNOB_PX / 2 + (self.width() - KNOB_PX) * self.value() / 100
        middle = self.height() / 2
        for colour, width in ((palette.line, float(self.width())), (palette.accent, at)):
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(0, middle - 2, width, 4), 2, 2)
        painter.setBrush(QColor(palette.text))
        painter.drawEllipse(QPointF(at, middle), KNOB_PX / 2, KNOB_PX / 2)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(palette.accent), 2))
            painter.drawEllipse(QPointF(at, middle), KNOB_PX / 2 + 2, KNOB_PX / 2 + 2)

    def sliderChange(self, change: QAbstractSlider.SliderChange) -> None:
        self.update()
        super().sliderChange(change)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._set_at(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._set_at(event.position().x())

    def _set_at(self, x: float) -> None:
        self.setValue(round((x - KNOB_PX / 2) / max(1.0, self.width() - KNOB_PX) * 100))


class PlayerBar(QFrame):
    """Everything that steers the music. Signals tell what the person wants; `show_playing` shows what is."""

    toggled = Signal()
    stopped = Signal()
    skipped = Signal()
    went_back = Signal()
    sought = Signal(float)
    shuffled = Signal(bool)
    repeated = Signal(object)
    volume_changed = Signal(int)
    queue_wanted = Signal(bool)
    page_wanted = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.setFixedHeight(BAR_PX)
        self._look = look
        self._playing = Playing()
        self._volume_before = 100
        row = QHBoxLayout(self)
        margins(row, 2 * UNIT, UNIT, 2 * UNIT, UNIT, gap=3 * UNIT)
        row.addWidget(self._left())
        row.addLayout(self._middle(), 1)
        row.addWidget(self._right())
        self.show_playing(self._playing)

    def _left(self) -> QWidget:
        side = QWidget()
        side.setFixedWidth(SIDE_PX - 8)
        row = QHBoxLayout(side)
        margins(row, gap=12)
        self.cover = Cover(self._look, 64, 8)
        self.cover.setCursor(Qt.CursorShape.PointingHandCursor)
        self.cover.mouseReleaseEvent = lambda event: self.page_wanted.emit()  # type: ignore[method-assign]
        row.addWidget(self.cover)
        words = QVBoxLayout()
        margins(words, gap=2)
        self.title = Elided()
        self.title.setObjectName("songTitle")
        self.artist = Elided("small")
        self.status = Elided("small")
        words.addStretch(1)
        for line in (self.title, self.artist, self.status):
            words.addWidget(line)
        words.addStretch(1)
        row.addLayout(words, 1)
        return side

    def _middle(self) -> QVBoxLayout:
        look = self._look
        column = QVBoxLayout()
        margins(column, gap=4)
        buttons = QHBoxLayout()
        margins(buttons, gap=UNIT)
        self.shuffle = IconButton(look, "shuffle", texts.SHUFFLE_OFF, size_px=18)
        self.previous = IconButton(look, "previous", texts.PREVIOUS, keys="Ctrl+←")
        self.play = IconButton(look, "play", texts.PLAY, size_px=PLAY_PX, keys="Space")
        self.play.setObjectName("play")
        self.play.setFixedSize(40, 40)
        self.next = IconButton(look, "next", texts.NEXT, keys="Ctrl+→")
        self.stop = IconButton(look, "stop", texts.STOP)
        self.repeat = IconButton(look, "repeat", texts.REPEAT["off"], size_px=18)
        buttons.addStretch(1)
        for button in (self.shuffle, self.previous, self.play, self.next, self.stop, self.repeat):
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.shuffle.clicked.connect(lambda: self.shuffled.emit(not self._playing.shuffle))
        self.previous.clicked.connect(self.went_back)
        self.play.clicked.connect(self.toggled)
        self.next.clicked.connect(self.skipped)
        self.stop.clicked.connect(self.stopped)
        self.repeat.clicked.connect(lambda: self.repeated.emit(_next_repeat(self._playing.repeat)))
        column.addLayout(buttons)
        self.waveform, self.elapsed, self.left_s, line = seek_line(look, 36)
        self.waveform.sought.connect(self.sought)
        column.addLayout(line)
        return column

    def _right(self) -> QWidget:
        look = self._look
        side = QWidget()
        side.setFixedWidth(SIDE_PX - 64)
        row = QHBoxLayout(side)
        margins(row, gap=4)
        self.mute = IconButton(look, "volume", texts.MUTE)
        self.volume = VolumeBar(look)
        self.queue = IconButton(look, "queue", texts.SHOW_QUEUE, keys="Ctrl+J")
        self.queue.setCheckable(True)
        self.mute.clicked.connect(self.toggle_mute)
        self.volume.valueChanged.connect(self._volume_moved)
        self.queue.toggled.connect(self._queue_toggled)
        row.addStretch(1)
        row.addWidget(self.mute)
        row.addWidget(self.volume, 4)
        row.addSpacing(UNIT)
        row.addWidget(self.queue)
        return side

    # -- showing

    def show_playing(self, now: Playing) -> None:
        """What the engine does."""
        self._playing = now
        self.title.setText(now.title)
        self.artist.setText(now.artist or texts.NOTHING_PLAYS_HINT)
        self.status.setText(now.status or now.via)
        name = texts.PAUSE if now.is_playing else texts.PLAY
        self.play.show_as("pause" if now.is_playing else "play", name)
        self.play.setEnabled(now.can_play)
        for button in (self.previous, self.next, self.stop):
            button.setEnabled(now.can_stop)
        self.shuffle.set_lit(now.shuffle)
        self.shuffle.rename(texts.SHUFFLE_ON if now.shuffle else texts.SHUFFLE_OFF)
        self.repeat.set_lit(now.repeat is not Repeat.OFF)
        self.repeat.show_as("repeat-one" if now.repeat is Repeat.ONE else "repeat", texts.REPEAT[now.repeat.value])
        self.waveform.set_position(now.position_s, now.length_s, now.can_seek)
        self.elapsed.setText(now.elapsed)
        self.left_s.setText(now.left)

    def toggle_mute(self) -> None:
        """Silence, or as loud as before."""
        if self.volume.value():
            self._volume_before = self.volume.value()
            self.volume.setValue(0)
        else:
            self.volume.setValue(self._volume_before)

    def _volume_moved(self, value: int) -> None:
        self.mute.show_as("volume" if value else "mute", texts.MUTE if value else texts.UNMUTE)
        self.volume_changed.emit(value)

    def _queue_toggled(self, shown: bool) -> None:
        self.queue.rename(texts.HIDE_QUEUE if shown else texts.SHOW_QUEUE)
        self.queue.set_lit(shown)
        self.queue_wanted.emit(shown)


class NowPlayingPage(QWidget):
    """A large cover, a large waveform, and where the sound comes from."""

    sought = Signal(float)

    def __init__(self, look: Look) -> None:
        super().__init__()
        outer = QVBoxLayout(self)
        margins(outer, gap=0)
        inside = QWidget()
        outer.addWidget(scrolling(inside))
        column = QVBoxLayout(inside)
        margins(column, 3 * UNIT, 3 * UNIT, 3 * UNIT, 3 * UNIT, gap=2 * UNIT)
        head = QHBoxLayout()
        margins(head, gap=4 * UNIT)
        self.cover = Cover(look, 160, 16)
        head.addWidget(self.cover)
        words = QVBoxLayout()
        margins(words, gap=4)
        words.addStretch(1)
        words.addWidget(label(texts.NOW_PLAYING, "label"))
        self.title = Elided("hero")
        self.artist = Elided("heading")
        self.album = Elided("muted")
        for text in (self.title, self.artist, self.album):
            words.addWidget(text)
        words.addSpacing(UNIT)
        self.status = label(role="pill")
        self.status.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        words.addWidget(self.status)
        words.addStretch(1)
        head.addLayout(words, 1)
        column.addLayout(head)
        self.waveform, self.elapsed, self.left_s, line = seek_line(look, 80)
        self.waveform.sought.connect(self.sought)
        column.addLayout(line)
        column.addWidget(self._facts())
        column.addStretch(1)

    def _facts(self) -> QWidget:
        frame, column = card(gap=12)
        column.addWidget(label(texts.WHERE_FROM, "heading"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(3 * UNIT)
        grid.setVerticalSpacing(UNIT)
        self._values: dict[str, QLabel] = {}
        names = (texts.SOURCE, texts.BUFFER, texts.FORMAT, texts.OUTPUT, texts.SESSION_AT)
        for number, name in enumerate(names):
            grid.addWidget(label(name, "muted"), number, 0)
            value = Elided()
            self._values[name] = value
            grid.addWidget(value, number, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        return frame

    def fact(self, name: str) -> str:
        """What stands beside a name."""
        return self._values[name].text()

    def show_playing(self, now: Playing) -> None:
        """What the engine does."""
        self.title.setText(now.title)
        self.artist.setText(now.artist or texts.NOTHING_PLAYS_HINT)
        self.album.setText(now.album)
        self.status.setText(now.status or now.form)
        self.status.setVisible(bool(now.status or now.form))
        self.waveform.set_position(now.position_s, now.length_s, now.can_seek)
        self.elapsed.setText(now.elapsed)
        self.left_s.setText(now.left)
        values = (now.source, now.ahead, now.form, now.output, now.session)
        for line, value in zip(self._values.values(), values, strict=True):
            line.setText(value or "–")


def seek_line(look: Look, height_px: int) -> tuple[Waveform, QLabel, QLabel, QHBoxLayout]:
    """A waveform between the elapsed and the remaining time."""
    waveform = Waveform(look, height_px)
    elapsed, left = label("0:00", "time"), label("−0:00", "time")
    for text, side in ((elapsed, Qt.AlignmentFlag.AlignRight), (left, Qt.AlignmentFlag.AlignLeft)):
        text.setMinimumWidth(44)
        text.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
    line = QHBoxLayout()
    margins(line, gap=UNIT)
    line.addWidget(elapsed)
    line.addWidget(waveform, 1)
    line.addWidget(left)
    return waveform, elapsed, left, line


def picture(data: bytes) -> QImage | None:
    """A decoded cover, at most 800 pixels a side; None for what is no picture. Fit for any thread."""
    image = QImage.fromData(data)
    if image.isNull():
        return None
    return image.scaled(QSize(800, 800), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)


def _next_repeat(repeat: Repeat) -> Repeat:
    order = (Repeat.OFF, Repeat.ALL, Repeat.ONE)
    return order[(order.index(repeat) + 1) % len(order)]
