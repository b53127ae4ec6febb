"""The panel with the queue: what plays, what comes; dragged, removed, played."""

from collections.abc import Sequence

from PySide6.QtCore import (
    QAbstractListModel,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QListView,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
)

from hocket.client.queue import Entry
from hocket.gui import icons, texts
from hocket.gui.widgets import UNIT, Empty, IconButton, Look, label, margins, text_button

Index = QModelIndex | QPersistentModelIndex
WIDTH_PX = 304
ENTRY_PX = 56
MIME = "application/x-hocket-queue-row"


class QueueModel(QAbstractListModel):
    """Entries of the queue. Dropping asks for a move; the engine then tells the new order."""

    moved = Signal(int, int)
    """(entry id, the place it goes to)"""

    def __init__(self) -> None:
        super().__init__()
        self.entries: tuple[Entry, ...] = ()
        self.current_id = 0

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        track = self.entries[index.row()].track
        if role == Qt.ItemDataRole.DisplayRole:
            return track.title
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            playing = f", {texts.IS_PLAYING}" if self.entries[index.row()].id == self.current_id else ""
            return f"{track.title}, {track.artist or texts.UNKNOWN_ARTIST}{playing}"
        return None

    def show_entries(self, entries: Sequence[Entry], current_id: int) -> None:
        self.beginResetModel()
        self.entries, self.current_id = tuple(entries), current_id
        self.endResetModel()

    def row_of(self, entry_id: int) -> int:
        return next((row for row, entry in enumerate(self.entries) if entry.id == entry_id), -1)

    # -- drag and drop

    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | (Qt.ItemFlag.ItemIsDragEnabled if index.isValid() else Qt.ItemFlag.ItemIsDropEnabled)

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        return [MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        data = QMimeData()
        data.setData(MIME, str(self.entries[indexes[0].row()].id).encode())
        return data

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: Index) -> bool:
        if not data.hasFormat(MIME):
            return False
        entry_id = int(data.data(MIME).data())
        self.moved.emit(entry_id, self.place_after_drop(entry_id, row if row >= 0 else len(self.entries)))
        return False  # Qt must not remove the row: the engine tells what became of it

    def place_after_drop(self, entry_id: int, before_row: int) -> int:
        """The place of an entry that is dropped in front of a row: its own leaving moves later ones up."""
        here = self.row_of(entry_id)
        return before_row - 1 if 0 <= here < before_row else before_row


class EntryDelegate(QStyledItemDelegate):
    """Two lines an entry: title and artist; what plays is in the accent colour."""

    def __init__(self, look: Look, model: QueueModel, view: QListView) -> None:
        super().__init__(view)
        self._look, self._model, self._view = look, model, view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(WIDTH_PX // 2, ENTRY_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        palette = self._look.palette
        entry = self._model.entries[index.row()]
        plays = entry.id == self._model.current_id
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(palette.selected))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, QColor(palette.hover))
        room = option.rect.adjusted(2 * UNIT, UNIT, -2 * UNIT, -UNIT)
        if plays:
            icons.icon("waves", palette.accent, 16).paint(
                painter, QRect(room.right() - 16, room.center().y() - 8, 16, 16)
            )
            room.adjust(0, 0, -3 * UNIT, 0)
        half = room.height() // 2
        font = QFont(self._view.font())
        font.setWeight(QFont.Weight.Medium)
        self._line(painter, font, QRect(room.left(), room.top(), room.width(), half), entry.track.title,
                   palette.accent if plays else palette.text)  # fmt: skip
        font.setWeight(QFont.Weight.Normal)
        font.setPixelSize(12)
        self._line(painter, font, QRect(room.left(), room.top() + half, room.width(), half),
                   entry.track.artist or texts.UNKNOWN_ARTIST, palette.muted)  # fmt: skip
        painter.restore()

    def _line(self, painter: QPainter, font: QFont, rect: QRect, text: str, colour: str) -> None:
        painter.setFont(font)
        painter.setPen(QColor(colour))
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)


class QueueView(QListView):
    """The list; Enter plays, Delete removes, Alt with the arrows moves."""

    play = Signal(int)
    remove = Signal(int)
    shift = Signal(int, int)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentIndex().row()
        alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if row < 0:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.play.emit(row)
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove.emit(row)
        elif alt and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.shift.emit(row, -1 if event.key() == Qt.Key.Key_Up else 1)
        else:
            super().keyPressEvent(event)


class QueuePanel(QFrame):
    """Signals `play`, `remove` (entry id), `moved` (entry id, place), `cleared`."""

    play = Signal(int)
    remove = Signal(int)
    moved = Signal(int, int)
    cleared = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setObjectName("queue")
        self.setFixedWidth(WIDTH_PX)
        self._look = look
        self.model = QueueModel()
        self.model.moved.connect(self.moved)
        column = QVBoxLayout(self)
        margins(column, 0, 3 * UNIT, 0, UNIT, gap=UNIT)
        column.addLayout(self._head())
        self.list = self._list()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.list)
        self.stack.addWidget(Empty(look, "queue", texts.QUEUE_EMPTY, texts.QUEUE_EMPTY_HINT))
        column.addWidget(self.stack, 1)
        self.show_entries((), 0)

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        margins(row, 2 * UNIT, 0, UNIT, 0, gap=4)
        row.addWidget(label(texts.QUEUE, "heading"))
        row.addStretch(1)
        self.up = IconButton(self._look, "up", texts.MOVE_UP, size_px=16, keys="Alt+↑")
        self.down = IconButton(self._look, "down", texts.MOVE_DOWN, size_px=16, keys="Alt+↓")
        self.remove_button = IconButton(self._look, "close", texts.REMOVE, size_px=16, keys="Del")
        self.clear_button = text_button(texts.CLEAR_QUEUE, "", self.cleared.emit)
        self.up.clicked.connect(lambda: self._shift(self.list.currentIndex().row(), -1))
        self.down.clicked.connect(lambda: self._shift(self.list.currentIndex().row(), 1))
        self.remove_button.clicked.connect(lambda: self._remove(self.list.currentIndex().row()))
        for button in (self.up, self.down, self.remove_button, self.clear_button):
            row.addWidget(button)
        return row

    def _list(self) -> QueueView:
        view = QueueView()
        view.setModel(self.model)
        view.setItemDelegate(EntryDelegate(self._look, self.model, view))
        view.setAccessibleName(texts.QUEUE)
        view.setMouseTracking(True)
        view.setUniformItemSizes(True)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        view.setDefaultDropAction(Qt.DropAction.MoveAction)
        view.setDropIndicatorShown(True)
        view.doubleClicked.connect(lambda index: self._play(index.row()))
        view.play.connect(self._play)
        view.remove.connect(self._remove)
        view.shift.connect(self._shift)
        view.selectionModel().currentChanged.connect(lambda: self._show_buttons())
        return view

    def show_entries(self, entries: Sequence[Entry], current_id: int) -> None:
        """The queue as it is; the chosen entry stays chosen."""
        row = self.list.currentIndex().row()
        chosen = self.model.entries[row].id if 0 <= row < len(self.model.entries) else 0
        at = self.list.verticalScrollBar().value()
        had_current = self.model.current_id
        self.model.show_entries(entries, current_id)
        if (row := self.model.row_of(chosen)) >= 0:
            self.list.setCurrentIndex(self.model.index(row))
        self.list.verticalScrollBar().setValue(at)
        if current_id != had_current and (row := self.model.row_of(current_id)) >= 0:
            self.list.scrollTo(self.model.index(row))
        self.stack.setCurrentIndex(0 if entries else 1)
        self._show_buttons()

    def _show_buttons(self) -> None:
        row, count = self.list.currentIndex().row(), len(self.model.entries)
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < count - 1)
        self.remove_button.setEnabled(row >= 0)
        self.clear_button.setEnabled(count > 0)

    def _play(self, row: int) -> None:
        self.play.emit(self.model.entries[row].id)

    def _remove(self, row: int) -> None:
        if 0 <= row < len(self.model.entries):
            self.remove.emit(self.model.entries[row].id)

    def _shift(self, row: int, by: int) -> None:
        if 0 <= row < len(self.model.entries) and 0 <= row + by < len(self.model.entries):
            self.moved.emit(self.model.entries[row].id, row + by)
