"""From a music folder to a Library: what is unchanged since the last scan is not read again."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import msgspec

from hocket.adapters.library.index import Entry, Library, load_index, save_index
from hocket.adapters.library.opening import fits
from hocket.adapters.library.reading import Unsettled, read_file
from hocket.adapters.library.walk import Walk
from hocket.core.ids import TrackId
from hocket.core.track import NO_TRACK_ID

CHECKPOINT_BYTES: Final = 8 * 1024**3
"""After so much hashing the index is written: who interrupts a first scan of a large library loses little."""

_NAME_TAKEN: Final = "another file has the same name, spelt in other bytes: rename one of them"


class Progress(msgspec.Struct, frozen=True):
    """How far a scan is. Only files that have to be read count."""

    files: int
    all_files: int
    size_bytes: int
    all_bytes: int
    name: str


Stamp = tuple[int, int, int]
"""(inode, size, time of change): as long as these stay, so do a file's bytes."""

OnProgress = Callable[[Progress], None]
"""Called from the scanning thread, at most once for each piece of a file that is read; may raise to end the scan."""


class Scan(msgspec.Struct, frozen=True):
    """What a scan found. `unsettled`: paths of files that somebody was writing; they are not in the library yet."""

    library: Library
    unsettled: frozenset[str] = frozenset()


def scan(
    music_dir: Path,
    index_path: Path,
    on_progress: OnProgress | None = None,
    known: Mapping[Stamp, TrackId] | None = None,
) -> Scan:
    """Bring the index of a whole music folder up to date. Takes as long as hashing what is new: run it in a thread.

    Raises HocketError: MUSIC_UNREADABLE when the folder itself cannot be read (single files and folders
    that cannot are listed with the reason), DATA_UNWRITABLE when the index cannot be written.
    `known`: files that were verified already and need no hashing.
    """
    before = load_index(index_path)
    found = _scan(music_dir, index_path, before or Library(), {""}, on_progress, known or {})
    if found.library is not before:
        save_index(index_path, found.library)
    return found


def rescan(
    music_dir: Path,
    index_path: Path,
    before: Library,
    paths: Collection[str],
    on_progress: OnProgress | None = None,
    known: Mapping[Stamp, TrackId] | None = None,
) -> Scan:
    """Bring the index up to date where something changed: files or folders, relative to the music folder; '' is all.

    The very library `before` comes back when nothing changed. Raises as `scan` does.
    """
    found = _scan(music_dir, index_path, before, set(paths), on_progress, known or {})
    if found.library is not before:
        save_index(index_path, found.library)
    return found


def _scan(
    music_dir: Path,
    index_path: Path,
    before: Library,
    paths: AbstractSet[str],
    on_progress: OnProgress | None,
    verified: Mapping[Stamp, TrackId],
) -> Scan:
    walk = Walk(music_dir)
    known_files = {entry.path: entry for entry in before.entries.values()}
    entries = {path: entry for path, entry in known_files.items() if not _is_below(path, paths)}
    to_read: dict[str, os.stat_result] = {}
    for path in _outermost(paths):
        for found in walk.below(path):
            if isinstance(found, Entry):
                entries[found.path] = found
            elif (known := known_files.get(found[0])) is not None and _still_holds(known, found[1]):
                entries[found[0]] = known
            else:
                to_read[found[0]] = found[1]
    ids = {**_ids_of_moved(known_files, entries), **verified}
    unsettled = frozenset(_Reader(music_dir, index_path, before, entries, on_progress).read(to_read, ids))
    if entries == known_files:
        return Scan(before, unsettled)
    return Scan(Library(_distinct(entries.values()), before), unsettled)


class _Reader:
    """Reads files into entries, tells how far it is, and saves what it has now and then."""

    def __init__(
        self,
        music_dir: Path,
        index_path: Path,
        before: Library,
        entries: dict[str, Entry],
        on_progress: OnProgress | None,
    ) -> None:
        self._music_dir = music_dir
        self._index_path = index_path
        self._before = before
        self._entries = entries
        self._on_progress = on_progress
        self._hashed_bytes = 0

    def read(self, paths: Mapping[str, os.stat_result], ids: Mapping[Stamp, TrackId]) -> set[str]:
        """Read all; the paths that were still being written."""
        unsettled: set[str] = set()
        done_bytes, all_bytes = 0, sum(state.st_size for state in paths.values())
        saved_bytes = 0
        for number, (path, state) in enumerate(paths.items()):

            def on_bytes(count: int, number: int = number, path: str = path) -> None:
                self._hashed_bytes += count
                if self._on_progress:
                    done = min(self._hashed_bytes, all_bytes)
                    self._on_progress(Progress(number, len(paths), done, all_bytes, path))

            try:
                self._entries[path] = read_file(self._music_dir, path, ids.get(_stamp(state), NO_TRACK_ID), on_bytes)
            except Unsettled:
                unsettled.add(path)
            done_bytes += state.st_size
            self._hashed_bytes = done_bytes  # a file that was not hashed is done, too
            if done_bytes - saved_bytes >= CHECKPOINT_BYTES:
                saved_bytes = done_bytes
                save_index(self._index_path, Library(_distinct(self._entries.values()), self._before))
        if self._on_progress and paths:
            self._on_progress(Progress(len(paths), len(paths), all_bytes, all_bytes, ""))
        return unsettled


def _still_holds(known: Entry, state: os.stat_result) -> bool:
    # Whether a name is taken twice depends on other files.
    return fits(known, state) and known.track.problem != _NAME_TAKEN


def _stamp(state: os.stat_result) -> Stamp:
    return state.st_ino, state.st_size, state.st_mtime_ns


def _ids_of_moved(before: Mapping[str, Entry], still: Mapping[str, Entry]) -> dict[Stamp, TrackId]:
    """Files that left their place, by inode, size and time: found again elsewhere, they need no hashing."""
    return {
        (entry.inode, entry.track.size_bytes, entry.mtime_ns): entry.track.id
        for path, entry in before.items()
        if entry.track.id and path not in still
    }


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with distinct names: a disk may spell one name in several ways (composed letters or not)."""
    by_name: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.disk_name != b"", entry.disk_name)):
        track, number = entry.track, 2
        if track.name in by_name and track.id:
            track = msgspec.structs.replace(track, id=NO_TRACK_ID, format=None, problem=_NAME_TAKEN)
        while track.name in by_name:
            track = msgspec.structs.replace(track, name=f"{entry.track.name} [{number}]")
            number += 1
        if track is not entry.track:
            entry = Entry(track, entry.mtime_ns, entry.inode, os.fsencode(entry.path))
        by_name[track.name] = entry
    return list(by_name.values())


def _is_below(path: str, folders: AbstractSet[str]) -> bool:
    while path not in folders:
        if not path:
            return False
        path = path.rpartition("/")[0]
    return True


def _outermost(paths: AbstractSet[str]) -> list[str]:
    """Paths without those that lie below others of them."""
    return sorted(path for path in paths if not path or not _is_below(path.rpartition("/")[0], paths))
