"""`controlNODE.py import`: audio files of every kind into the music folder, with progress."""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from hocket.adapters.datafolder import DataFolder
from hocket.adapters.importing import Found, Imported, Source, find_sources, import_all
from hocket.adapters.primefiles import last_music_folder
from hocket.app.exits import DONE, NOT_FOUND
from hocket.app.statusview import count
from hocket.core.errors import ErrorCode, HocketError
from hocket.media.paths import library_name

_SHOWN_CHARACTERS = 32


def import_files(data: Path, paths: Sequence[Path], into: str) -> int:
    """Import, telling on stdout what came in and on stderr what did not. Returns the exit code.

    Raises HocketError: DATA_MISSING, BAD_NAME, TRACK_MISSING (no audio there), MusicUnwritable.
    """
    folder = library_name(into.strip("/")) if into.strip("/") else ""
    music = _music_folder(data)
    found = find_sources(paths, music, tuple(folder.split("/")) if folder else ())
    for path, why in found.unreadable.items():
        _tell_problem(path, why)
    if not found.sources:
        raise HocketError(
            f"there is no audio to import in {', '.join(map(str, paths))}",
            code=ErrorCode.TRACK_MISSING,
            hint=f"{count(found.passed_over, 'file')} passed over by their endings" if found.passed_over else "",
        )
    counts = _work(found, music)
    counts["problems"] += len(found.unreadable)
    print(_summary(counts, music))
    return NOT_FOUND if counts["problems"] else DONE


def _music_folder(data: Path) -> Path:
    music = last_music_folder(DataFolder.look(data))
    if music is None:
        raise HocketError(
            f"{data} does not say where the music folder is",
            code=ErrorCode.DATA_MISSING,
            hint="start primeNODE.py or planeNODE.py once with this --data",
        )
    if not music.is_dir():
        raise HocketError(
            f"the music folder {music} is not there",
            code=ErrorCode.MUSIC_UNREADABLE,
            hint="mount or make it, or start the prime with another --music",
        )
    return music


def _work(found: Found, music: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    sources = found.sources
    with _bars(sources) as (on_bytes, ended), contextlib.closing(import_all(sources, music, on_bytes)) as work:
        for one in work:
            ended(one.source)
            counts["problems" if one.problem else "new" if one.is_new else "known"] += 1
            _tell(one)
    return counts


def _tell(one: Imported) -> None:
    if one.problem:
        _tell_problem(one.source.path, one.problem)
        return
    print(f"{'imported' if one.is_new else 'already there'}: {one.name}", flush=True)
    if one.note:
        print(f"note: {one.source.path}: {one.note}", file=sys.stderr)


def _tell_problem(path: Path, why: str) -> None:
    print(f"not imported: {path}: {why}", file=sys.stderr)


def _summary(counts: Counter[str], music: Path) -> str:
    parts = [f"{count(counts['new'], 'track')} imported into {music}"]
    if counts["known"]:
        parts.append(f"{counts['known']} already there")
    if counts["problems"]:
        parts.append(f"{counts['problems']} not imported")
    return ", ".join(parts)


Ended = Callable[[Source], None]


@contextlib.contextmanager
def _bars(sources: Sequence[Source]) -> Iterator[tuple[Callable[[Source, int], None], Ended]]:
    """A bar for all files and one for each that is at work, on a terminal; lines that are printed pass above them."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield (lambda source, count_bytes: None), (lambda source: None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    # Lines for a file or a pipe must not end on the terminal.
    progress = Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, redirect_stdout=sys.stdout.isatty()
    )
    with progress:
        total = progress.add_task(count(len(sources), "file"), total=sum(source.size_bytes for source in sources))
        tasks = {one.path: progress.add_task(_short(one), total=one.size_bytes, visible=False) for one in sources}
        told = dict.fromkeys(tasks, 0)

        def on_bytes(source: Source, count_bytes: int) -> None:
            told[source.path] += count_bytes
            progress.update(tasks[source.path], advance=count_bytes, visible=True)
            progress.update(total, advance=count_bytes)

        def ended(source: Source) -> None:
            # Pictures and headers pass no decoder; a second look at a file counts twice.
            progress.update(total, advance=source.size_bytes - told[source.path])
            progress.remove_task(tasks[source.path])

        yield on_bytes, ended


def _short(source: Source) -> str:
    name = source.path.name.encode("utf-8", "replace").decode()
    name = name if len(name) <= _SHOWN_CHARACTERS else f"{name[: _SHOWN_CHARACTERS - 1]}…"
    return name.replace("[", "(").replace("]", ")")  # no markup of rich
