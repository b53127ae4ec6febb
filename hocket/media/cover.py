"""Where a track's cover picture is: inside its file (ID3 APIC), as an offset and a size, or beside it, by name.

Source: ID3v2.3.0 section 4.15 and ID3v2.4.0 "frames" section 4.14 (APIC), id3.org.
"""

from typing import Final, NamedTuple

from hocket.media.riff import ReadAt
from hocket.media.wav import TagChunk

MAX_COVER_BYTES: Final = 1024 * 1024
"""What one raw reply holds; larger pictures are not covers for a list but scans."""

FOLDER_NAMES: Final = tuple(
    f"{stem}.{ending}" for stem in ("cover", "folder", "front", "album") for ending in ("jpg", "jpeg", "png")
)
"""Beside the music, in this order, whatever the case of their letters."""

_MAX_FRAMES: Final = 256
_HEAD_BYTES: Final = 512
_FRONT: Final = 3
_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


class Place(NamedTuple):
    """A run of bytes in a file."""

    offset_bytes: int
    size_bytes: int


def is_picture(head: bytes) -> bool:
    """Whether bytes begin as a JPEG or PNG does."""
    return head.startswith(_SIGNATURES)


def find_cover(read_at: ReadAt, chunks: tuple[TagChunk, ...]) -> Place | None:
    """The front cover in a file's ID3 chunk, else its first picture. Damage counts as absence."""
    for chunk in chunks:
        if chunk.name != "LIST" and (place := _in_id3(read_at, chunk.offset_bytes, chunk.size_bytes)):
            return place
    return None


def _in_id3(read_at: ReadAt, start: int, size_bytes: int) -> Place | None:
    head = read_at(start, min(14, size_bytes))
    # With unsynchronisation or an extended header the picture's bytes do not lie there as they are.
    if len(head) < 10 or head[:3] != b"ID3" or head[3] not in (3, 4) or head[5] & 0xC0:
        return None
    end = min(start + size_bytes, start + 10 + _syncsafe(head[6:10]))
    at, first = start + 10, None
    for _ in range(_MAX_FRAMES):
        frame = read_at(at, 10)
        if len(frame) < 10 or not frame[:4].isalnum() or at + 10 > end:
            break
        frame_bytes = _syncsafe(frame[4:8]) if head[3] == 4 else int.from_bytes(frame[4:8], "big")
        if frame[:4] == b"APIC" and not frame[9] and at + 10 + frame_bytes <= end:
            kind, place = _picture(read_at, at + 10, frame_bytes)
            if place is not None and kind == _FRONT:
                return place
            first = first or place
        at += 10 + frame_bytes
    return first


def _picture(read_at: ReadAt, start: int, size_bytes: int) -> tuple[int, Place | None]:
    """(what it shows, where) from an APIC frame: encoding, MIME type, kind, description, the picture."""
    head = read_at(start, min(_HEAD_BYTES, size_bytes))
    mime_end = head.find(b"\0", 1)
    if mime_end < 0 or mime_end + 2 > len(head):
        return 0, None
    text_end = _end_of_text(head, mime_end + 2, is_wide=head[0] in (1, 2))
    size = size_bytes - text_end
    if text_end < 0 or not 0 < size <= MAX_COVER_BYTES or not is_picture(head[text_end:]):
        return 0, None
    return head[mime_end + 1], Place(start + text_end, size)


def _end_of_text(data: bytes, start: int, *, is_wide: bool) -> int:
    """Behind the terminator of a text; -1 without one."""
    if not is_wide:
        found = data.find(b"\0", start)
        return found + 1 if found >= 0 else -1
    for at in range(start, len(data) - 1, 2):
        if data[at : at + 2] == b"\0\0":
            return at + 2
    return -1


def _syncsafe(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value << 7 | digit & 0x7F
    return value
