"""The icon in the system's tray: the window's short menu while it is out of sight."""

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from hocket.gui import icons, texts
from hocket.gui.theme import DARK
from hocket.gui.view import Playing


class Tray(QObject):
    """Signals tell what the person chose. Where the desktop has no tray nothing is shown."""

    shown = Signal()
    toggled = Signal()
    skipped = Signal()
    went_back = Signal()
    quit_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._icon = QSystemTrayIcon(icons.icon("hocket", DARK.accent, 32))
        self._icon.setToolTip(texts.APP)
        self._menu = QMenu()
        self.toggle = self._action(texts.PLAY, self.toggled)
        self._action(texts.NEXT, self.skipped)
        self._action(texts.PREVIOUS, self.went_back)
        self._menu.addSeparator()
        self._action(texts.SHOW_WINDOW, self.shown)
        self._action(texts.QUIT, self.quit_wanted)
        self._icon.setContextMenu(self._menu)
        self._icon.activated.connect(self._activated)
        if self.is_there:
            self._icon.show()

    @property
    def is_there(self) -> bool:
        """Whether the desktop shows it, so that a hidden window can be brought back."""
        return QSystemTrayIcon.isSystemTrayAvailable()

    def show_playing(self, now: Playing) -> None:
        self.toggle.setText(texts.PAUSE if now.is_playing else texts.PLAY)
        self.toggle.setEnabled(now.can_play)
        self._icon.setToolTip(texts.window_title(now.title, now.artist) if now.track else texts.APP)

    def close(self) -> None:
        self._icon.hide()

    def _action(self, text: str, signal: object) -> QAction:
        action = QAction(text, self._menu)
        action.triggered.connect(lambda: signal.emit())  # type: ignore[attr-defined]
        self._menu.addAction(action)
        return action

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason == QSystemTrayIcon.ActivationReason.Trigger:
            self.shown.emit()
        elif reason == QSystemTrayIcon.ActivationReason.MiddleClick:
            self.toggled.emit()
