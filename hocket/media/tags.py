"""Title, artist, album and track number: from a file's tags, else from its name.

Sources: RIFF 1.0, "INFO List Chunk"; ID3v2.3.0 and ID3v2.4.0 informal standards (id3.org). Only the
four text frames that a list of tracks shows are read, so this stays small and needs no tag library.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from hocket.media.riff import ReadAt
from hocket.media.text import one_line
from hocket.media.wav import TagChunk

MAX_TAG_BYTES: Final = 256 * 1024
"""Read at most this much of one chunk: text stands in front of cover pictures as a rule."""

MAX_TEXT_CHARACTERS: Final = 300

_INFO_FIELDS = {b"INAM": "title", b"IART": "artist", b"IPRD": "album", b"ITRK": "track", b"IPRT": "track"}
_ID3_FIELDS = {b"TIT2": "title", b"TPE1": "artist", b"TALB": "album", b"TRCK": "track"}
_ID3_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_SUBCHUNK = struct.Struct("<4sI")
_MAX_FRAMES = 1024

_NUMBERED = re.compile(r"(?:(\d{1,3})\s*[.\-]\s+|(0\d{1,2})[\s._\-]+)(?=\S)")
_FIRST_NUMBER = re.compile(r"\s*(\d{1,4})(?!\d)", re.ASCII)


class Tags(msgspec.Struct, frozen=True):
    """What a file says about itself; empty and 0 where it says nothing."""

    title: str = ""
    artist: str = ""
    album: str = ""
    track_number: int = 0

    def or_else(self, other: "Tags") -> "Tags":
        """These, with gaps filled from other."""
        return Tags(
            self.title or other.title,
            self.artist or other.artist,
            self.album or other.album,
            self.track_number or other.track_number,
        )


def read_tags(read_at: ReadAt, chunks: tuple[TagChunk, ...]) -> Tags:
    """The tags in a file's chunks. ID3 goes before INFO: it knows its text encoding. Damage counts as absence."""
    info, id3 = Tags(), Tags()
    for chunk in chunks:
        content = read_at(chunk.offset_bytes, min(chunk.size_bytes, MAX_TAG_BYTES))
        if chunk.name == "LIST":
            info = info.or_else(parse_info(content))
        else:
            id3 = id3.or_else(parse_id3(content))
    return id3.or_else(info)


def tags_from_name(name: str) -> Tags:
    """A guess from a library name: `Artist/Album/03 - Title.wav`, `Artist - Title.wav`."""
    *folders, last = name.split("/")
    stem = last.rsplit(".", 1)[0] if "." in last[1:] else last
    if " " not in stem:
        stem = stem.replace("_", " ")
    number = 0
    if match := _NUMBERED.match(stem):
        number = int(match[1] or match[2])
        stem = stem[match.end() :]
    artist, dash, title = stem.partition(" - ")
    if not (dash and artist.strip() and title.strip()):
        artist, title = (folders[-2] if len(folders) > 1 else ""), stem
    return _tags({"title": title, "artist": artist, "album": folders[-1] if folders else ""}, number)


def parse_info(content: bytes) -> Tags:
    """The tags in a LIST chunk; none when it is a list of something else or damaged."""
    if content[:4] != b"INFO":
        return Tags()
    fields: dict[str, str] = {}
    at = 4
    for _ in range(_MAX_FRAMES):
        if at + _SUBCHUNK.size > len(content):
            break
        name, size_bytes = _SUBCHUNK.unpack_from(content, at)
        at += _SUBCHUNK.size
        if field := _INFO_FIELDS.get(name):
            fields.setdefault(field, _text_of_unknown_encoding(content[at : at + size_bytes]))
        at += size_bytes + size_bytes % 2
    return _tags(fields, _number(fields.get("track", "")))


def info_chunk(tags: Tags) -> bytes:
    """A whole LIST/INFO chunk, header included, in UTF-8; empty when there is nothing to say."""
    number = str(tags.track_number) if tags.track_number else ""
    rows = ((b"INAM", tags.title), (b"IART", tags.artist), (b"IPRD", tags.album), (b"ITRK", number))
    content = b"".join(_info_row(name, text) for name, text in rows if text)
    return _SUBCHUNK.pack(b"LIST", 4 + len(content)) + b"INFO" + content if content else b""


def id3_chunk(tags: Tags, picture: bytes = b"", picture_type: str = "") -> bytes:
    """A whole `id3 ` chunk, header included: an ID3v2.4 tag in UTF-8; empty when there is nothing to say.

    `picture` is the front cover, `picture_type` its media type, such as `image/jpeg`.
    """
    number = str(tags.track_number) if tags.track_number else ""
    rows = ((b"TIT2", tags.title), (b"TPE1", tags.artist), (b"TALB", tags.album), (b"TRCK", number))
    frames = b"".join(_id3_frame(name, b"\x03" + text.encode("utf-8")) for name, text in rows if text)
    if picture:
        frames += _id3_frame(b"APIC", b"\x00" + picture_type.encode("ascii") + b"\x00\x03\x00" + picture)
    if not frames:
        return b""
    tag = b"ID3\x04\x00\x00" + _as_syncsafe(len(frames)) + frames
    return _SUBCHUNK.pack(b"id3 ", len(tag)) + tag + b"\x00" * (len(tag) % 2)


def parse_id3(content: bytes) -> Tags:
    """The tags in an ID3v2.3 or v2.4 tag; none when it is another version or damaged."""
    if len(content) < 10 or content[:3] != b"ID3" or content[3] not in (3, 4):
        return Tags()
    version, flags = content[3], content[5]
    body = content[10 : 10 + _syncsafe(content[6:10])]
    if version == 3 and flags & 0x80:
        body = _resynchronised(body)
    if flags & 0x40:
        body = body[_extended_header_bytes(version, body) :]
    fields: dict[str, str] = {}
    for name, text in _id3_texts(version, body):
        fields.setdefault(_ID3_FIELDS[name], text)
    return _tags(fields, _number(fields.get("track", "")))


def _id3_texts(version: int, body: bytes) -> Iterator[tuple[bytes, str]]:
    size_of: Callable[[bytes], int] = _syncsafe if version == 4 else _big_endian
    at = 0
    for _ in range(_MAX_FRAMES):
        head = body[at : at + 10]
        if len(head) < 10 or not head[:4].isalnum():
            return
        size_bytes = size_of(head[4:8])
        if head[:4] in _ID3_FIELDS:
            frame = _frame_content(version, head[9], body[at + 10 : at + 10 + size_bytes])
            yield head[:4], _id3_text(frame)
        at += 10 + size_bytes


def _frame_content(version: int, flags: int, frame: bytes) -> bytes:
    if version == 3:
        is_coded, is_grouped, has_length, is_unsynchronised = flags & 0xC0, flags & 0x20, 0, 0
    else:
        is_coded, is_grouped, has_length, is_unsynchronised = flags & 0x0C, flags & 0x40, flags & 0x01, flags & 0x02
    if is_coded:  # compressed or encrypted: nobody does that to a title
        return b""
    frame = frame[(1 if is_grouped else 0) + (4 if has_length else 0) :]
    return _resynchronised(frame) if is_unsynchronised else frame


def _id3_text(frame: bytes) -> str:
    if not frame or frame[0] >= len(_ID3_ENCODINGS):
        return ""
    text = frame[1:].decode(_ID3_ENCODINGS[frame[0]], errors="replace")
    # v2.4 separates several values with a zero, each in UTF-16 perhaps with a byte order mark of its own.
    return ", ".join(part for part in text.replace("\ufeff", "").split("\x00") if part)


def _tags(fields: dict[str, str], number: int) -> Tags:
    title, artist, album = (
        one_line(fields.get(name, ""), MAX_TEXT_CHARACTERS) for name in ("title", "artist", "album")
    )
    return Tags(title, artist, album, number)


def _info_row(name: bytes, text: str) -> bytes:
    content = text.encode("utf-8") + b"\x00"
    return _SUBCHUNK.pack(name, len(content)) + content + b"\x00" * (len(content) % 2)


def _text_of_unknown_encoding(content: bytes) -> str:
    content = content.split(b"\x00", 1)[0]
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _number(text: str) -> int:
    match = _FIRST_NUMBER.match(text)
    return int(match[1]) if match else 0


def _big_endian(digits: bytes) -> int:
    return int.from_bytes(digits, "big")


def _syncsafe(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value << 7 | digit & 0x7F
    return value


def _as_syncsafe(value: int) -> bytes:
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))


def _id3_frame(name: bytes, content: bytes) -> bytes:
    return name + _as_syncsafe(len(content)) + b"\x00\x00" + content


def _extended_header_bytes(version: int, body: bytes) -> int:
    return _syncsafe(body[:4]) if version == 4 else 4 + _big_endian(body[:4])


def _resynchronised(body: bytes) -> bytes:
    return body.replace(b"\xff\x00", b"\xff")
