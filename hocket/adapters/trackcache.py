"""Music that was played, kept on disk within a bound: replayed without the network.

A track is kept in blocks. Beside its bytes (`ID.part`, later `ID.whole`) lies a log of the blocks
that are there, each with its BLAKE3 (`ID.blocks`): bytes that a crash or a disk lost are noticed
when they are read. A track becomes whole in one rename, after its BLAKE3 was found to be its id.
Several programs may use one folder: only one at a time writes a track, all may read it.
"""

import contextlib
import fcntl
import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from hocket.core.ids import TrackId, is_track_id

log = logging.getLogger(__name__)

BLOCK_BYTES = 256 * 1024
"""What is checked at once; as large as a piece that the client asks for."""

DEFAULT_LIMIT_BYTES = 2 * 1024**3

_MAGIC = b"hocket-blocks-1\n"
_HEADER = struct.Struct(f">{len(_MAGIC)}sQ")
_RECORD = struct.Struct(">I32s")


class CacheEntry:
    """One track in the cache. Not for several threads at once; its owner closes it.

    Disk trouble never raises: what cannot be read is missing, what cannot be written is not kept.
    """

    def __init__(self, folder: Path, track: TrackId, size_bytes: int) -> None:
        self.track = track
        self.size_bytes = size_bytes
        self._whole_path = folder / f"{track}.whole"
        self._part_path = folder / f"{track}.part"
        self._log_path = folder / f"{track}.blocks"
        self._blocks: dict[int, bytes] = {}
        self._data_fd = -1
        self._log_fd = -1
        self.is_whole = False
        self.may_write = False
        self._open()

    # -- reading

    @property
    def block_count(self) -> int:
        return -(-self.size_bytes // BLOCK_BYTES)

    def block_span(self, block: int) -> tuple[int, int]:
        """First byte and end of a block in the file."""
        return block * BLOCK_BYTES, min(self.size_bytes, (block + 1) * BLOCK_BYTES)

    def covers(self, offset_bytes: int, length_bytes: int) -> bool:
        """Whether every byte of this part of the file is here."""
        return length_bytes > 0 and all(block in self._blocks for block in _touched(offset_bytes, length_bytes))

    def missing(self) -> list[int]:
        """Blocks that are not here, in order."""
        return [block for block in range(self.block_count) if block not in self._blocks]

    def read(self, offset_bytes: int, length_bytes: int) -> bytes | None:
        """Bytes of the file, checked; None if some are missing. A broken block is forgotten."""
        pieces = []
        for block in _touched(offset_bytes, length_bytes):
            data = self._read_block(block)
            if data is None:
                return None
            start = block * BLOCK_BYTES
            pieces.append(data[max(0, offset_bytes - start) : offset_bytes + length_bytes - start])
        return b"".join(pieces)

    def _read_block(self, block: int) -> bytes | None:
        expected = self._blocks.get(block)
        if expected is None:
            return None
        start, end = self.block_span(block)
        try:
            data = os.pread(self._data_fd, end - start, start)
        except OSError as error:
            log.warning("the cache cannot read %s: %s", self._data_path, error)
            data = b""
        if len(data) == end - start and blake3(data).digest() == expected:
            return data
        log.warning("the cache holds broken bytes of %s: they are fetched anew", self.track)
        del self._blocks[block]
        if self.is_whole:
            self.drop()
        return None

    # -- writing

    def write(self, block: int, data: bytes | bytearray | memoryview) -> None:
        """Keep one block; it must be whole. Does nothing where another program writes this track."""
        start, end = self.block_span(block)
        if len(data) != end - start:
            raise ValueError(f"block {block} has {end - start} bytes, not {len(data)}")
        if not self.may_write or block in self._blocks:
            return
        digest = blake3(data).digest()
        try:
            _write_at(self._data_fd, data, start)
            os.write(self._log_fd, _RECORD.pack(block, digest))
        except OSError as error:
            log.warning("the cache cannot keep %s: %s", self.track, error)
            self.drop()
            return
        self._blocks[block] = digest

    def finish(self) -> bool | None:
        """Once nothing is missing: check the whole track and keep it for good.

        True: it is whole. False: its bytes are not those that its id stands for; they are dropped.
        None: not possible now (something is missing, or another program writes it).
        """
        if self.is_whole:
            return True
        if not self.may_write or self.missing():
            return None
        hasher = blake3()
        for block in range(self.block_count):
            data = self._read_block(block)
            if data is None:
                return None
            hasher.update(data)
        if hasher.hexdigest() != self.track:
            self.drop()
            return False
        try:
            os.fsync(self._data_fd)
            os.fsync(self._log_fd)
            self._part_path.rename(self._whole_path)
        except OSError as error:
            log.warning("the cache cannot keep %s: %s", self.track, error)
            return None
        self.is_whole = True
        self.may_write = False
        return True

    def drop(self) -> None:
        """Take the track out of the cache; nothing more is kept of it through this entry."""
        for path in (self._whole_path, self._part_path, self._log_path):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        self._blocks.clear()
        self.is_whole = self.may_write = False

    def close(self) -> None:
        for fd in (self._data_fd, self._log_fd):
            if fd >= 0:
                os.close(fd)
        self._data_fd = self._log_fd = -1
        self._blocks.clear()
        self.is_whole = self.may_write = False

    # -- inside

    @property
    def _data_path(self) -> Path:
        return self._whole_path if self.is_whole else self._part_path

    def _open(self) -> None:
        try:
            self._log_fd = os.open(self._log_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(FileNotFoundError):
                self._data_fd = os.open(self._whole_path, os.O_RDONLY | os.O_CLOEXEC)
                self.is_whole = True
            if self.is_whole:
                self._load_log()
                if self.missing() or os.fstat(self._data_fd).st_size != self.size_bytes:
                    self.drop()
                return
            self._data_fd = os.open(self._part_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._data_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.may_write = True
            self._load_log()
        except OSError as error:
            log.warning("the cache cannot keep %s: %s", self.track, error)
            self.may_write = False

    def _load_log(self) -> None:
        os.utime(self._log_fd)  # the youngest of all: it was just used
        content = os.pread(self._log_fd, _HEADER.size + self.block_count * _RECORD.size * 2, 0)
        header = _HEADER.pack(_MAGIC, self.size_bytes)
        if not content.startswith(header):
            if self.may_write:
                os.ftruncate(self._log_fd, 0)
                os.pwrite(self._log_fd, header, 0)
                os.lseek(self._log_fd, 0, os.SEEK_END)
            return
        records = (len(content) - _HEADER.size) // _RECORD.size
        for index in range(records):
            block, digest = _RECORD.unpack_from(content, _HEADER.size + index * _RECORD.size)
            if block < self.block_count:
                self._blocks[block] = digest
        if self.may_write:  # a torn last record would shift all that follow
            end = _HEADER.size + records * _RECORD.size
            os.ftruncate(self._log_fd, end)
            os.lseek(self._log_fd, end, os.SEEK_SET)


class TrackCache:
    """A folder of cached tracks that together take at most `limit_bytes`. Methods may block on the disk."""

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes

    def open(self, track: TrackId, size_bytes: int) -> CacheEntry | None:
        """The track's entry, with room made for it; None where it cannot be kept (too large, folder unwritable)."""
        if not is_track_id(track) or not 0 < size_bytes <= self._limit_bytes:
            return None
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._locked():
                self._make_room(track, size_bytes)
                return CacheEntry(self._folder, track, size_bytes)
        except OSError as error:
            log.warning("there is no cache in %s: %s", self._folder, error)
            return None

    def size_bytes(self) -> int:
        """What the kept tracks take, counted as if they were whole."""
        return sum(size for _, _, size in self._tracks())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _tracks(self) -> list[tuple[float, TrackId, int]]:
        """(last use, track, size in bytes) of each entry, oldest first."""
        found = []
        for path in self._folder.glob("*.blocks"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                header = file.read(_HEADER.size)
                size = _HEADER.unpack(header)[1] if len(header) == _HEADER.size else 0
                found.append((os.fstat(file.fileno()).st_mtime, TrackId(path.stem), size))
        return sorted(found)

    def _make_room(self, track: TrackId, size_bytes: int) -> None:
        tracks = [entry for entry in self._tracks() if entry[1] != track]
        total = sum(size for _, _, size in tracks) + size_bytes
        for _, old, size in tracks:
            if total <= self._limit_bytes:
                return
            if self._remove(old):
                total -= size

    def _remove(self, track: TrackId) -> bool:
        """Remove a track unless a program is writing it now. Who reads it keeps its bytes until it closes it."""
        part = self._folder / f"{track}.part"
        with contextlib.suppress(FileNotFoundError):
            with part.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
            part.unlink()
        for suffix in ("whole", "blocks"):
            (self._folder / f"{track}.{suffix}").unlink(missing_ok=True)
        return True


def _touched(offset_bytes: int, length_bytes: int) -> range:
    """The blocks that hold any of these bytes."""
    return range(offset_bytes // BLOCK_BYTES, -(-(offset_bytes + length_bytes) // BLOCK_BYTES))


def _write_at(fd: int, data: bytes | bytearray | memoryview, offset_bytes: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset_bytes)
        view = view[written:]
        offset_bytes += written
