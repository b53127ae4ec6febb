"""The way to the first paint is short: nothing is loaded that the log-in page does not need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hocket.adapters.folders import client_folders
from hocket.client import events
from hocket.client.engine import EngineOptions
from hocket.core.errors import ErrorCode, HocketError
from hocket.gui.bridge import Bridge
from hocket.gui.opening import Opening
from hocket.gui.settings import Remembered
from tests.gui.kit import person_at, wait_until
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Cluster
from tests.kit.processes import ROOT

HEAVY = (
    "asyncio", "av", "cryptography", "hocket.client", "hocket.wire", "jeepney", "keyring", "numpy", "pyqtgraph",
    "rich", "rtmixer", "sounddevice", "ssl", "zeroconf", "hocket.gui.shell", "hocket.gui.controller",
)  # fmt: skip
TOLD = """
import json, sys
from hocket.gui import opening
def tell(self):
    print(json.dumps(sorted(sys.modules)), flush=True)
    self._loaded.emit(SystemExit(0))
opening.Opening._load = tell
sys.argv = ["user.py", "--home", sys.argv[1]]
from hocket.app.user import main
main()
"""
"""`user.py` up to its first paint, where it would begin to load the rest."""


def test_what_is_loaded_before_the_first_paint(tmp_path: Path) -> None:
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", TOLD, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    loaded = json.loads(done.stdout)
    assert "hocket.gui.login" in loaded
    heavy = [name for name in loaded if any(name == one or name.startswith(f"{one}.") for one in HEAVY)]
    assert heavy == []


def test_whoever_is_faster_than_the_engine_is_logged_in_all_the_same(
    app: QApplication, cluster: Cluster, tmp_path: Path
) -> None:
    options = EngineOptions(client_folders(tmp_path), "null")
    opening = Opening(app, lambda: options, Remembered(server=cluster.control("invite").stdout.strip(), user=DEMO_USER))
    try:
        opening.window.show()
        QTest.keyClicks(opening.window.login.password, DEMO_PASSWORD)
        opening.window.login.button.click()
        assert opening.desktop is None
        assert opening.window.login.form.busy
        wait_until(lambda: not opening.window.is_at_login, "the log-in")
        wait_until(lambda: opening.window.songs.songs.total, "the songs")
    finally:
        opening.end()
        opening.window.deleteLater()
        opening.deleteLater()


def test_what_goes_wrong_while_it_opens_ends_it_and_is_told(app: QApplication) -> None:
    def options() -> EngineOptions:
        raise HocketError("no such output", code=ErrorCode.USAGE)

    opening = Opening(app, options, Remembered())
    opening.window.show()
    wait_until(lambda: opening._failure is not None, "the failure")
    with pytest.raises(HocketError, match="no such output"):
        opening.end()
    opening.window.deleteLater()
    opening.deleteLater()


def test_a_window_that_is_closed_before_its_songs_came_leaves_nothing(
    app: QApplication, cluster: Cluster, tmp_path: Path
) -> None:
    with person_at(app, cluster.control("invite").stdout.strip(), tmp_path) as person:
        person.try_password(DEMO_PASSWORD)
        person.wait(lambda: not person.window.is_at_login, "the log-in")


def test_nothing_is_told_after_the_end(app: QApplication, tmp_path: Path) -> None:
    bridge = Bridge(EngineOptions(client_folders(tmp_path), "null"))
    told: list[object] = []
    bridge.happened.connect(told.append)
    bridge._told.emit(events.QueueChanged())
    wait_until(lambda: told, "an event")
    bridge._told.emit(events.LoggedOut())  # on its way when the window is closed
    bridge.close()
    QCoreApplication.processEvents()
    assert told == [events.QueueChanged()]
