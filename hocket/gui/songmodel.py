"""The songs for Qt's table: a search that takes longer than a moment goes on while the window does other things."""

from collections.abc import Iterator

from PySide6.QtCore import QAbstractTableModel, QElapsedTimer, QModelIndex, QPersistentModelIndex, Qt, QTimer, Signal

from hocket.gui import texts
from hocket.gui.listed import Batch, Column, Listed
from hocket.gui.songlist import HEADINGS, Found, SongList

Index = QModelIndex | QPersistentModelIndex
SLICE_MS = 8
"""A search that takes longer lets the window do other things meanwhile."""


class SongModel(QAbstractTableModel):
    """Shows a SongList to Qt."""

    searched = Signal()
    """What was searched for is shown."""

    def __init__(self, songs: SongList) -> None:
        super().__init__()
        self.songs = songs
        self._finding: Iterator[Found | None] = iter(())
        self._slices = QTimer(self)
        self._slices.setInterval(0)
        self._slices.timeout.connect(self._find_on)
        self.playing_id = ""
        self.is_playing = False

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.songs)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return HEADINGS[Column(section)]
            if role == Qt.ItemDataRole.TextAlignmentRole and section == Column.LENGTH:
                return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row, column = index.row(), Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self.songs.text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.songs.track(row).problem or self.songs.text(row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._spoken(row, column)
        return None

    def _spoken(self, row: int, column: Column) -> str:
        track = self.songs.track(row)
        text = self.songs.text(row, column)
        if column is Column.MARK:
            return texts.IS_PLAYING if track.id == self.playing_id and track.id else ""
        return f"{text}, {texts.CANNOT_PLAY}: {track.problem}" if track.problem and column is Column.TITLE else text

    def append(self, batch: Batch) -> None:
        """More of the list, as it comes."""
        self._find_rest()
        first = len(self.songs)
        if self.songs.search:
            self.beginResetModel()
            self.songs.append(batch)
            self.endResetModel()
            return
        self.beginInsertRows(QModelIndex(), first, first + len(batch.packed) - 1)
        self.songs.append(batch)
        self.endInsertRows()

    def replace(self, listed: Listed) -> None:
        """Another list in place of this one; search and sort stay."""
        self._find_rest()
        self.beginResetModel()
        self.songs.replace(listed)
        self.endResetModel()

    def finish(self, listed: Listed) -> None:
        """The list is whole."""
        self._find_rest()
        if self.songs.is_plain:
            self.songs.finish(listed)
            return
        self.beginResetModel()
        self.songs.finish(listed)
        self.endResetModel()

    def search(self, text: str) -> None:
        """Show what is found: at once if that is quick, else in a moment. A search that is under way is given up."""
        self._finding = self.songs.find(text)
        self._find_on()

    def _find_on(self) -> None:
        self._slices.stop()
        clock = QElapsedTimer()
        clock.start()
        for found in self._finding:
            if found is not None:
                self._show(found)
                return
            if clock.elapsed() >= SLICE_MS:
                self._slices.start()
                return

    def _find_rest(self) -> None:
        """Before the list changes: what is under way is of this one."""
        self._slices.stop()
        for found in self._finding:
            if found is not None:
                self._show(found)

    def _show(self, found: Found) -> None:
        self.beginResetModel()
        self.songs.show(found)
        self.endResetModel()
        self.searched.emit()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._find_rest()
        self.beginResetModel()
        by = Column(max(0, column))  # -1: by none
        self.songs.set_sort(by, by is not Column.MARK and order is Qt.SortOrder.DescendingOrder)
        self.endResetModel()

    def mark(self, track_id: str, is_playing: bool) -> bool:
        """This one plays; whether that is news."""
        if (track_id, is_playing) == (self.playing_id, self.is_playing):
            return False
        self.playing_id, self.is_playing = track_id, is_playing
        return True
