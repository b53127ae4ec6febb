"""`make screenshots`: the window's pages, dark and light, from a real cluster into docs/pictures.

python scripts/screenshots.py [--into FOLDER] [--scale 2] [--size 1200x800]
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

SONG_S = (187.0, 214.0, 243.0, 156.0)
NAME, PASSWORD = "Ada", "a long pass phrase"
ADDRESS = "192.168.1.20:50001"
TOGETHER_ADDRESS = "192.168.1.20:25566"
FRIENDS = ("Ben", "Chiyo", "Dora")
SETTLED_MS = 1.0


def main() -> None:
    """Parse, set the scale before Qt starts, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--scale", default="1")
    parser.add_argument("--size", default="1200x800")
    options = parser.parse_args()
    os.environ["QT_SCALE_FACTOR"] = options.scale
    from hocket.gui.main import make_app
    from tests.gui.music import write_library
    from tests.kit.cluster import Cluster

    options.into.mkdir(parents=True, exist_ok=True)
    width, height = map(int, options.size.split("x"))
    app = make_app()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_library(folder / "music", SONG_S)
        _paint_covers(folder / "music")
        with Cluster(folder) as cluster:
            for theme in ("dark", "light"):
                _Pictures(options.into, theme, (width, height)).take(app, cluster, folder)


def _paint_covers(music: Path) -> None:
    """A picture of our own for each album: hills below a sky."""
    from PySide6.QtCore import QPointF, QRectF, Qt
    from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPainterPath

    skies = (("#2B3A67", "#FF9E5E"), ("#0F4C5C", "#E36414"), ("#5F0F40", "#FB8B24"), ("#1B4332", "#95D5B2"))
    folders = sorted({path.parent for path in music.rglob("*.wav") if path.parent != music})
    for number, folder in enumerate(folders):
        image = QImage(480, 480, QImage.Format.Format_RGB32)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        sky = QLinearGradient(0, 0, 0, 480)
        top, bottom = skies[number % len(skies)]
        sky.setColorAt(0, QColor(top))
        sky.setColorAt(1, QColor(bottom))
        painter.fillRect(QRectF(0, 0, 480, 480), sky)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#FFF3E0"))
        painter.drawEllipse(QPointF(340 - 60 * (number % 3), 150), 54, 54)
        for layer in range(3):
            hills = QPainterPath(QPointF(0, 480))
            hills.lineTo(0, 330 + 45 * layer)
            hills.cubicTo(140, 220 + 60 * layer, 230, 400 + 20 * layer, 480, 290 + 60 * layer)
            hills.lineTo(480, 480)
            painter.setBrush(QColor(top).darker(110 + 40 * layer))
            painter.drawPath(hills)
        painter.end()
        image.save(str(folder / "cover.jpg"), quality=88)


def _friend(cluster, name: str, address: str):  # type: ignore[no-untyped-def]
    """A client of its own that joins and listens."""
    flags = ("--output", "null", "--home", cluster.folder / name, "--no-host")
    return cluster.listener(*flags, "join", address, user=name, password=PASSWORD)


def _has_settled(detail: str) -> bool:
    """Whether somebody's offset is small by now, and their music ahead."""
    offset = re.search(r"([+−]?[0-9.]+) ms", detail)
    ahead = re.search(r"([0-9.]+) s ahead", detail)
    return bool(offset and ahead and float(offset[1].lstrip("+−")) < SETTLED_MS and float(ahead[1]) > 3)


class _Pictures:
    """One theme's pictures."""

    def __init__(self, into: Path, theme: str, size: tuple[int, int]) -> None:
        self._into = into
        self._theme = theme
        self._size = size

    def take(self, app, cluster, folder) -> None:  # type: ignore[no-untyped-def]
        from hocket.client.together.together import TogetherOptions
        from hocket.core.address import HostPort
        from hocket.gui import texts
        from tests.gui.kit import add_operator, person_at

        if self._theme == "dark":
            add_operator(cluster, NAME, PASSWORD)
            for friend in FRIENDS:
                cluster.control("users", "add", friend, "--password-stdin", stdin=f"{PASSWORD}\n")
        home = folder / f"home-{self._theme}"
        together = TogetherOptions(HostPort("127.0.0.1", 0))
        with person_at(app, cluster.address, home, theme=self._theme, together=together) as person:
            window = person.window
            window.resize(*self._size)
            window.login.user.setText(NAME)
            person.wait(window.isVisible, "the window")
            login = window.login
            address = login.server.text()
            login.server.setText(ADDRESS)
            self._save(person, "login")
            login.server.setText(address)
            person.log_in(PASSWORD)
            person.double_click(person.row_of("Slow Trains"))
            person.wait(lambda: window.now.waveform._peaks and person.control.view.playing.is_playing, "music")
            person.wait(lambda: window.now.cover._picture, "the cover")
            person.control.seek(71.0)
            person.wait(lambda: 70 < person.control.view.playing.position_s < 80, "the place")
            person.wait(lambda: person.control.view.snapshot.buffer_s > 9, "music ahead")
            window.songs.table.selectRow(person.row_of("Harbour at Five"))
            self._save(person, "songs")
            window.bar.queue.setChecked(True)
            person.wait(lambda: window.queue.model.entries, "the queue")
            self._save(person, "queue")
            window.bar.queue.setChecked(False)
            window.show_page(texts.NOW_PLAYING)
            self._save(person, "now-playing")
            window.show_page(texts.CLUSTER)
            person.wait(lambda: len(window.cluster.history.series()[0]) > 6, "some points")
            self._save(person, "cluster")
            window.show_page(texts.TOGETHER)
            self._together(person, cluster)

    def _together(self, person, cluster) -> None:  # type: ignore[no-untyped-def]
        """With friends who really listen along. Who is nearby, and the addresses of this machine, are made up."""
        from hocket.client import events
        from hocket.relay.nearby import Neighbour

        page = person.window.together
        person.wait(page.address.text, "the address")
        address = page.address.text()
        page.invites.uses.setValue(3)
        person.click(page.invites.make)
        person.wait(lambda: page.invites.lines, "an invite")
        friends = [_friend(cluster, name, address) for name in FRIENDS]
        person.wait(lambda: len(page.people.lines) == len(FRIENDS), "the friends")
        person.wait(lambda: all(_has_settled(line.detail.text()) for _, line in page.people.lines), "their lines")
        person.control.company.take(events.Nearby((Neighbour("Emil", "living-room", "192.168.1.31:25566"),)))
        person.control._tick.stop()
        person.wait(lambda: not person.control._asked, "the last answer")
        person.control._asked = True  # nothing asks any more: what is made up stays
        person.control._notice_over()
        page.address.setText(TOGETHER_ADDRESS)
        person.window.setFocus()
        self._save(person, "together")
        for friend in friends:
            friend.stop()

    def _save(self, person, name: str) -> None:  # type: ignore[no-untyped-def]
        from PySide6.QtGui import QImage, QImageWriter
        from PySide6.QtWidgets import QApplication

        for _ in range(5):
            QApplication.processEvents()
        image = person.window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        path = self._into / f"{name}-{self._theme}.png"
        writer = QImageWriter(str(path))
        writer.setCompression(100)
        writer.write(image)
        print(f"{path} {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
