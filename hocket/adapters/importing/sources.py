"""What there is to import: the audio files that paths name, and where in the music folder each belongs."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hocket.adapters.library.reading import OTHER_AUDIO, cannot_read, ending
from hocket.media.naming import name_from_disk
from hocket.media.paths import is_hidden

_WAV_ENDINGS = (".wav", ".wave", ".bwf", ".rf64")


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import. `folders` and `stem` are its place in the music folder, not yet made safe."""

    path: Path
    folders: tuple[str, ...]
    stem: str
    size_bytes: int


@dataclass(slots=True)
class Found:
    """`unreadable`: path -> why. `passed_over`: files in folders that are no audio by their ending."""

    sources: list[Source] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)
    passed_over: int = 0


def find_sources(paths: Sequence[Path], music_dir: Path, into: tuple[str, ...] = ()) -> Found:
    """The files that paths name and, below folders among them, those with the ending of an audio file.

    A folder is imported as a folder, with its own name, below `into`. What lies in the music folder
    already keeps its place. Hidden files are passed over, links to folders are not followed.
    """
    found = Found()
    music = music_dir.resolve()
    seen: set[Path] = set()
    for path in paths:
        try:
            place = path.parent.resolve(strict=True) / path.name if path.name not in ("", "..") else path.resolve()
            folders = _place_inside(place, music) if not into else None
            for one in _files(place, music, into if folders is None else folders, found):
                if (real := one.path.resolve()) not in seen:
                    seen.add(real)
                    found.sources.append(one)
        except OSError as error:
            found.unreadable[path] = cannot_read(error)
    return found


def _place_inside(path: Path, music: Path) -> tuple[str, ...] | None:
    """The folders between the music folder and a path inside of it; None for one outside."""
    if path == music:
        return ()
    return tuple(map(_text, path.parent.relative_to(music).parts)) if path.is_relative_to(music) else None


def _files(path: Path, music: Path, folders: tuple[str, ...], found: Found) -> Iterator[Source]:
    if path.is_dir():
        yield from _below(path, music, folders if path == music else (*folders, _text(path.name)), found)
    else:
        yield _source(path, folders)


def _below(folder: Path, music: Path, folders: tuple[str, ...], found: Found) -> Iterator[Source]:
    is_library = folder.is_relative_to(music)
    try:
        rows = sorted(folder.iterdir())
    except OSError as error:
        found.unreadable[folder] = cannot_read(error)
        return
    for row in rows:
        if is_hidden(row.name):
            continue
        try:
            if row.is_dir():
                # The library itself, met on the way, is no news to the library.
                if not row.is_symlink() and (is_library or row.resolve() != music):
                    yield from _below(row, music, (*folders, _text(row.name)), found)
            elif ending(row.name) in OTHER_AUDIO or ending(row.name) in _WAV_ENDINGS:
                yield _source(row, folders)
            else:
                found.passed_over += 1
        except OSError as error:
            found.unreadable[row] = cannot_read(error)


def _source(path: Path, folders: tuple[str, ...]) -> Source:
    name = _text(path.name)
    stem = name.removesuffix(name[len(name) - len(ending(name)) :]) if ending(name) else name
    return Source(path, folders, stem, path.stat().st_size)


def _text(name: str) -> str:
    return name_from_disk(os.fsencode(name))
