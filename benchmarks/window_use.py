"""Ten minutes in front of the window: does it ever stand still, and is what is heard the file, sample by sample?

python -m benchmarks.window_use [--minutes 10] [--songs 50000] [--realtime]

A real prime, a large library, the window on Qt's offscreen screen, speakers that are a PulseAudio null sink of its
own, which is recorded. Somebody types, sorts, scrolls, changes pages and the window's size, adds to the queue, seeks,
pauses and plays, while songs come into the library and go out of it. Every frame of the songs tells which song and
frame it is, so each one that was recorded can be checked: between two commands they must follow without a gap.

Prints the longest times in which the GUI thread answered nothing, and of each how long it worked, and how long it was
ready to work but had no processor (other programs on the machine); the rest it waited for other threads, which may
have had none either. In a virtual machine also how long its host let a processor stand still meanwhile, in steps of
10 ms: nothing runs on it then, whatever its priority. Then, what was recorded. With `--realtime` this program and the
sound daemon go before all others; the cluster's nodes do not, which are on other machines as a rule.
"""

import argparse
import contextlib
import gc
import itertools
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy
from PySide6.QtCore import QElapsedTimer, Qt, QTimer
from PySide6.QtTest import QTest

from benchmarks.window import FORMAT, make_library, resident_mib
from hocket.gui.listed import Column
from hocket.gui.main import make_app
from hocket.media.tags import Tags, info_chunk
from hocket.media.wav_header import wav_header
from tests.gui.kit import Person, person_at, wait_until
from tests.kit.cluster import Cluster
from tests.kit.pulse import SINK, Pulse, pulse_daemon

SONGS = 3
SONG_S = 900
FRAME_BITS = 28
"""Of a frame's 32 bits these count it, from 1; those above tell the song, from 1."""

LIBRARY_EVERY_S = 20.0
LISTED_S = 120.0
PAUSE_MS = 60
SLOW_MS = (50, 100)
PRIORITY = 20
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Stall(NamedTuple):
    """A time in which the GUI thread answered nothing, in milliseconds."""

    stood: float
    without_processor: float
    worked: float
    stolen: float
    doing: str


def stolen_ms() -> list[float]:
    """How long each processor of a virtual machine has been kept from running by its host; since the start."""
    with Path("/proc/stat").open(encoding="ascii") as stat:
        each = [line.split() for line in itertools.islice(stat, 1, 1 + (os.cpu_count() or 1))]
    return [1000 * int(fields[8]) / TICKS_PER_S for fields in each]


class Stalls:
    """Looks at the clock every few milliseconds, on the GUI thread."""

    STEP_MS = 5

    def __init__(self) -> None:
        self.found: list[Stall] = []
        self.doing = ""
        self._schedstat = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._waited_ms = self._run_delay_ms()
        self._worked_s = time.thread_time()
        self._stolen_ms = stolen_ms()
        self._clock = QElapsedTimer()
        self._clock.start()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(self.STEP_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _run_delay_ms(self) -> float:
        return int(self._schedstat.read_text(encoding="ascii").split()[1]) / 1e6

    def _tick(self) -> None:
        stood_ms = self._clock.nsecsElapsed() / 1e6 - self.STEP_MS
        waited_ms, worked_s, gone_ms = self._run_delay_ms(), time.thread_time(), stolen_ms()
        if stood_ms > self.STEP_MS:
            waited = min(stood_ms, waited_ms - self._waited_ms)
            stolen = max(now - before for now, before in zip(gone_ms, self._stolen_ms, strict=True))
            self.found.append(Stall(stood_ms, waited, 1000 * (worked_s - self._worked_s), stolen, self.doing))
        self._waited_ms, self._worked_s, self._stolen_ms = waited_ms, worked_s, gone_ms
        self._clock.restart()

    def report(self, what: str) -> None:
        """Print the worst since the last call."""
        self._timer.stop()
        worst = sorted(self.found, reverse=True)
        over = ", ".join(f"{sum(one.stood > limit for one in worst)} over {limit} ms" for limit in SLOW_MS)
        longest = worst[0].stood if worst else 0.0
        print(f"longest stall {what:18}{longest:8.0f} ms ({over})")
        for one in worst[:5]:
            rest = max(0.0, one.stood - one.worked - one.without_processor)
            print(
                f"    {one.stood:6.0f} ms: worked {one.worked:.0f}, had no processor {one.without_processor:.0f},"
                f" waited {rest:.0f}: {one.doing} (a processor stood still for {one.stolen:.0f})"
            )
        own = max((max(0.0, one.stood - one.stolen) for one in worst), default=0.0)
        print(f"longest without what the machine's host took {own:8.0f} ms")
        busiest = max(worst, key=lambda one: one.worked, default=Stall(0.0, 0.0, 0.0, 0.0, ""))
        print(f"longest it worked at a stretch  {busiest.worked:8.0f} ms: {busiest.doing}")
        self.found.clear()
        self._clock.restart()
        self._timer.start()


def write_counted(music: Path) -> None:
    """Songs whose every frame tells what it is: no two are alike, and none is silent."""
    frames = SONG_S * FORMAT.rate_hz
    for song in range(1, SONGS + 1):
        data = (numpy.arange(1, frames + 1, dtype="<u4") | numpy.uint32(song << FRAME_BITS)).tobytes()
        trailer = info_chunk(Tags(f"zz counted {song}", "Somebody"))
        header = wav_header(FORMAT, len(data), trailer_bytes=len(trailer))
        (music / f"zz counted {song}.wav").write_bytes(header + data + trailer)


class Use:
    """What somebody does, at random; `commands` counts what makes the sound jump."""

    def __init__(self, person: Person, stalls: Stalls, music: Path) -> None:
        self._person = person
        self._stalls = stalls
        self._music = music
        self._rng = random.Random(2)
        self._template = next(music.rglob("0*.wav")).read_bytes()
        self._added: list[Path] = []
        self.done: Counter[str] = Counter()
        bar = person.window.songs.table.verticalScrollBar()
        songs, rng, control, window = person.window.songs, self._rng, person.control, person.window
        self._actions: dict[str, tuple[int, Callable[[], object]]] = {
            "type": (24, lambda: QTest.keyClicks(songs.search, rng.choice("aeiounst 12"))),
            "clear": (8, songs.search.clear),
            "scroll": (24, lambda: bar.setValue(rng.randint(0, max(1, bar.maximum())))),
            "sort": (6, lambda: songs.table.sortByColumn(rng.choice(list(Column)[1:]), Qt.SortOrder.AscendingOrder)),
            "page": (12, lambda: window.side.buttons[rng.choice(list(window.side.buttons))].click()),
            "queue panel": (4, window.bar.queue.toggle),
            "add to queue": (4, self._add),
            "resize": (6, lambda: window.resize(rng.randint(900, 1500), rng.randint(600, 900))),
            "seek": (2, lambda: control.seek(rng.uniform(0, SONG_S - 60))),
            "pause and resume": (1, self._pause),
            "play another": (1, self._play),
        }

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        names = list(self._actions)
        weights = [self._actions[name][0] for name in names]
        ends = time.monotonic() + seconds
        library_at = time.monotonic() + LIBRARY_EVERY_S
        while time.monotonic() < ends:
            if time.monotonic() >= library_at:
                library_at += LIBRARY_EVERY_S
                self._do("library changes", self._change_library)
            name = self._rng.choices(names, weights)[0]
            self._do(name, self._actions[name][1])

    def _do(self, name: str, action: Callable[[], object]) -> None:
        self.done[name] += 1
        self._stalls.doing = name
        action()
        QTest.qWait(PAUSE_MS)

    def start(self) -> None:
        """Play the first of the counted songs."""
        self._play(1)

    def _play(self, number: int = 0) -> None:
        songs = self._person.window.songs
        name = f"zz counted {number or self._rng.randint(1, SONGS)}"
        songs.search.setText(name)
        wait_until(lambda: songs.songs.search == name, "what was searched for")
        self._person.window.songs.play.emit(*songs.songs.around(0))
        songs.search.clear()

    def _pause(self) -> None:
        self._person.control.toggle()
        QTest.qWait(300)
        self._person.control.toggle()

    def _add(self) -> None:
        songs = self._person.window.songs
        if len(songs.songs):
            songs.table.selectRow(self._rng.randrange(len(songs.songs)))
            songs.add_button.click()

    def _change_library(self) -> None:
        if len(self._added) < 3:
            path = self._music / f"new {self.done['library changes']}.wav"
            path.write_bytes(self._template[:-16] + os.urandom(16))
            self._added.append(path)
        else:
            self._added.pop(0).unlink()


def check(recorded: Path, use: Use) -> None:
    """Every frame that is not silence must be a frame of a song, and follow the one before but after a command."""
    frames = numpy.fromfile(recorded, dtype="<u4")
    heard = frames[frames != 0]
    songs, numbers = heard >> FRAME_BITS, heard & ((1 << FRAME_BITS) - 1)
    foreign = int(((songs < 1) | (songs > SONGS) | (numbers < 1) | (numbers > SONG_S * FORMAT.rate_hz)).sum())
    jumps = int((numpy.diff(heard.astype("<i8")) != 1).sum())
    first, last = numpy.flatnonzero(frames)[[0, -1]]
    inside = frames[first : last + 1]
    edges = numpy.flatnonzero(numpy.diff((inside == 0).astype("i1")) == 1) + 1
    gaps = [gap for at in edges if (gap := _gap(inside, int(at)))]
    commands = use.done["seek"] + use.done["play another"] + 1
    print(f"recorded                        {len(heard) / FORMAT.rate_hz:8.1f} s of music, {len(heard):,} frames")
    print(f"  frames that are no song's     {foreign:8,}")
    print(f"  places where it jumps         {jumps:8,}, with {commands:,} seeks and plays")
    longest_ms = 1000 * max(gaps, default=0) / FORMAT.rate_hz
    pauses = use.done["pause and resume"]
    print(f"  silences inside the music     {len(gaps):8,}, with {pauses:,} pauses; longest {longest_ms:.0f} ms")


def _gap(frames: "numpy.ndarray[tuple[int], numpy.dtype[numpy.uint32]]", at: int) -> int:
    """Frames of a silence after which the music goes on where it was before it: a pause, or a stall; 0 for others."""
    after = numpy.flatnonzero(frames[at : at + 10 * FORMAT.rate_hz])
    goes_on = bool(len(after)) and int(frames[at + after[0]]) == int(frames[at - 1]) + 1
    return int(after[0]) if goes_on else 0


def use_window(person: Person, folder: Path, pulse: Pulse, count: int, minutes: float) -> None:
    person.log_in()
    songs = person.window.songs
    wait_until(lambda: songs.songs.total >= count and not songs.is_loading, "the whole list", LISTED_S)
    stalls = Stalls()
    use = Use(person, stalls, folder / "music")
    recorded = folder / "recorded.raw"
    command = ["parec", f"--device={SINK}.monitor", "--raw", "--format=s16le", "--rate=44100", "--channels=2"]
    with recorded.open("wb") as into, subprocess.Popen(command, stdout=into, env=dict(pulse.env)) as recorder:
        wait_until(lambda: recorded.stat().st_size, "that it records")
        use.start()
        person.wait(lambda: person.control.view.playing.is_playing, "music")
        use.run(60 * minutes)
        recorder.terminate()
    stalls.report(f"in {minutes:g} min of use")
    print(f"done: {', '.join(f'{count:,} x {name}' for name, count in use.done.most_common())}")
    print(f"resident after that             {resident_mib():8.0f} MiB")
    check(recorded, use)


def put_first(pulse: Pulse) -> None:
    """This program and the sound daemon go before others on a machine that has much to do."""
    for pid in (os.getpid(), pulse.pid):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(PRIORITY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=50_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--realtime", action="store_true", help="go before other programs once all is made (chrt -r)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_library(folder / "music", options.songs)
        write_counted(folder / "music")
        count = options.songs + 3 + SONGS
        (folder / "pulse").mkdir()
        with pulse_daemon(folder / "pulse") as pulse:
            os.environ.update({name: value for name, value in pulse.env.items() if name != "PATH"})
            app = make_app()
            with Cluster(folder, "--idle", "900") as cluster:
                while cluster.status()["tracks"] < count:
                    time.sleep(1.0)
                with person_at(app, cluster.address, folder / "home", output="speakers") as person:
                    gc.freeze()  # as hocket.gui.main does
                    if options.realtime:
                        put_first(pulse)
                    use_window(person, folder, pulse, count, options.minutes)
            print(f"load of the machine             {os.getloadavg()[0]:8.1f}")


if __name__ == "__main__":
    main()
