"""Where removed music waits: a hidden folder in the music folder, a folder for each track, its names below.

Nothing is ever deleted from it by itself: a person may empty it.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hocket.adapters.transfer.partial import same_track, sync_folder, unwritable
from hocket.adapters.transfer.renaming import rename_new
from hocket.core.ids import TrackId
from hocket.media.paths import MAX_COMPONENT_BYTES, PARTIAL_PREFIX, is_library_name, local_path

TRASH = f"{PARTIAL_PREFIX}trash"
_TRIES = 100


def discard(music: Path, track: TrackId, paths: Iterable[str]) -> None:
    """Move files, relative to the music folder, into the trash. Those that are gone already are passed over.

    Raises HocketError (MUSIC_UNWRITABLE, DISK_FULL).
    """
    try:
        for path in paths:
            target = music / TRASH / track / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _move(music / path, target)
            except FileNotFoundError:
                continue
            sync_folder(target.parent)
            sync_folder((music / path).parent)
    except OSError as error:
        raise unwritable(music, error) from None


def put_back(music: Path, track: TrackId) -> list[str]:
    """Move a track's files back from the trash; their names now. One whose name is taken gets a number.

    Raises HocketError (MUSIC_UNWRITABLE, DISK_FULL).
    """
    home = music / TRASH / track
    names: list[str] = []
    try:
        for name in sorted(_names(home)):
            if not is_library_name(name):
                continue
            source, target = home / name, local_path(music, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not same_track(target, track, source.stat().st_size):
                target = _move(source, target)
                sync_folder(target.parent)
            names.append(str(target.relative_to(music)))
        _prune(home)
    except OSError as error:
        raise unwritable(music, error) from None
    return names


def in_trash(music: Path, track: TrackId) -> bool:
    """Whether the trash holds anything of a track."""
    return next(_names(music / TRASH / track), None) is not None


def _names(home: Path) -> Iterator[str]:
    for folder, _, files in os.walk(home):
        for file in files:
            yield os.path.relpath(Path(folder) / file, home)


def _move(source: Path, target: Path) -> Path:
    """Rename without replacing anything: a number in the name where it is taken."""
    for number in range(1, _TRIES):
        free = target if number == 1 else _numbered(target, number)
        try:
            rename_new(source, free)
        except FileExistsError:
            continue
        return free
    raise FileExistsError(f"{target} and its numbered names are taken")


def _numbered(path: Path, number: int) -> Path:
    suffix = f" ({number}){path.suffix}"
    stem = path.stem.encode()[: MAX_COMPONENT_BYTES - len(suffix.encode())].decode("utf-8", "ignore")
    return path.with_name(stem + suffix)


def _prune(home: Path) -> None:
    for folder, _, files in os.walk(home, topdown=False):
        if not files and not os.listdir(folder):  # noqa: PTH208
            Path(folder).rmdir()
