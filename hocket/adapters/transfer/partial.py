"""A file that is being received, beside its target: hidden, locked, resumable, and renamed in one step.

What is there after a crash is hashed again and gone on from; nothing is believed of it until the hash of the
whole is the track's id.
"""

import contextlib
import errno
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from hocket.adapters.transfer.pace import Stopped
from hocket.adapters.transfer.renaming import rename_new
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import TrackId
from hocket.media.paths import PARTIAL_PREFIX, local_path

log = logging.getLogger(__name__)

PARTIAL_SUFFIX = ".partial"
SLICE_BYTES = 256 * 1024
"""Hashed and written at once: stays in a core's cache between the two."""

SPARE_BYTES = 16 * 1024 * 1024
"""Left free on the disk: a music folder that shares it with the system must not stop that one."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(music: Path, error: OSError) -> HocketError:
    """The error for a music folder that cannot be written, or a full disk."""
    if error.errno in _FULL:
        return HocketError(
            f"the disk of {music} is full", code=ErrorCode.DISK_FULL, hint="make room; what is missing is fetched then"
        )
    return HocketError(
        f"the music folder {music} cannot be written: {(error.strerror or str(error)).lower()}",
        code=ErrorCode.MUSIC_UNWRITABLE,
        hint="make it writable for the user that runs this node; until then it shares its music but receives none",
    )


class Partial:
    """One track on its way in. A context: on leaving it lets go of the file and keeps what came."""

    def __init__(self, music: Path, track: TrackId, name: str) -> None:
        """Raises HocketError: BAD_NAME, MUSIC_UNWRITABLE, DISK_FULL, or BACKING_OFF while another process has it."""
        self._music = music
        self._track = track
        target = local_path(music, name)
        self.path = target.with_name(f"{PARTIAL_PREFIX}{track}{PARTIAL_SUFFIX}")
        self.size_bytes = 0
        self.resumed_bytes = 0
        self._hasher = blake3()
        self._fd = -1
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._stay_inside(target.parent)
            self._fd = self._open()
        except OSError as error:
            raise unwritable(music, error) from None

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def resume(self, size_bytes: int, stop: threading.Event, on_bytes: Callable[[int], None]) -> None:
        """Take up what is there of a file of `size_bytes`, hash it, and see that the rest fits on the disk.

        Raises HocketError (DISK_FULL), Stopped.
        """
        there_bytes = os.fstat(self._fd).st_size
        if there_bytes > size_bytes:
            self.restart()
            there_bytes = 0
        if self.size_bytes == 0 and there_bytes:
            self._rehash(there_bytes, stop, on_bytes)
        state = os.fstatvfs(self._fd)
        if state.f_bavail * state.f_frsize < size_bytes - self.size_bytes + self._spare(size_bytes):
            raise unwritable(self._music, OSError(errno.ENOSPC, ""))

    def append(self, data: memoryview) -> None:
        """The next bytes. Raises HocketError (DISK_FULL: what came is thrown away, others may need the room)."""
        self._hasher.update(data)
        while data:
            try:
                count = os.pwrite(self._fd, data, self.size_bytes)
            except OSError as error:
                if error.errno in _FULL:
                    self.discard()
                raise unwritable(self._music, error) from None
            self.size_bytes += count
            data = data[count:]

    @property
    def is_the_track(self) -> bool:
        """Whether what came has the track's hash."""
        return self._hasher.hexdigest() == self._track

    def restart(self) -> None:
        """Begin anew."""
        os.ftruncate(self._fd, 0)
        self.size_bytes = self.resumed_bytes = 0
        self._hasher = blake3()

    def discard(self) -> None:
        """Throw it away."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def commit(self, names: tuple[str, ...]) -> str:
        """Give the whole, verified file the first of these names that is free; the name that it has now.

        Where a name's file has the very same bytes that is the copy. Raises HocketError (MUSIC_UNWRITABLE, ...).
        """
        try:
            os.fsync(self._fd)
            for name in names:
                target = local_path(self._music, name)
                try:
                    rename_new(self.path, target)
                except FileExistsError:
                    if not same_track(target, self._track, self.size_bytes):
                        continue
                    self.path.unlink()
                sync_folder(target.parent)
                return name
        except OSError as error:
            raise unwritable(self._music, error) from None
        raise HocketError(
            f"'{names[0]}' and every other name for it are taken by other files in {self._music}",
            code=ErrorCode.MUSIC_UNWRITABLE,
            hint="rename them",
        )

    def stamp(self) -> tuple[int, int, int]:
        """(inode, size, time of change): by these the scan knows the file that it need not hash."""
        state = os.fstat(self._fd)
        return state.st_ino, state.st_size, state.st_mtime_ns

    def _spare(self, size_bytes: int) -> int:
        state = os.fstatvfs(self._fd)
        return min(SPARE_BYTES, state.f_blocks * state.f_frsize // 100, size_bytes)

    def _stay_inside(self, folder: Path) -> None:
        root = os.path.realpath(self._music)
        if not (os.path.realpath(folder) + os.sep).startswith(root + os.sep):
            raise HocketError(
                f"{folder} is a link that leads out of the music folder",
                code=ErrorCode.MUSIC_UNWRITABLE,
                hint="replace the link by a folder",
            )

    def _open(self) -> int:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # It must still be what its name says, and nothing else may have that inode: it will be written.
            state = os.fstat(fd)
            if state.st_nlink == 1 and state.st_ino == self.path.stat().st_ino:
                return fd
            self.path.unlink()
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(fd)
            raise HocketError(
                f"another process of this machine is fetching {self._track}", code=ErrorCode.BACKING_OFF, retry_s=5.0
            ) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return self._open()

    def _rehash(self, there_bytes: int, stop: threading.Event, on_bytes: Callable[[int], None]) -> None:
        buffer = bytearray(SLICE_BYTES)
        with memoryview(buffer) as view:
            while self.size_bytes < there_bytes:
                if stop.is_set():
                    raise Stopped
                count = os.preadv(self._fd, [view[: there_bytes - self.size_bytes]], self.size_bytes)
                if count == 0:
                    break
                self._hasher.update(view[:count])
                self.size_bytes += count
                on_bytes(count)
        self.resumed_bytes = self.size_bytes


def same_track(path: Path, track: TrackId, size_bytes: int) -> bool:
    """Whether a file holds exactly a track's bytes."""
    try:
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != size_bytes:
                return False
            hasher = blake3()
            while piece := file.read(SLICE_BYTES):
                hasher.update(piece)
            return hasher.hexdigest() == track
    except OSError:
        return False


def sync_folder(path: Path) -> None:
    """A rename is kept only once its folder is on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sweep(music: Path, keep: Callable[[TrackId], bool]) -> int:
    """Remove partial files that nobody goes on with; how many there were. Those in use stay."""
    swept = 0
    for folder, folders, files in os.walk(music):
        folders[:] = [name for name in folders if not name.startswith(PARTIAL_PREFIX)]
        for name in files:
            if not (name.startswith(PARTIAL_PREFIX) and name.endswith(PARTIAL_SUFFIX)):
                continue
            track = TrackId(name[len(PARTIAL_PREFIX) : -len(PARTIAL_SUFFIX)])
            if not keep(track) and _remove_unused(Path(folder) / name):
                swept += 1
    return swept


def _remove_unused(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError as error:
        log.debug("%s stays: %s", path, error)
        return False
    return True
