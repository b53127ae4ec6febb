"""A control node's data folder: one owner at a time, files that are whole or absent, a lasting node id."""

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hocket.adapters.clocks import random_bytes
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NODE_ID_RANDOM_BYTES, NodeId, Role, node_id, role_of

NODE_ID_FILE = "node.id"
LOCK_FILE = "lock"
_TEMP_PREFIX = ".hocket-"
_TEMP_SUFFIX = ".tmp"
_HINTS = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room in your quota",
    errno.EEXIST: "a file is in its place: name another folder with --data",
    errno.ENOTDIR: "a file is in its place: name another folder with --data",
}


class DataInUse(HocketError):
    """Another process owns the data folder. `pid` is 0 where it did not say."""

    code = ErrorCode.DATA_IN_USE

    def __init__(self, path: Path, pid: int) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(
            f"the data folder {path} is in use by {owner}",
            hint="stop that one first, or give this one a folder of its own with --data",
        )
        self.pid = pid


class DataUnwritable(HocketError):
    """The data folder, or a file in it, cannot be written."""

    code = ErrorCode.DATA_UNWRITABLE

    def __init__(self, path: Path, error: OSError) -> None:
        hint = _HINTS.get(error.errno or 0, "mend its permissions, or name another folder with --data")
        super().__init__(f"{path} cannot be written: {_reason(error)}", hint=hint)


class DataMissing(HocketError):
    """Nothing of Hocket's is there."""

    code = ErrorCode.DATA_MISSING


class DataBroken(HocketError):
    """A file of the data folder makes no sense; it is never replaced by guess."""

    code = ErrorCode.DATA_BROKEN


class DataFolder:
    """A folder that holds what outlives a process. All files are 0600.

    `open` makes this process its owner, for writing; `look` only reads, beside an owner or without one.
    """

    def __init__(self, path: Path, lock_fd: int | None) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @classmethod
    def open(cls, path: Path) -> "DataFolder":
        """Make the folder (0700) unless it is there, and own it until `close` or the end of the process.

        Raises DataInUse, DataUnwritable. Half-written files of a former owner that crashed are removed.
        """
        with _writing(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_fd = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(path, lock_fd)
            with _writing(path):
                os.ftruncate(lock_fd, 0)
                os.pwrite(lock_fd, f"{os.getpid()}\n".encode(), 0)
                for left_over in path.glob(f"{_TEMP_PREFIX}*{_TEMP_SUFFIX}"):
                    left_over.unlink()
        except BaseException:
            os.close(lock_fd)
            raise
        return cls(path, lock_fd)

    @classmethod
    def look(cls, path: Path) -> "DataFolder":
        """Read a folder that is there. Raises DataMissing."""
        folder = cls(path, None)
        if folder.read(LOCK_FILE) is None:
            raise DataMissing(
                f"{path} is no data folder of Hocket", hint="start the prime once, or name its folder with --data"
            )
        return folder

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def __enter__(self) -> "DataFolder":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, name: str) -> bytes | None:
        """A file's bytes, None where there is none. Raises DataBroken if it may not be read."""
        try:
            return (self.path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DataBroken(
                f"{self.path / name} cannot be read: {_reason(error)}", hint="run this as the user who owns the folder"
            ) from None

    def write(self, name: str, data: bytes) -> None:
        """Replace a file in one step. Raises DataUnwritable; then the file is as it was before."""
        write_whole(self.path / name, data)

    def node_id(self, role: Role) -> NodeId:
        """This folder's node id, made at the first call. Raises DataBroken if it is another role's, or garbage."""
        kept = self.read(NODE_ID_FILE)
        if kept is None:
            fresh = node_id(role, random_bytes(NODE_ID_RANDOM_BYTES))
            self.write(NODE_ID_FILE, f"{fresh}\n".encode())
            return fresh
        text = kept.decode("ascii", "replace").strip()
        try:
            kept_role = role_of(text)
        except ValueError:
            raise DataBroken(
                f"{self.path / NODE_ID_FILE} holds no node id",
                hint="restore it from a backup; deleting it makes this a new node",
            ) from None
        if kept_role is not role:
            raise DataBroken(
                f"the data folder {self.path} belongs to a {kept_role.value} ({text}), not to a {role.value}",
                hint="give each node a folder of its own with --data",
            )
        return NodeId(text)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file in one step, 0600: after a crash it holds the old bytes or the new ones.

    Raises DataUnwritable; then the file is as it was before.
    """
    with _writing(path):
        fd, temp_name = tempfile.mkstemp(_TEMP_SUFFIX, _TEMP_PREFIX, path.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temp_name).replace(path)
        except BaseException:
            Path(temp_name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """A rename is kept only once its folder is on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lock(path: Path, lock_fd: int) -> None:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock_fd, 32, 0).strip()
        raise DataInUse(path, int(owner) if owner.isdigit() else 0) from None
    except OSError as error:  # a network folder without locks: nobody could tell that it is in use
        raise DataUnwritable(path / LOCK_FILE, error) from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataUnwritable(path, error) from None
