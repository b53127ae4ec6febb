"""The songs for Qt's table: what a search does that takes longer than a moment."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from hocket.gui import songmodel
from hocket.gui.listed import Column, prepare, whole
from hocket.gui.songlist import SLICE, SongList
from hocket.gui.songmodel import SongModel
from tests.gui.kit import wait_until
from tests.gui.test_songlist import track


@pytest.fixture
def model(app: QApplication, monkeypatch: pytest.MonkeyPatch) -> SongModel:
    """So many songs that a search takes three slices, each of which is too long."""
    monkeypatch.setattr(songmodel, "SLICE_MS", 0)
    made = SongModel(SongList())
    made.replace(whole([prepare([track(number, f"t{number}") for number in range(2 * SLICE + 10)])]))
    return made


def test_a_long_search_shows_its_rows_in_the_end(model: SongModel) -> None:
    model.search("t8201")
    assert model.rowCount() == 2 * SLICE + 10
    wait_until(lambda: model.songs.search == "t8201", "what was searched for")
    assert [model.songs.text(row, Column.TITLE) for row in range(model.rowCount())] == ["t8201"]


def test_the_last_search_wins(model: SongModel) -> None:
    shown: list[str] = []
    model.searched.connect(lambda: shown.append(model.songs.search))
    for text in ("t1", "t12", "t8200"):
        model.search(text)
    wait_until(lambda: shown, "what was searched for")
    assert shown == ["t8200"]
    assert model.rowCount() == 1


def test_what_is_searched_for_is_shown_before_anything_else_changes(model: SongModel) -> None:
    model.search("t820")
    model.sort(Column.TITLE, Qt.SortOrder.DescendingOrder)
    assert [model.songs.text(row, Column.TITLE) for row in range(3)] == ["t8201", "t8200", "t820"]
    model.search("")
    model.append(prepare([track(9_000, "t9000")]))
    assert model.rowCount() == 2 * SLICE + 11
