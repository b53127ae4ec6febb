"""RIFF containers: finding chunks by reading a few bytes at a time.

Sources: Microsoft/IBM "Multimedia Programming Interface and Data Specifications 1.0" (RIFF);
EBU Tech 3306 (RF64 and its `ds64` chunk); ITU-R BS.2088 (BW64).
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

ReadAt = Callable[[int, int], bytes]
"""(offset_bytes, size_bytes) -> the bytes there; fewer where the file ends. May raise OSError."""

CHUNK_HEADER_BYTES = 8
UNKNOWN_SIZE = 0xFFFF_FFFF
"""A 32-bit size that says: written by a program that did not know yet, or see `ds64`."""

MAX_CHUNKS = 1024
"""Each costs a read. Editors write dozens at most; a file with more is hostile or noise."""

_HEADER = struct.Struct("<4sI")
_DS64 = struct.Struct("<QQQI")
_DS64_ROW = struct.Struct("<4sQ")
_MAX_DS64_ROWS = 64


class Chunk(NamedTuple):
    """A chunk's name and where its content lies. `size_bytes` is a promise; the file may be shorter."""

    name: bytes
    offset_bytes: int
    size_bytes: int

    @property
    def end_bytes(self) -> int:
        return self.offset_bytes + self.size_bytes


def reader_of(data: bytes) -> ReadAt:
    """A ReadAt over bytes in memory, such as the first part of a file."""

    def read_at(offset_bytes: int, size_bytes: int) -> bytes:
        return data[offset_bytes : offset_bytes + size_bytes]

    return read_at


def long_sizes(content: bytes) -> dict[bytes, int]:
    """Chunk name -> 64-bit size, from the content of a `ds64` chunk; empty when it is cut short."""
    if len(content) < _DS64.size:
        return {}
    _riff_bytes, data_bytes, _frames, rows = _DS64.unpack_from(content)
    sizes = {b"data": data_bytes}
    for row in range(min(rows, _MAX_DS64_ROWS)):
        at = _DS64.size + row * _DS64_ROW.size
        if at + _DS64_ROW.size > len(content):
            break
        name, size_bytes = _DS64_ROW.unpack_from(content, at)
        sizes.setdefault(name, size_bytes)
    return sizes


DS64_MAX_BYTES = _DS64.size + _MAX_DS64_ROWS * _DS64_ROW.size


def chunks(read_at: ReadAt, offset_bytes: int, end_bytes: int, sizes: Mapping[bytes, int]) -> Iterator[Chunk]:
    """The chunks from offset_bytes on, at most MAX_CHUNKS.

    `sizes` holds sizes that are too long for their own field; it may grow while this runs. Reading
    stops at the file's end, at what is no chunk, and behind a chunk of unknown size.
    """
    at = offset_bytes
    padding = 0
    for _ in range(MAX_CHUNKS):
        chunk = _chunk_at(read_at, at + padding, end_bytes)
        if chunk is None and padding:
            # Some writers forget the padding byte of an odd chunk.
            chunk = _chunk_at(read_at, at, end_bytes)
        if chunk is None:
            return
        if chunk.size_bytes == UNKNOWN_SIZE:
            chunk = chunk._replace(size_bytes=sizes.get(chunk.name, UNKNOWN_SIZE))
        yield chunk
        if chunk.size_bytes == UNKNOWN_SIZE or (chunk.name == b"data" and chunk.size_bytes == 0):
            return
        at, padding = chunk.end_bytes, chunk.size_bytes % 2


def _chunk_at(read_at: ReadAt, offset_bytes: int, end_bytes: int) -> Chunk | None:
    if offset_bytes + CHUNK_HEADER_BYTES > end_bytes:
        return None
    header = read_at(offset_bytes, CHUNK_HEADER_BYTES)
    if len(header) < CHUNK_HEADER_BYTES:
        return None
    name, size_bytes = _HEADER.unpack(header)
    if not all(0x20 <= byte < 0x7F for byte in name):
        return None
    return Chunk(name, offset_bytes + CHUNK_HEADER_BYTES, size_bytes)
