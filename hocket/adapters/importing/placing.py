"""A new file in the music folder: unseen until it is whole, and never in the place of another one."""

import contextlib
import errno
import fcntl
import io
import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final

from hocket.adapters.clocks import random_bytes
from hocket.adapters.transfer.renaming import rename_new
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.sound import AudioFormat
from hocket.media.naming import numbered
from hocket.media.paths import PARTIAL_PREFIX, local_path
from hocket.media.wav_header import padding, wav_header

PARTIAL_NAME: Final = PARTIAL_PREFIX + "import-"
_BUFFER_BYTES: Final = 1024 * 1024
_FOLDERS = threading.Lock()
"""Of two imports into one new folder, the one that fails must not remove it under the other's hands."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


class MusicUnwritable(HocketError):
    """The music folder takes no more files: full, read-only, not ours."""

    def __init__(self, path: Path, error: OSError) -> None:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        super().__init__(
            f"cannot write to {path}: {(error.strerror or str(error)).lower()}",
            code=ErrorCode.DISK_FULL if is_full else ErrorCode.MUSIC_UNWRITABLE,
            hint="make room on that disk, then import again" if is_full else "mend its permissions",
        )


class NewFile:
    """A hidden file beside its target. Used as a context: what was not placed is gone on leaving.

    Raises MusicUnwritable from all methods.
    """

    def __init__(self, music_dir: Path, folder: str) -> None:
        """`folder`: a library name without its last part; "" for the music folder itself. It is made if missing."""
        self._music_dir = music_dir
        self._target_dir = local_path(music_dir, folder) if folder else music_dir
        self._made: list[Path] = []
        self._path = self._target_dir / f"{PARTIAL_NAME}{random_bytes(8).hex()}"
        with self._writing(), _FOLDERS:
            try:
                self._make_folders()
                _remove_left_overs(self._target_dir)
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                fcntl.flock(fd, fcntl.LOCK_EX)
            except BaseException:
                self._remove_folders()
                raise
        self._file = io.BufferedRandom(io.FileIO(fd, "r+"), _BUFFER_BYTES)
        self._form: AudioFormat | None = None
        self._data_bytes = 0

    def begin(self, form: AudioFormat) -> None:
        """Start a WAV file of this format; what was written before is forgotten."""
        with self._writing():
            self._file.seek(0)
            self._file.truncate()
            self._file.write(wav_header(form, 0, is_growing=True))
        self._form, self._data_bytes = form, 0

    def write(self, samples: bytes | memoryview) -> None:
        with self._writing():
            self._file.write(samples)
        self._data_bytes += len(samples)

    def end(self, trailer: bytes) -> None:
        """Finish the WAV file that `begin` started, with whole chunks behind the samples."""
        assert self._form is not None
        with self._writing():
            self._file.write(padding(self._data_bytes) + trailer)
            self._file.seek(0)
            header = wav_header(self._form, self._data_bytes, is_growing=True, trailer_bytes=len(trailer))
            self._file.write(header)

    def place(self, name: str) -> tuple[str, bool]:
        """Give it its library name, or the next free one: `Song (2).wav`. Returns the name, and whether it is new.

        If a file with the same bytes has one of these names already, there is nothing to do.
        """
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())
            for number in count(1):
                candidate = numbered(name, number)
                target = local_path(self._music_dir, candidate)
                if _has_same_bytes(target, self._path):
                    return candidate, False
                if self._renamed(target):
                    self._made.clear()
                    return candidate, True
        raise AssertionError

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk, told already
            self._file.close()
        with _FOLDERS:
            self._path.unlink(missing_ok=True)
            self._remove_folders()

    def _renamed(self, target: Path) -> bool:
        """False if another file has the name."""
        try:
            rename_new(self._path, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # This file system cannot rename without replacing: looking first is the best there is.
            if os.path.lexists(target):
                return False
            self._path.rename(target)
        _sync_folder(self._target_dir)
        return True

    def _make_folders(self) -> None:
        missing = []
        folder = self._target_dir
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        inside = self._music_dir.resolve(strict=True)
        if not folder.resolve().is_relative_to(inside):
            raise HocketError(
                f"{folder} leads out of the music folder", code=ErrorCode.BAD_NAME, hint="import into another folder"
            )
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):  # the other file that is imported at this moment made it
                folder.mkdir()
                self._made.append(folder)

    def _remove_folders(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # another file came into it
                folder.rmdir()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MusicUnwritable(self._target_dir, error) from None


def _remove_left_overs(folder: Path) -> None:
    """Of an import that was killed: nobody holds their lock."""
    for path in folder.glob(f"{PARTIAL_NAME}*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _has_same_bytes(one: Path, other: Path) -> bool:
    """False where `one` is no file that can be read."""
    with contextlib.suppress(OSError), one.open("rb") as left, other.open("rb") as right:
        if os.fstat(left.fileno()).st_size != os.fstat(right.fileno()).st_size:
            return False
        while block := left.read(_BUFFER_BYTES):
            if block != right.read(_BUFFER_BYTES):
                return False
        return True
    return False


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
