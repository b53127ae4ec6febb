"""The window against a real prime: every button does what it says."""

from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QApplication, QLineEdit

from hocket.client.playing import State
from hocket.client.queue import Repeat
from hocket.gui import settings, texts
from hocket.gui.listed import Column
from hocket.gui.loginview import Field
from tests.gui.kit import Person, person_at
from tests.gui.music import TITLES
from tests.kit.cluster import Cluster
from tests.kit.ports import free_port

COUNT = len(TITLES) + 2


def test_a_new_cluster_shows_its_fingerprint_before_the_password_goes_out(
    app: QApplication, cluster: Cluster, tmp_path: Path
) -> None:
    with person_at(app, cluster.address, tmp_path / "home") as person:
        login = person.window.login
        QTest.keyClicks(login.password, "password123")
        person.click(login.button)
        person.wait(lambda: login.form.fingerprint, "the fingerprint")
        invite = cluster.control("invite").stdout.strip()
        assert invite.endswith(login.form.fingerprint)
        assert "".join(login.fingerprint.text().split()) == login.form.fingerprint
        person.click(login.cancel)
        assert not login.form.fingerprint
        assert login.server.isVisible()
        person.log_in()
        person.wait(lambda: settings.load(tmp_path / "home").user == "Someone", "that the name is kept")


def test_a_wrong_password_and_a_dead_server_say_what_to_do(app: QApplication, cluster: Cluster, tmp_path: Path) -> None:
    with person_at(app, cluster.address, tmp_path / "home") as person:
        login = person.window.login
        person.try_password("not this one")
        assert _wrong(person) is Field.PASSWORD
        assert login.notice.title.text() == texts.TITLES["LOGIN_REFUSED"]
        login.server.setText(f"127.0.0.1:{free_port()}")
        person.try_password("password123")
        assert _wrong(person) is Field.SERVER
        assert login.notice.title.text() == texts.TITLES["NOT_REACHABLE"]
        assert texts.HINTS["NOT_REACHABLE"] in login.notice.text.text()
        login.server.setText("10.0.0.1:music")
        person.click(login.button)
        assert _wrong(person) is Field.SERVER
        assert person.window.is_at_login


def _wrong(person: Person) -> Field | None:
    return person.window.login.form.wrong


def test_double_click_plays_and_the_song_is_marked(person: Person) -> None:
    person.double_click(person.row_of("Slow Trains"))
    person.wait_state(State.PLAYING)
    window = person.window
    assert window.bar.title.text() == "Slow Trains"
    assert window.songs.model.playing_id == window.songs.songs.track(person.row_of("Slow Trains")).id
    person.wait(lambda: len(window.bar.waveform._peaks) == 800, "the waveform")
    assert max(window.bar.waveform._peaks) > 100
    person.wait(lambda: person.control.view.playing.source, "where it comes from")
    assert "file-" in window.now.fact(texts.SOURCE)
    assert window.windowTitle().startswith("Slow Trains")


def test_pause_seek_next_previous_stop(person: Person) -> None:
    bar = person.window.bar
    person.double_click(person.row_of("Amber Room"))
    person.wait_state(State.PLAYING)
    person.click(bar.play)
    person.wait_state(State.PAUSED)
    QTest.mouseClick(bar.waveform, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
                     QPoint(bar.waveform.width() // 2, bar.waveform.height() // 2))  # fmt: skip
    person.wait(lambda: abs(person.control.view.playing.position_s - 4.0) < 0.2, "the middle of eight seconds")
    assert person.state is State.PAUSED
    person.press(Qt.Key.Key_Space)
    person.wait_state(State.PLAYING)
    first = person.control.view.playing.title
    person.click(bar.next)
    person.wait(lambda: person.control.view.playing.title != first, "the next song")
    person.press(Qt.Key.Key_Left, with_=Qt.KeyboardModifier.ControlModifier)
    person.wait(lambda: person.control.view.playing.title == first, "the song before")
    person.click(bar.stop)
    person.wait_state(State.STOPPED)
    person.wait(lambda: bar.play.isEnabled(), "play to be offered again")


def test_dragging_shows_the_place_and_seeks_when_let_go(person: Person) -> None:
    waveform = person.window.bar.waveform
    person.double_click(person.row_of("Amber Room"))
    person.wait_state(State.PLAYING)
    person.click(person.window.bar.play)
    person.wait_state(State.PAUSED)
    middle = waveform.height() // 2
    QTest.mousePress(waveform, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(10, middle))
    QTest.mouseMove(waveform, QPoint(waveform.width() * 3 // 4, middle))
    assert person.control.view.playing.position_s < 3
    QTest.mouseRelease(waveform, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
                       QPoint(waveform.width() * 3 // 4, middle))  # fmt: skip
    person.wait(lambda: abs(person.control.view.playing.position_s - 6.0) < 0.2, "three quarters of eight seconds")


def test_search_narrows_with_each_key_and_escape_clears(person: Person) -> None:
    songs = person.window.songs
    person.press(Qt.Key.Key_F, with_=Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(songs.search, "uber")
    assert [track.title for track in songs.songs.tracks(range(len(songs.songs)))] == ["Überfahrt"]
    assert songs.count.text() == f"1 of {COUNT} songs"
    QTest.keyClicks(songs.search, "zzz")
    assert songs.stack.currentWidget() is songs.empty
    assert songs.empty.title.text() == texts.NO_MATCH
    person.press(Qt.Key.Key_Escape, on=songs.search)
    assert len(songs.songs) == COUNT


def test_a_click_on_a_heading_sorts(person: Person) -> None:
    table, songs = person.window.songs.table, person.window.songs.songs
    header = table.horizontalHeader()
    at = QPoint(header.sectionPosition(Column.TITLE) + 30, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert songs.track(0).title == "Amber Room"
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
    assert songs.track(len(songs) - 1).title == "Amber Room"


def test_a_song_that_cannot_play_says_why(person: Person) -> None:
    person.double_click(person.row_of("from the phone.mp3"))
    person.wait(lambda: not person.window.shell.notice.isHidden(), "the reason")
    assert person.window.shell.notice.title.text() == texts.TITLES["TRACK_UNPLAYABLE"]
    assert "import" in person.window.shell.notice.text.text()
    assert person.state is State.STOPPED
    person.click(person.window.shell.notice.close_button)
    assert person.window.shell.notice.isHidden()


def test_the_queue_is_added_to_reordered_and_emptied(person: Person) -> None:
    window = person.window
    panel = window.queue
    person.press(Qt.Key.Key_J, with_=Qt.KeyboardModifier.ControlModifier)
    assert panel.isVisible()
    for title in ("Lantern", "Field Notes"):
        window.songs.table.selectRow(person.row_of(title))
        person.click(window.songs.add_button)
    person.wait(lambda: len(panel.model.entries) == 2, "two songs in the queue")
    window.songs.table.selectRow(person.row_of("Low Tide"))
    person.press(Qt.Key.Key_Return, on=window.songs.table, with_=Qt.KeyboardModifier.ControlModifier)
    person.wait(lambda: len(panel.model.entries) == 3, "three songs in the queue")
    assert [entry.track.title for entry in panel.model.entries] == ["Low Tide", "Lantern", "Field Notes"]
    panel.list.setCurrentIndex(panel.model.index(2))
    person.click(panel.up)
    person.wait(
        lambda: [e.track.title for e in panel.model.entries] == ["Low Tide", "Field Notes", "Lantern"], "the order"
    )
    person.press(Qt.Key.Key_Delete, on=panel.list)
    person.wait(lambda: len(panel.model.entries) == 2, "one song less")
    panel.list.setCurrentIndex(panel.model.index(1))
    person.press(Qt.Key.Key_Return, on=panel.list)
    person.wait(lambda: person.control.view.playing.title == "Lantern", "the song of the queue")
    person.click(panel.clear_button)
    person.wait(lambda: not panel.model.entries, "an empty queue")
    person.wait_state(State.STOPPED)


def test_shuffle_repeat_volume_and_mute(person: Person) -> None:
    bar = person.window.bar
    person.click(bar.shuffle)
    person.wait(lambda: person.control.view.playing.shuffle, "shuffle")
    for repeat in (Repeat.ALL, Repeat.ONE, Repeat.OFF):
        person.click(bar.repeat)
        person.wait(partial(_repeats, person, repeat), f"repeat {repeat}")
    person.press(Qt.Key.Key_Down, with_=Qt.KeyboardModifier.ControlModifier)
    person.wait(lambda: person.control.view.snapshot.volume == pytest.approx(0.95**2), "the volume")  # type: ignore[union-attr]
    person.click(bar.mute)
    person.wait(lambda: person.control.view.snapshot.volume == 0, "silence")  # type: ignore[union-attr]
    person.click(bar.mute)
    assert bar.volume.value() == 95


def _repeats(person: Person, repeat: Repeat) -> bool:
    return person.control.view.playing.repeat is repeat


def test_the_list_follows_the_library(person: Person, cluster: Cluster) -> None:
    songs = person.window.songs
    source = next(cluster.music.rglob("*Lantern.wav"))
    copy = cluster.music / "new.wav"
    copy.write_bytes(source.read_bytes()[:-40_000])
    try:
        person.wait(lambda: songs.songs.total == COUNT + 1, "the new song")
    finally:
        copy.unlink()
    person.wait(lambda: songs.songs.total == COUNT, "the list without it")


def test_logging_out_and_in_again(person: Person) -> None:
    person.double_click(person.row_of("Amber Room"))
    person.wait_state(State.PLAYING)
    person.control.log_out()
    person.wait(lambda: person.window.is_at_login, "the log-in page")
    assert person.window.songs.songs.total == 0
    person.log_in()
    assert person.state is State.STOPPED


def test_an_ordinary_listener_sees_where_they_are_and_no_more(person: Person) -> None:
    window = person.window
    window.show_page(texts.CLUSTER)
    person.wait(lambda: "auth-" in window.cluster._here_value(texts.YOUR_SESSION).text(), "the session's node")
    assert window.cluster.spawn_file.isHidden() or not window.cluster.spawn_file.isVisible()


def test_everything_has_a_name_for_screen_readers(person: Person) -> None:
    kinds = (QAbstractButton, QAbstractSlider, QLineEdit)
    nameless = [
        widget
        for kind in kinds
        for widget in person.window.findChildren(kind)
        if not (widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()))
        and "Scroll" not in widget.metaObject().className()
        and widget.objectName() != "qt_tableview_cornerbutton"  # never shown: the rows have no header
        and not widget.metaObject().className().startswith("QLineEditIconButton")
    ]
    assert [(type(widget).__name__, widget.objectName()) for widget in nameless] == []


def test_tab_reaches_search_table_and_player(person: Person) -> None:
    window = person.window
    window.activateWindow()
    window.songs.search.setFocus()
    reached = set()
    for _ in range(40):
        widget = QApplication.focusWidget()
        if widget is not None:
            reached.add(widget)
        person.press(Qt.Key.Key_Tab, on=widget)
    bar = window.bar
    assert {window.songs.table, bar.play if bar.play.isEnabled() else bar.shuffle, bar.volume, bar.queue} <= reached


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_small_windows_and_both_themes_clip_nothing(person: Person, theme: str) -> None:
    person.control.set_theme(theme)
    person.window.resize(900, 600)
    person.window.bar.queue.setChecked(True)
    QApplication.processEvents()
    window = person.window
    assert window.width() == 900
    inside = window.songs.rect()
    for widget in (window.songs.search, window.songs.refresh_button, window.songs.table):
        corner = widget.mapTo(window.songs, QPoint(widget.width(), widget.height()))
        assert inside.contains(corner - QPoint(1, 1)), widget.accessibleName()
    assert not window.songs.table.isColumnHidden(Column.TITLE)
    assert QGuiApplication.primaryScreen() is not None
