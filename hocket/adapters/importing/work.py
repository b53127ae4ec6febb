"""Importing many files at once: two threads, since FFmpeg decodes without Python's lock."""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hocket.adapters.importing.placing import MusicUnwritable, NewFile
from hocket.adapters.importing.sources import Source
from hocket.adapters.library.reading import cannot_read
from hocket.core.errors import HocketError, TrackUnplayable
from hocket.media.naming import wav_name
from hocket.media.tags import Tags, id3_chunk, info_chunk, read_tags
from hocket.media.wav import WavInfo, read_wav

THREADS: Final = 2
_COPY_BYTES: Final = 1024 * 1024
_POLL_S: Final = 0.1

OnBytes = Callable[[Source, int], None]
"""(source, how many of its bytes were read since the last call), called from the working threads."""


@dataclass(frozen=True, slots=True)
class Imported:
    """How one file fared: its library `name`, or the `problem`. `note` is what else there is to say."""

    source: Source
    name: str = ""
    is_new: bool = False
    note: str = ""
    problem: str = ""


class _Stopped(Exception):
    pass


def import_all(sources: Sequence[Source], music_dir: Path, on_bytes: OnBytes) -> Generator[Imported, None, None]:
    """Import files; yields how each fared as it ends, in any order. A broken file does not hold up the others.

    Closing the iterator (or an exception in the loop over it, Ctrl-C included) ends the work at once and leaves no
    half file. Raises MusicUnwritable when the music folder takes no more.
    """
    stop = threading.Event()

    def advance(source: Source, count_bytes: int) -> None:
        if stop.is_set():
            raise _Stopped
        on_bytes(source, count_bytes)

    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="import")
    rest = iter(sources)
    running: set[Future[Imported]] = set()
    try:
        while True:
            while len(running) < THREADS and (source := next(rest, None)) is not None:
                running.add(pool.submit(_import_one, source, music_dir, advance))
            if not running:
                return
            # With a limit, since Ctrl-C does not interrupt a wait without one everywhere.
            done, running = wait(running, _POLL_S, FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _import_one(source: Source, music_dir: Path, advance: OnBytes) -> Imported:
    try:
        info = _playable(source.path)
        return _copied(source, info, music_dir, advance) if info else _decoded(source, music_dir, advance)
    except (_Stopped, MusicUnwritable):
        raise
    except HocketError as error:
        return Imported(source, problem=str(error))
    except OSError as error:
        return Imported(source, problem=cannot_read(error))


def _playable(path: Path) -> tuple[WavInfo, Tags] | None:
    """What a WAV file that plays as it is says of itself; None for every other file."""
    with path.open("rb") as file:
        fd = file.fileno()

        def read_at(offset_bytes: int, size_bytes: int) -> bytes:
            return os.pread(fd, size_bytes, offset_bytes)

        try:
            info = read_wav(read_at, os.fstat(fd).st_size)
        except TrackUnplayable:
            return None
        return info, read_tags(read_at, info.tag_chunks)


def _copied(source: Source, info: tuple[WavInfo, Tags], music_dir: Path, advance: OnBytes) -> Imported:
    name = wav_name(source.folders, source.stem, info[1])
    if source.path.resolve() == (music_dir / name).resolve():
        advance(source, source.size_bytes)
        return Imported(source, name)
    with source.path.open("rb") as file, NewFile(music_dir, name.rpartition("/")[0]) as new:
        while block := file.read(_COPY_BYTES):
            new.write(block)
            advance(source, len(block))
        note = "it ends before the end that its header promises" if info[0].is_cut_short else ""
        return Imported(source, *new.place(name), note)


def _decoded(source: Source, music_dir: Path, advance: OnBytes) -> Imported:
    from hocket.adapters.importing.decoding import decode  # FFmpeg: 30 MB of memory, only when there is need

    folder = wav_name(source.folders, source.stem, Tags()).rpartition("/")[0]
    with NewFile(music_dir, folder) as new:
        about = decode(source.path, new, lambda count_bytes: advance(source, count_bytes))
        new.end(info_chunk(about.tags) + id3_chunk(about.tags, about.picture, about.picture_type))
        return Imported(source, *new.place(wav_name(source.folders, source.stem, about.tags)), about.damage)
