"""One file of the music folder, read: its id, its format, its tags."""

import errno
import os
import stat
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

from blake3 import blake3

from hocket.adapters.library.index import Entry
from hocket.adapters.library.opening import OPEN_FLAGS
from hocket.core.errors import TrackUnplayable
from hocket.core.ids import TrackId
from hocket.core.track import NO_TRACK_ID, Track
from hocket.media.paths import BadName, library_name
from hocket.media.tags import Tags, read_tags, tags_from_name
from hocket.media.text import one_line
from hocket.media.wav import WavInfo, read_wav
from hocket.media.wav_format import IMPORT_HINT

READ_BYTES: Final = 256 * 1024
"""One thread hashes 1.7 GB/s with this, which is faster than disks; read() rather than a map, because a
map of a file that shrinks meanwhile ends the process."""

_MAX_SHOWN: Final = 200

OTHER_AUDIO: Final = {
    ".mp3": "MP3", ".flac": "FLAC", ".ogg": "Ogg", ".oga": "Ogg", ".opus": "Opus", ".m4a": "MPEG-4 audio",
    ".m4b": "MPEG-4 audio", ".aac": "AAC", ".aif": "AIFF", ".aiff": "AIFF", ".aifc": "AIFF", ".wma": "Windows Media",
    ".ape": "Monkey's Audio", ".wv": "WavPack", ".mka": "Matroska audio", ".mpc": "Musepack", ".tta": "True Audio",
    ".w64": "Wave64", ".caf": "Core Audio", ".au": "Sun audio", ".dsf": "DSD", ".dff": "DSD", ".mp2": "MP2",
    ".ac3": "Dolby AC-3", ".alac": "Apple Lossless", ".spx": "Speex",
}  # fmt: skip
_WAV_BY_ANOTHER_NAME = (".wave", ".bwf", ".rf64")


class Unsettled(Exception):
    """The file changed while it was read: somebody is still writing it."""


def ending(path: str) -> str:
    """The ending of a file's name, in lower case, with its dot."""
    name = path.rsplit("/", 1)[-1]
    return name[name.rfind(".") :].lower() if "." in name[1:] else ""


def is_wav(path: str) -> bool:
    return ending(path) == ".wav"


def other_audio(path: str) -> str:
    """Why a file that is audio, but no WAV, cannot play; empty for what is no audio."""
    if ending(path) in _WAV_BY_ANOTHER_NAME:
        return "a WAV file by another name: rename it to end in .wav"
    kind = OTHER_AUDIO.get(ending(path))
    return f"{kind}: {IMPORT_HINT}" if kind else ""


def shown_name(path: str) -> str:
    """A name for lists, whatever bytes the disk has for it."""
    return one_line(unicodedata.normalize("NFC", os.fsencode(path).decode("utf-8", "replace")), _MAX_SHOWN) or "?"


def unplayable(path: str, problem: str, state: os.stat_result | None = None) -> Entry:
    """The entry of a file with the reason why it cannot play."""
    name = shown_name(path)
    track = Track(NO_TRACK_ID, name, name, size_bytes=state.st_size if state else 0, problem=problem)
    return _entry(path, track, state)


def read_file(
    music_dir: Path, path: str, known_id: TrackId = NO_TRACK_ID, on_bytes: Callable[[int], None] | None = None
) -> Entry:
    """Read a WAV file. `known_id` spares the hashing; `on_bytes` hears of every piece that was hashed.

    What cannot play becomes an entry with the reason. Raises Unsettled.
    """
    try:
        name = library_name(path)
    except (BadName, UnicodeEncodeError) as error:
        return unplayable(path, str(error) if isinstance(error, BadName) else "its name is not text: rename it")
    try:
        fd = os.open(music_dir / path, OPEN_FLAGS)
    except OSError as error:
        return unplayable(path, cannot_read(error))
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode):
            return unplayable(path, "not a regular file")
        entry = _read(fd, state, path, name, known_id, on_bytes)
        after = os.fstat(fd)
    except OSError as error:
        return unplayable(path, cannot_read(error))
    finally:
        os.close(fd)
    if (after.st_size, after.st_mtime_ns) != (state.st_size, state.st_mtime_ns):
        raise Unsettled(path)
    return entry


def cannot_read(error: OSError) -> str:
    """Why, and what to do, for a file or folder that the system refuses."""
    hint = ": make it readable for the user that runs this node" if error.errno in (errno.EACCES, errno.EPERM) else ""
    return f"cannot be read ({(error.strerror or str(error)).lower()}){hint}"


def _read(
    fd: int, state: os.stat_result, path: str, name: str, known_id: TrackId, on_bytes: Callable[[int], None] | None
) -> Entry:
    def read_at(offset_bytes: int, size_bytes: int) -> bytes:
        return os.pread(fd, size_bytes, offset_bytes)

    try:
        info = read_wav(read_at, state.st_size)
    except TrackUnplayable as error:
        return unplayable(path, str(error), state)
    tags = read_tags(read_at, info.tag_chunks).or_else(tags_from_name(name))
    track_id = known_id or _hashed(fd, on_bytes)
    return _entry(path, _track(track_id, name, info, tags, state.st_size), state)


def _hashed(fd: int, on_bytes: Callable[[int], None] | None) -> TrackId:
    hasher = blake3()
    buffer = bytearray(READ_BYTES)
    view = memoryview(buffer)
    os.lseek(fd, 0, os.SEEK_SET)
    while count := os.readv(fd, [buffer]):
        hasher.update(view[:count])
        if on_bytes:
            on_bytes(count)
    return TrackId(hasher.hexdigest())


def _track(track_id: TrackId, name: str, info: WavInfo, tags: Tags, size_bytes: int) -> Track:
    return Track(
        id=track_id,
        name=name,
        title=tags.title,
        artist=tags.artist,
        album=tags.album,
        track_number=tags.track_number,
        format=info.format,
        frames=info.frames,
        size_bytes=size_bytes,
        data_offset_bytes=info.data_offset_bytes,
        data_bytes=info.data_bytes,
    )


def _entry(path: str, track: Track, state: os.stat_result | None) -> Entry:
    disk_name = b"" if path == track.name else os.fsencode(path)
    if state is None:
        return Entry(track, disk_name=disk_name)
    return Entry(track, state.st_mtime_ns, state.st_ino, disk_name)
