"""Scanning and loading a music folder: `python -m benchmarks.library`."""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.catalogue import some_tracks
from hocket.adapters.library.index import Entry, Library, LibraryIndex, load_index, save_index
from hocket.adapters.library.scan import scan
from hocket.core.sound import AudioFormat
from hocket.media.wav_header import wav_header

_REPEATS = 7
_FILES = 2_000
_TRACKS = 50_000
_LARGE_BYTES = 400 * 2**20

_LOADING = """
import sys
from hocket.adapters.library import LibraryIndex

index = LibraryIndex(sys.argv[1])
index.refresh()
resident = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
print(int(resident.split()[1]) // 1024, "MB resident with", len(index.catalogue), "tracks;", end=" ")
print("hashing and watching loaded:", any(name in sys.modules for name in ("blake3", "watchfiles")))
"""


def _median_ms(action: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


def _fill(music: Path) -> None:
    for number in range(_FILES):
        folder = music / f"Artist {number // 100}" / f"Album {number // 10}"
        folder.mkdir(parents=True, exist_ok=True)
        audio = number.to_bytes(4, "little") * 500
        (folder / f"{number:04} Song.wav").write_bytes(wav_header(AudioFormat(44_100, 2, 16), len(audio)) + audio)


def _scans(root: Path) -> None:
    music, index = root / "music", root / "index"
    _fill(music)
    start = time.perf_counter()
    scan(music, index)
    print(f"{_FILES} new small files: {(time.perf_counter() - start) * 1000:.0f} ms")
    print(f"  again, unchanged: {_median_ms(lambda: scan(music, index)):.0f} ms")
    audio = random.Random(1).randbytes(2**20) * (_LARGE_BYTES // 2**20)
    (music / "large.wav").write_bytes(wav_header(AudioFormat(44_100, 2, 16), len(audio)) + audio)
    del audio
    start = time.perf_counter()
    scan(music, index)
    rate = _LARGE_BYTES / 2**20 / (time.perf_counter() - start)
    print(f"  with one new file of {_LARGE_BYTES >> 20} MiB: {rate:.0f} MiB/s")


def _loads(root: Path) -> None:
    index = root / "large-index"
    entries = [Entry(msgspec.structs.replace(track, id=track.id), 1, 1) for track in some_tracks(_TRACKS)]
    library = Library(entries)
    print(
        f"{len(library.catalogue)} tracks: saved in {_median_ms(lambda: save_index(index, library)):.0f} ms", end=", "
    )
    print(f"{index.stat().st_size / len(entries):.0f} bytes each")
    print(f"  loaded: {_median_ms(lambda: load_index(index)):.0f} ms")
    print(f"  LibraryIndex.refresh without a change: {_median_ms(LibraryIndex(index).refresh):.2f} ms")
    for path in (index, root / "no index"):
        said = subprocess.check_output([sys.executable, "-c", _LOADING, path], text=True)
        print("  in a process of its own:", said.strip())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _scans(Path(folder))
        _loads(Path(folder))


if __name__ == "__main__":
    main()
