"""One application for the tests of a module, on no screen; one real cluster for those that want it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication

from hocket.gui.main import make_app
from tests.gui.kit import Person, person_at
from tests.gui.music import write_library
from tests.kit.cluster import Cluster


@pytest.fixture(scope="module")
def app() -> Iterator[QApplication]:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["QT_NO_GLIB"] = "1"  # GLib keeps a descriptor until the process ends
    bus = os.environ.pop("DBUS_SESSION_BUS_ADDRESS", None)  # tests must not steer the tester's desktop
    made = make_app()
    yield made
    made.closeAllWindows()
    QCoreApplication.processEvents()
    made.shutdown()
    if bus is not None:
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus


@pytest.fixture(scope="module")
def library() -> dict[str, bytes]:
    """Title -> samples; filled by `cluster`."""
    return {}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, library: dict[str, bytes]) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    library.update(write_library(folder / "music"))
    with Cluster(folder) as running:
        yield running


@pytest.fixture
def person(app: QApplication, cluster: Cluster, tmp_path: Path) -> Iterator[Person]:
    """Somebody who has logged in."""
    with person_at(app, cluster.address, tmp_path / "home") as somebody:
        somebody.log_in()
        yield somebody
