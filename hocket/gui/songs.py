"""The page with the songs: a table that stays fluid with fifty thousand of them."""

from PySide6.QtCore import (
    QEvent,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QFont, QKeyEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from hocket.core.track import Track
from hocket.gui import icons, texts
from hocket.gui.listed import NOTHING, Batch, Column, Listed
from hocket.gui.songlist import SongList
from hocket.gui.songmodel import Index, SongModel
from hocket.gui.theme import ROW_PX
from hocket.gui.widgets import UNIT, Empty, IconButton, Look, label, margins, text_button

MARK_PX = 48
LENGTH_PX = 88
ARTIST_FROM_PX = 280
ALBUM_FROM_PX = 440

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class SongDelegate(QStyledItemDelegate):
    """Draws a cell: whole rows light up, what plays is marked, what cannot play says why."""

    def __init__(self, look: Look, model: SongModel, view: "SongTable") -> None:
        super().__init__(view)
        self._look = look
        self._model = model
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(option.rect.width(), ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        palette, rect, row, column = self._look.palette, option.rect, index.row(), index.column()
        track: Track = self._model.songs.track(row)
        is_selected = bool(option.state & QStyle.StateFlag.State_Selected)
        plays = bool(track.id) and track.id == self._model.playing_id
        painter.save()
        if is_selected:
            painter.fillRect(rect, QColor(palette.selected))
        elif row == self._view.hovered_row:
            painter.fillRect(rect, QColor(palette.hover))
        if is_selected and column == Column.MARK and self._view.hasFocus():
            painter.fillRect(QRect(rect.topLeft(), QSize(3, rect.height())), QColor(palette.accent))
        if column == Column.MARK:
            self._mark(painter, rect, track, plays, row == self._view.hovered_row)
        else:
            self._words(painter, rect, self._model.songs.text(row, column), column, track, plays)
        painter.restore()

    def _mark(self, painter: QPainter, rect: QRect, track: Track, plays: bool, hovered: bool) -> None:
        palette = self._look.palette
        if track.problem:
            name, colour = "warning", palette.warn
        elif plays:
            name, colour = ("waves" if self._model.is_playing else "pause"), palette.accent
        elif hovered:
            name, colour = "play", palette.muted
        else:
            return
        side = 16
        at = QRect(0, 0, side, side)
        at.moveCenter(rect.center())
        icons.icon(name, colour, side).paint(painter, at)

    def _words(self, painter: QPainter, rect: QRect, text: str, column: int, track: Track, plays: bool) -> None:
        palette, is_title = self._look.palette, column == Column.TITLE
        if is_title:
            font = QFont(self._view.font())
            font.setWeight(QFont.Weight.Medium)
            painter.setFont(font)
        colour = palette.muted if track.problem or not is_title else palette.text
        painter.setPen(QColor(palette.accent if plays and is_title else colour))
        room = rect.adjusted(UNIT, 0, -UNIT, 0)
        metrics = painter.fontMetrics()
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, RIGHT if column == Column.LENGTH else LEFT, shown)
        if track.problem:
            self._reason(
                painter, rect, room.left() + metrics.horizontalAdvance(shown) if is_title else 0, track.problem
            )

    def _reason(self, painter: QPainter, rect: QRect, after_x: int, problem: str) -> None:
        """Why a song cannot play, across the columns that say nothing of it; each cell shows its part."""
        view = self._view
        if view.isColumnHidden(Column.ARTIST):
            if not after_x:
                return
            left = after_x + UNIT
        else:
            if after_x:
                return
            left = view.columnViewportPosition(Column.ARTIST) + UNIT
        whole = QRect(left, rect.top(), view.viewport().width() - left - UNIT, rect.height())
        painter.setClipRect(rect)
        painter.setPen(QColor(self._look.palette.warn))
        why = painter.fontMetrics().elidedText(problem, Qt.TextElideMode.ElideRight, whole.width())
        painter.drawText(whole, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, why)


class SongTable(QTableView):
    """The table: whole rows, keyboard and mouse alike."""

    play = Signal(int)
    play_next = Signal()
    add = Signal()

    def __init__(self, look: Look, model: SongModel) -> None:
        super().__init__()
        self.hovered_row = -1
        self.setModel(model)
        self.setItemDelegate(SongDelegate(look, model, self))
        self.setAccessibleName(texts.SONG_TABLE)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        rows = self.verticalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(ROW_PX)
        self._lay_out_columns()
        self.setSortingEnabled(True)
        self.doubleClicked.connect(lambda index: self.play.emit(index.row()))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)

    def _lay_out_columns(self) -> None:
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(True)  # a third click: the library's own order
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setMinimumSectionSize(MARK_PX)
        for column, mode, width in (
            (Column.MARK, QHeaderView.ResizeMode.Fixed, MARK_PX),
            (Column.TITLE, QHeaderView.ResizeMode.Stretch, 0),
            (Column.ARTIST, QHeaderView.ResizeMode.Fixed, 0),
            (Column.ALBUM, QHeaderView.ResizeMode.Fixed, 0),
            (Column.LENGTH, QHeaderView.ResizeMode.Fixed, LENGTH_PX),
        ):
            header.setSectionResizeMode(column, mode)
            if width:
                header.resizeSection(column, width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Title, artist and album share the room; the album, then the artist, give way where it is short."""
        super().resizeEvent(event)
        room = self.viewport().width() - MARK_PX - LENGTH_PX
        self.setColumnHidden(Column.ARTIST, room < ARTIST_FROM_PX)
        self.setColumnHidden(Column.ALBUM, room < ALBUM_FROM_PX)
        share = 0.29 if room >= ALBUM_FROM_PX else 0.42
        for column in (Column.ARTIST, Column.ALBUM):
            self.horizontalHeader().resizeSection(column, int(room * share))

    def selected_rows(self) -> list[int]:
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                self.play_next.emit()
            elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.add.emit()
            elif self.currentIndex().isValid():
                self.play.emit(self.currentIndex().row())
            return
        super().keyPressEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.HoverMove, QEvent.Type.MouseMove):
            self._hover(self.indexAt(event.position().toPoint()).row())  # type: ignore[attr-defined]
        elif event.type() in (QEvent.Type.Leave, QEvent.Type.HoverLeave):
            self._hover(-1)
        return super().viewportEvent(event)

    def _hover(self, row: int) -> None:
        if row != self.hovered_row:
            self.hovered_row = row
            self.viewport().update()

    def _open_menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        if not index.isValid():
            return
        menu = QMenu(self)
        for text, do in (
            (texts.PLAY, lambda: self.play.emit(index.row())),
            (texts.PLAY_NEXT, self.play_next.emit),
            (texts.ADD_TO_QUEUE, self.add.emit),
        ):
            action = QAction(text, menu)
            action.triggered.connect(do)
            menu.addAction(action)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.viewport().mapToGlobal(at))


class SongsPage(QWidget):
    """Title, search, the table, or what stands in its place.

    Signals: `play` (tracks, index), `add` (tracks, next), `refresh`.
    """

    play = Signal(object, int)
    add = Signal(object, bool)
    refresh = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.songs = SongList()
        self.model = SongModel(self.songs)
        self.table = SongTable(look, self.model)
        self.is_loading = True
        self._build()
        self.table.play.connect(self._play_row)
        self.table.play_next.connect(lambda: self._add_selected(is_next=True))
        self.table.add.connect(lambda: self._add_selected(is_next=False))
        self.table.selectionModel().selectionChanged.connect(lambda: self._show_buttons())
        self.model.modelReset.connect(self._after_reset)
        self.model.searched.connect(self.table.scrollToTop)
        self.search.textChanged.connect(self.model.search)
        self._show_state()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        margins(column, 3 * UNIT, 3 * UNIT, 3 * UNIT, UNIT, gap=2 * UNIT)
        head = QHBoxLayout()
        margins(head, gap=UNIT)
        words = QVBoxLayout()
        margins(words, gap=0)
        words.addWidget(label(texts.SONGS, "title"))
        self.count = label(role="small")
        words.addWidget(self.count)
        head.addLayout(words, 1)
        self.next_button = IconButton(self._look, "play-next", texts.PLAY_NEXT, keys="Ctrl+Enter")
        self.add_button = IconButton(self._look, "add-queue", texts.ADD_TO_QUEUE, keys="Shift+Enter")
        self.refresh_button = IconButton(self._look, "refresh", texts.REFRESH, keys="F5")
        self.search = QLineEdit()
        self.search.setPlaceholderText(texts.SEARCH)
        self.search.setAccessibleName(texts.SEARCH)
        self.search.setClearButtonEnabled(True)
        self.search.setProperty("kind", "search")
        self.search.setMinimumWidth(128)
        self.search.setMaximumWidth(304)
        self.search.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        glass = self.search.addAction(
            icons.icon("search", self._look.palette.muted), QLineEdit.ActionPosition.LeadingPosition
        )
        self._look.follow(lambda palette: glass.setIcon(icons.icon("search", palette.muted)))
        for widget in (self.next_button, self.add_button, self.refresh_button, self.search):
            head.addWidget(widget, 2 if widget is self.search else 0)
        self.next_button.clicked.connect(lambda: self._add_selected(is_next=True))
        self.add_button.clicked.connect(lambda: self._add_selected(is_next=False))
        self.refresh_button.clicked.connect(self.refresh)
        column.addLayout(head)
        self.stack = QStackedWidget()
        self.empty = Empty(self._look, "songs", texts.LOADING_SONGS)
        self.clear_search = text_button(texts.CLEAR_SEARCH, "", self.search.clear)
        self.empty.add_button(self.clear_search)
        self.stack.addWidget(self.table)
        self.stack.addWidget(self.empty)
        column.addWidget(self.stack, 1)

    # -- filling

    def begin(self) -> None:
        """A list is about to come; the one that is shown stays until then."""
        self.is_loading = True
        self._show_state()

    def append(self, batch: Batch) -> None:
        """The first list comes in pieces: what is here can be used."""
        self.model.append(batch)
        self._show_state()

    def replace(self, listed: Listed) -> None:
        """The whole list anew; the view stays where it is."""
        at = self.table.verticalScrollBar().value()
        chosen = [track.name for track in self.songs.tracks(self.table.selected_rows()[:1])]
        self.model.replace(listed)
        self._choose(chosen[0] if chosen else "")
        self.table.verticalScrollBar().setValue(at)
        self.end()

    def finish(self, listed: Listed) -> None:
        """The list is whole."""
        self.model.finish(listed)
        self.end()

    def end(self) -> None:
        """Nothing more comes."""
        self.is_loading = False
        self._show_state()

    def clear(self) -> None:
        """Nobody is logged in."""
        self.model.replace(NOTHING)
        self.search.clear()

    def mark(self, track_id: str, is_playing: bool) -> None:
        """What plays."""
        if self.model.mark(track_id, is_playing):
            self.table.viewport().update()

    # -- what the person does

    def focus_search(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.search.hasFocus() and event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.table.setFocus()
            if len(self.songs) and not self.table.currentIndex().isValid():
                self.table.selectRow(0)
        elif self.search.hasFocus() and event.key() == Qt.Key.Key_Escape:
            self.search.clear()
        else:
            super().keyPressEvent(event)

    def _play_row(self, row: int) -> None:
        tracks, index = self.songs.around(row)
        self.play.emit(tracks, index)

    def _add_selected(self, *, is_next: bool) -> None:
        tracks = [track for track in self.songs.tracks(self.table.selected_rows()) if track.is_playable]
        if tracks:
            self.add.emit(tracks, is_next)

    # -- inside

    def _choose(self, name: str) -> None:
        if not name:
            return
        row = self.songs.row_of(name)
        if row is not None:
            self.table.selectRow(row)

    def _after_reset(self) -> None:
        self._show_state()
        QTimer.singleShot(0, self, self._show_buttons)

    def _show_buttons(self) -> None:
        has_selection = self.table.selectionModel().hasSelection()
        self.next_button.setEnabled(has_selection)
        self.add_button.setEnabled(has_selection)

    def _show_state(self) -> None:
        self.count.setText(texts.song_count(len(self.songs), self.songs.total))
        self._show_buttons()
        self.stack.setCurrentWidget(self.table if len(self.songs) else self.empty)
        searched_in_vain = bool(self.songs.total)
        self.clear_search.setVisible(searched_in_vain)
        if searched_in_vain:
            self.empty.say(texts.NO_MATCH, texts.NO_MATCH_HINT)
        elif self.is_loading:
            self.empty.say(texts.LOADING_SONGS, "")
        else:
            self.empty.say(texts.NO_SONGS, texts.NO_SONGS_HINT)
