"""What a list of the whole cluster costs a streaming node: `python -m benchmarks.whole_list [TRACKS]`."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.catalogue import some_tracks
from hocket.adapters.library import Library, LibraryIndex
from hocket.adapters.library.index import Entry, save_index
from hocket.core.track import Track
from hocket.nodes.wholelist import WholeList
from hocket.wire.messages.library import TracksElsewhere
from hocket.wire.messages.tracks import ListTracks

SHARES = (1.0, 0.5, 0.25, 0.0)
PAGE = 500
CHANGES = 5


def parts(tracks: list[Track]) -> list[TracksElsewhere]:
    """As the prime tells them."""
    pages = [tuple(tracks[at : at + PAGE]) for at in range(0, len(tracks), PAGE)] or [()]
    return [TracksElsewhere(page is pages[0], page is pages[-1], page) for page in pages]


async def measure(index: Path, messages: list[TracksElsewhere]) -> str:
    """In a process of its own: what a node with this index and these parts takes."""
    listed = WholeList(LibraryIndex(index), lambda revision: None)
    start = time.perf_counter()
    await listed.update()
    local_s = time.perf_counter() - start
    for message in messages:
        listed.take(message)
    start = time.perf_counter()
    await listed.update()
    merge_s = time.perf_counter() - start
    shown = listed.page(ListTracks(limit=1)).total
    changes = []
    for number in range(CHANGES):
        gone = messages[0].tracks[number : number + 1]
        listed.take(TracksElsewhere(False, True, (), tuple(track.id for track in gone)))
        start = time.perf_counter()
        await listed.update()
        changes.append(time.perf_counter() - start)
    return (
        f"{shown} tracks; index read in {local_s * 1000:.0f} ms, merged in {merge_s * 1000:.0f} ms, "
        f"one track less in {median(changes) * 1000:.0f} ms"
    )


def resident_mb() -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) // 1024


def main() -> None:
    if len(sys.argv) == 3:
        told_parts = msgspec.msgpack.Decoder(list[TracksElsewhere]).decode(Path(sys.argv[2]).read_bytes())
        said = asyncio.run(measure(Path(sys.argv[1]), told_parts))
        print(f"{resident_mb()} MB resident, {said}")
        return
    tracks = some_tracks(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
    with tempfile.TemporaryDirectory() as folder:
        index, told = Path(folder) / "index", Path(folder) / "told"
        for share in (*SHARES, None):
            here = tracks[: round(len(tracks) * share)] if share is not None else []
            elsewhere = tracks[len(here) :] if share is not None else []
            save_index(index, Library([Entry(track, 1, 1) for track in here]))
            told.write_bytes(msgspec.msgpack.encode(parts(elsewhere)))
            said = subprocess.check_output([sys.executable, "-m", "benchmarks.whole_list", index, told], text=True)
            print(f"  {len(here)} here, {len(elsewhere)} elsewhere: {said.strip()}")


if __name__ == "__main__":
    main()
