"""Opens the window, and keeps it until the person quits."""

import gc
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QSocketNotifier
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from hocket.core import settings as defaults
from hocket.gui import icons, settings, texts
from hocket.gui.opening import Opening
from hocket.gui.signals import SignalPipe
from hocket.gui.theme import BODY_PX, DARK, FONTS

if TYPE_CHECKING:
    from hocket.client.engine import EngineOptions

TURN_S = 0.00005
"""How long another thread may keep the window's from running Python. A paint asks for its turn some hundred times:
with Python's own 5 ms a table beside a busy engine takes 300 ms; with 0.2 ms it once waited for 86 ms, with this
for 25."""


def run(options: "Callable[[], EngineOptions]", config: Path, prime: str = "", user: str = "") -> int:
    """Show the window; returns when the person quits, or on SIGINT and SIGTERM. Call on the main thread.

    `options` is called on another thread once the window is there: only then the engine is loaded. `prime` and `user`
    fill the log-in page; where they are the defaults, what was remembered in the folder `config` goes first.
    """
    app = make_app()
    remembered = settings.load(config)
    if user:
        remembered = msgspec.structs.replace(remembered, user=user)
    if not remembered.server or (prime and prime != defaults.PRIME):
        remembered = msgspec.structs.replace(remembered, server=prime)
    pipe = SignalPipe(signal.SIGINT, signal.SIGTERM)
    try:
        opening = Opening(app, options, remembered)
        notifier = QSocketNotifier(pipe.fileno(), QSocketNotifier.Type.Read)
        notifier.activated.connect(lambda: opening.close() if pipe.drain() else None)
        opening.opened.connect(gc.freeze)  # what is there now stays: to look through it again costs time only
        opening.window.show()
        code = app.exec()
        opening.end()
        notifier.setEnabled(False)
    finally:
        pipe.close()
    return code


def make_app() -> QApplication:
    """The one QApplication, with the window's fonts and style."""
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    sys.setswitchinterval(TURN_S)
    app.setApplicationName(texts.APP)
    app.setApplicationDisplayName(texts.APP)
    app.setDesktopFileName("hocket")
    app.setStyle("Fusion")
    font = QFont()
    font.setFamilies(list(FONTS))
    font.setPixelSize(BODY_PX)
    app.setFont(font)
    app.setQuitOnLastWindowClosed(False)
    app.setWindowIcon(icons.icon("hocket", DARK.accent, 64))
    return app
