"""The window with a large library, against a real prime: is it there at once, and does it stay fluid?

python -m benchmarks.window [--songs 50000] [--use-s 60]

Prints: start of `user.py` to a visible window (Xvfb and xdotool needed), log-in to the first rows and to the
whole list, a keystroke of search, sorting, double-click to the first sample, the longest stall of the GUI
thread while somebody types, sorts, scrolls and plays, and resident memory.
"""

import argparse
import gc
import os
import random
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QElapsedTimer, Qt, QTimer
from PySide6.QtTest import QTest

from hocket.client import events
from hocket.core.sound import AudioFormat
from hocket.gui.listed import Column
from hocket.gui.main import make_app
from hocket.media.tags import Tags, info_chunk
from hocket.media.wav_header import wav_header
from tests.gui.kit import Person, person_at, wait_until
from tests.gui.music import write_song
from tests.gui.test_real_window import screen
from tests.kit.cluster import Cluster
from tests.kit.processes import ROOT, Program

FORMAT = AudioFormat(44_100, 2, 16)
WORDS = (Path(__file__).read_text(encoding="utf-8").replace('"', " ").replace("(", " ").split())[:400]
LISTED_S = 120.0
STARTS = 5


def make_library(music: Path, count: int) -> None:
    """Tiny files with tags, twelve to an album; three songs that last."""
    rng = random.Random(1)
    for number in range(count):
        artist = f"{rng.choice(WORDS)} {number // 240}".replace("/", "-")
        album = f"Album {number // 12}"
        tags = Tags(f"{rng.choice(WORDS)} {rng.choice(WORDS)} {number}", artist, album, number % 12 + 1)
        data = struct.pack("<I", number) * 16
        trailer = info_chunk(tags)
        folder = music / f"{number // 240:04}" / f"{number // 12:05}"
        if number % 12 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}.wav").write_bytes(
            wav_header(FORMAT, len(data), trailer_bytes=len(trailer)) + data + trailer
        )
    for number in range(3):
        write_song(music / f"zz long {number}.wav", Tags(f"zz long {number}", "Somebody"), 120.0, number)


def resident_mib() -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Stalls:
    """The longest time in which the GUI thread answered nothing."""

    STEP_MS = 5

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self._clock = QElapsedTimer()
        self._clock.start()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(self.STEP_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        self.worst_ms = max(self.worst_ms, self._clock.nsecsElapsed() / 1e6 - self.STEP_MS)
        self._clock.restart()

    def take_ms(self) -> float:
        """The worst since the last call."""
        worst, self.worst_ms = self.worst_ms, 0.0
        self._clock.restart()
        return worst


def measure_start(cluster: Cluster) -> list[float]:
    """Seconds from the start of `user.py` to its window on the screen."""
    took = []
    with screen() as display:
        for number in range(STARTS):
            env = {**cluster.env, **display.env, "QT_QPA_PLATFORM": "xcb"}
            began = time.perf_counter()
            command: list[str | Path] = [sys.executable, ROOT / "user.py", "--home", cluster.folder / f"start{number}"]
            with Program(command, env=env) as window:
                display.wait_window("^Hocket$")
                took.append(time.perf_counter() - began)
                window.stop()
    return took


def timed_ms(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    QTest.qWait(0)
    return (time.perf_counter() - began) * 1000


def measure_list(person: Person, count: int) -> None:
    login, songs = person.window.login, person.window.songs
    person.try_password("not this")  # meets the cluster, starts its nodes
    login.password.clear()
    QTest.keyClicks(login.password, "password123")
    stalls = Stalls()
    began = time.perf_counter()
    person.click(login.button)
    wait_until(lambda: not person.window.is_at_login, "the log-in", LISTED_S)
    logged_in = time.perf_counter()
    wait_until(lambda: songs.songs.total, "the first rows", LISTED_S)
    first = time.perf_counter()
    wait_until(lambda: songs.songs.total >= count and not songs.is_loading, "the whole list", LISTED_S)
    whole = time.perf_counter()
    print(f"log-in                          {(logged_in - began) * 1000:8.0f} ms")
    print(f"log-in to the first rows        {(first - logged_in) * 1000:8.0f} ms")
    print(f"log-in to the whole list        {(whole - logged_in) * 1000:8.0f} ms")
    print(f"longest stall while it loads    {stalls.take_ms():8.0f} ms")
    print(f"resident with {count} songs    {resident_mib():8.0f} MiB")


def measure_search(person: Person) -> None:
    songs = person.window.songs
    took = []
    for word in ("print", "song", "time 12", "e", "album 77", "zz long"):
        for letter in word:
            took.append(timed_ms(partial(QTest.keyClicks, songs.search, letter)))
        took.append(timed_ms(songs.search.clear))
    print(f"a keystroke of search           {statistics.median(took):8.1f} ms, worst {max(took):.1f} ms")
    took = []
    for column in (Column.TITLE, Column.ARTIST, Column.ALBUM, Column.LENGTH):
        for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
            took.append(timed_ms(partial(songs.table.sortByColumn, column, order)))
    songs.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    print(f"sorting by a column             {statistics.median(took):8.1f} ms, worst {max(took):.1f} ms")


def measure_first_sound(person: Person) -> None:
    told: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Playing):
            told.append(time.perf_counter())

    person.control.bridge.happened.connect(note)
    took = []
    for _ in range(5):
        for number in range(3):
            row = person.row_of(f"zz long {number}")
            person.window.songs.table.scrollTo(person.window.songs.model.index(row, 0))
            told.clear()
            began = time.perf_counter()
            person.double_click(row)
            wait_until(lambda: told, "the first sound")
            took.append((told[0] - began) * 1000)
    print(f"double-click to the first sound {statistics.median(took):8.0f} ms, worst {max(took):.0f} ms (null output)")


def measure_use(person: Person, seconds: float) -> None:
    """Type, sort, scroll, change pages, seek, while music plays."""
    window, songs = person.window, person.window.songs
    rng = random.Random(2)
    stalls = Stalls()
    worst: dict[str, float] = {}
    ends = time.perf_counter() + seconds
    bar = songs.table.verticalScrollBar()
    actions: dict[str, Callable[[], object]] = {
        "type": lambda: QTest.keyClicks(songs.search, rng.choice("aeiounst 12")),
        "clear": songs.search.clear,
        "scroll": lambda: bar.setValue(rng.randint(0, max(1, bar.maximum()))),
        "sort": lambda: songs.table.sortByColumn(rng.choice(list(Column)[1:]), Qt.SortOrder.AscendingOrder),
        "page": lambda: window.side.buttons[rng.choice(list(window.side.buttons))].click(),
        "seek": lambda: person.control.seek(rng.uniform(0, 100)),
        "resize": lambda: window.resize(rng.randint(900, 1500), rng.randint(600, 900)),
    }
    while time.perf_counter() < ends:
        name = rng.choice(list(actions))
        actions[name]()
        QTest.qWait(60)
        worst[name] = max(worst.get(name, 0.0), stalls.take_ms())
    each = ", ".join(f"{name} {ms:.0f}" for name, ms in sorted(worst.items(), key=lambda item: -item[1]))
    print(f"longest stall in {seconds:.0f} s of use    {max(worst.values()):8.0f} ms ({each})")
    print(f"resident after that             {resident_mib():8.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=50_000)
    parser.add_argument("--use-s", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_library(folder / "music", options.songs)
        count = options.songs + 3
        app = make_app()
        with Cluster(folder, "--idle", "600") as cluster:
            while cluster.status()["tracks"] < count:
                time.sleep(1.0)
            took = measure_start(cluster)
            started, worst = statistics.median(took), max(took)
            print(f"start to a visible window       {started * 1000:8.0f} ms, worst {worst * 1000:.0f} ms")
            with person_at(app, cluster.address, folder / "home") as person:
                gc.freeze()  # as hocket.gui.main does
                measure_list(person, count)
                measure_search(person)
                measure_first_sound(person)
                measure_use(person, options.use_s)


if __name__ == "__main__":
    main()
