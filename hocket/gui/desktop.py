"""The window with what surrounds it: shortcuts, its menu, the tray, the desktop's media controls."""

from collections.abc import Callable

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QDialog, QGridLayout, QMenu

from hocket.client.engine import EngineOptions
from hocket.gui import texts
from hocket.gui.controller import Controller
from hocket.gui.mpris import Mpris
from hocket.gui.settings import Remembered
from hocket.gui.tray import Tray
from hocket.gui.widgets import UNIT, label, margins
from hocket.gui.window import KeysOfWidgets, Window


class Desktop:
    """The window with what surrounds it: shortcuts, its menu, the tray, the desktop's media controls."""

    def __init__(self, app: QApplication, options: EngineOptions, remembered: Remembered, window: Window) -> None:
        """`window` is furnished."""
        self._app = app
        self.controller = Controller(options, remembered, window)
        self._keys = KeysOfWidgets(app)
        self.tray = Tray()
        self.mpris = Mpris(self.controller)
        self._shortcuts()
        self._menu()
        self._tray()
        self.controller.window.closing.connect(self._closing)
        self.controller.ended.connect(app.quit)

    def close(self) -> None:
        """Let go of the desktop. Safe to call twice."""
        self.controller.close()
        self.tray.close()
        self.mpris.close()
        self._keys.close()

    def _shortcuts(self) -> None:
        control, window = self.controller, self.controller.window
        pages = (texts.SONGS, texts.NOW_PLAYING, texts.TOGETHER, texts.CLUSTER)
        keys = {
            "Space": control.toggle,
            "Left": control.jump_back,
            "Right": control.jump_ahead,
            "Ctrl+Left": control.go_back,
            "Ctrl+Right": control.skip,
            "Ctrl+Up": control.louder,
            "Ctrl+Down": control.quieter,
            "Ctrl+M": window.bar.toggle_mute,
            "Ctrl+F": self._search,
            "Ctrl+J": window.bar.queue.toggle,
            "F5": control.reload,
            "Ctrl+Q": control.close,
            "Media Play": control.toggle,
            "Media Pause": control.pause,
            "Toggle Media Play/Pause": control.toggle,
            "Media Stop": control.stop,
            "Media Next": control.skip,
            "Media Previous": control.go_back,
            **{f"Ctrl+{number}": _page_opener(window, name) for number, name in enumerate(pages, 1)},
        }
        always = {"Ctrl+Q"}
        for key, action in keys.items():
            shortcut = QShortcut(QKeySequence(key), window)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            allowed = key in always
            shortcut.activated.connect(
                lambda action=action, allowed=allowed: action() if allowed or not window.is_at_login else None
            )

    def _search(self) -> None:
        self.controller.window.show_page(texts.SONGS)
        self.controller.window.songs.focus_search()

    def _menu(self) -> None:
        control = self.controller
        menu = QMenu(control.window)
        themes = menu.addMenu(texts.THEME)
        group = QActionGroup(themes)
        for name, text in texts.THEMES.items():
            action = QAction(text, themes)
            action.setCheckable(True)
            action.setChecked(control.remembered.theme == name)
            action.triggered.connect(lambda _=False, name=name: control.set_theme(name))
            group.addAction(action)
            themes.addAction(action)
        self._to_tray = QAction(texts.CLOSE_TO_TRAY, menu)
        self._to_tray.setCheckable(True)
        self._to_tray.setChecked(control.remembered.close_to_tray)
        self._to_tray.setVisible(self.tray.is_there)
        self._to_tray.toggled.connect(self._set_to_tray)
        menu.addAction(self._to_tray)
        menu.addAction(texts.KEYS).triggered.connect(self._show_keys)
        menu.addSeparator()
        menu.addAction(texts.LOG_OUT).triggered.connect(control.log_out)
        menu.addAction(texts.QUIT).triggered.connect(control.close)
        control.window.side.menu.setMenu(menu)

    def _set_to_tray(self, on: bool) -> None:
        self.controller.remembered = msgspec.structs.replace(self.controller.remembered, close_to_tray=on)

    def _show_keys(self) -> None:
        dialog = QDialog(self.controller.window)
        dialog.setWindowTitle(texts.KEYS)
        grid = QGridLayout(dialog)
        margins(grid, 3 * UNIT, 3 * UNIT, 3 * UNIT, 3 * UNIT)
        grid.setHorizontalSpacing(4 * UNIT)
        for row, (keys, what) in enumerate(texts.KEY_LIST):
            grid.addWidget(label(keys, "mono"), row, 0)
            grid.addWidget(label(what), row, 1)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _tray(self) -> None:
        control, tray = self.controller, self.tray
        tray.shown.connect(self._bring_back)
        tray.toggled.connect(control.toggle)
        tray.skipped.connect(control.skip)
        tray.went_back.connect(control.go_back)
        tray.quit_wanted.connect(control.close)
        control.playing_changed.connect(tray.show_playing)
        self.mpris.raised.connect(self._bring_back)

    def _bring_back(self) -> None:
        window = self.controller.window
        window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
        window.show()
        window.raise_()
        window.activateWindow()

    def _closing(self) -> None:
        if self.controller.remembered.close_to_tray and self.tray.is_there:
            self.controller.window.hide()
        else:
            self.controller.close()


def _page_opener(window: Window, name: str) -> Callable[[], None]:
    return lambda: window.shell.go_to_page(name)
