"""What a scan found, and the file that keeps it: nothing is hashed twice, and streaming nodes load it.

The file: magic, version, CRC-32 of the rest, msgpack. It is replaced in one step, and a damaged one or
one of another version counts as absent: it can always be made again.
"""

import logging
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from hocket.adapters.datafolder import write_whole
from hocket.core.errors import TrackMissing
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.media.catalogue import Catalogue, Snapshot

log = logging.getLogger(__name__)

_MAGIC: Final = b"HOCKET-INDEX"
_VERSION: Final = 1
_HEAD_BYTES: Final = len(_MAGIC) + 2 + 4


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file: what it holds and how to tell that it is still the same.

    `disk_name` is set where the disk spells the name in other bytes than the library does.
    """

    track: Track
    mtime_ns: int = 0
    inode: int = 0
    disk_name: bytes = b""

    @property
    def path(self) -> str:
        """Relative to the music folder, as this disk spells it."""
        return os.fsdecode(self.disk_name) if self.disk_name else self.track.name


class LibraryChange(msgspec.Struct, frozen=True):
    """What became of the tracks of a library; one that changed is both removed and added."""

    added: tuple[Track, ...] = ()
    removed: tuple[Track, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Library:
    """All files of one music folder, by library name. Several with the same bytes are one track with aliases."""

    __slots__ = ("catalogue", "entries")

    def __init__(self, entries: Iterable[Entry] = (), before: "Library | None" = None) -> None:
        self.entries = {entry.track.name: entry for entry in entries}
        tracks = _tracks(self.entries.values())
        if before is None:
            self.catalogue = Catalogue(tracks)
        else:
            change = _difference(before.catalogue.tracks, tracks)
            kept = before.catalogue
            self.catalogue = kept.with_changes(change.added, change.removed) if change else kept

    @classmethod
    def _restored(cls, stored: "_Stored", before: "Library | None") -> "Library":
        library = cls()
        # What did not change is not held twice, by those who still use it and anew.
        known = before.entries if before is not None else {}
        entries = [old if (old := known.get(new.track.name)) == new else new for new in stored.entries]
        library.entries = {entry.track.name: entry for entry in entries}
        held = {track.name: track for track in _tracks(entries)}
        # A name that is not here raises KeyError: the two halves of the file do not fit.
        library.catalogue = Catalogue.restored([held[name] for name in stored.names], stored.snapshot)
        return library

    def files(self, track: TrackId) -> list[Entry]:
        """The files that hold a track. Raises TrackMissing when there is none."""
        found = self.catalogue.get(track)
        if found is None:
            raise TrackMissing(f"this library does not hold {track}", hint="list the tracks again")
        return [self.entries[name] for name in (found.name, *found.aliases)]

    def diff(self, old: "Library") -> LibraryChange:
        """What changed since old."""
        return _difference(old.catalogue.tracks, self.catalogue.tracks)


class LibraryIndex:
    """A streaming node's view of an index file that a control node keeps."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._stamp: tuple[int, int] | None = None
        self._library = Library()

    @property
    def catalogue(self) -> Catalogue:
        return self._library.catalogue

    def refresh(self) -> bool:
        """Load the file if it is another one than last time; whether it was. An unreadable one changes nothing."""
        try:
            state = self._path.stat()
        except OSError:
            return False
        stamp = (state.st_mtime_ns, state.st_ino)
        if stamp == self._stamp:
            return False
        library = load_index(self._path, self._library)
        if library is None:
            return False
        library.catalogue.revision = self.catalogue.revision + 1
        self._stamp, self._library = stamp, library
        return True

    def entries(self, track: TrackId) -> list[Entry]:
        """The files that hold a track. Raises TrackMissing when there is none."""
        return self._library.files(track)


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    entries: list[Entry]
    names: list[str]
    snapshot: Snapshot


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def save_index(path: Path, library: Library) -> None:
    """Replace the index file in one step. Raises DataUnwritable; then the old one is still there."""
    catalogue = library.catalogue
    stored = _Stored(list(library.entries.values()), [track.name for track in catalogue.tracks], catalogue.snapshot())
    body = _encoder.encode(stored)
    head = _MAGIC + _VERSION.to_bytes(2, "big") + zlib.crc32(body).to_bytes(4, "big")
    write_whole(path, head + body)


def load_index(path: Path, before: Library | None = None) -> Library | None:
    """The library in an index file; None, with a line in the log, when it is absent, damaged or of another version.

    What is as in the library `before` is taken from there, to save memory.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("the index %s cannot be read (%s): all music is read again", path, error.strerror)
        return None
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : len(_MAGIC) + 2] != _VERSION.to_bytes(2, "big"):
        log.info("the index %s is of another version: all music is read again", path)
        return None
    body = memoryview(data)[_HEAD_BYTES:]
    try:
        if zlib.crc32(body).to_bytes(4, "big") != data[_HEAD_BYTES - 4 : _HEAD_BYTES]:
            raise ValueError("its checksum is wrong")
        return Library._restored(_decoder.decode(body), before)
    except (msgspec.DecodeError, ValueError, KeyError) as error:
        log.warning("the index %s is damaged (%s): all music is read again", path, error)
        return None


def _tracks(entries: Iterable[Entry]) -> list[Track]:
    tracks: list[Track] = []
    by_id: dict[TrackId, list[Track]] = {}
    for entry in entries:
        if entry.track.id:
            by_id.setdefault(entry.track.id, []).append(entry.track)
        else:
            tracks.append(entry.track)
    for same in by_id.values():
        if len(same) == 1:
            tracks += same
            continue
        # The same choice on every machine, whatever the order of the scan.
        first, *others = sorted(same, key=lambda track: (len(track.name), track.name))
        tracks.append(msgspec.structs.replace(first, aliases=tuple(track.name for track in others)))
    return tracks


def _difference(old: Iterable[Track], new: Iterable[Track]) -> LibraryChange:
    before, after = ({track.name: track for track in tracks} for tracks in (old, new))
    return LibraryChange(
        added=tuple(track for name, track in after.items() if before.get(name) != track),
        removed=tuple(track for name, track in before.items() if after.get(name) != track),
    )
