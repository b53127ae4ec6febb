"""Cover pictures inside a file's ID3 chunk."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.media.cover import MAX_COVER_BYTES, find_cover
from hocket.media.riff import reader_of
from hocket.media.wav import TagChunk

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
JPEG = b"\xff\xd8\xff" + b"other picture"


def syncsafe(size: int) -> bytes:
    return bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))


def frame(picture: bytes, kind: int = 3, *, version: int = 3, flags: int = 0, text: bytes = b"front\0",
          encoding: int = 0) -> bytes:  # fmt: skip
    body = bytes([encoding]) + b"image/png\0" + bytes([kind]) + text + picture
    size = syncsafe(len(body)) if version == 4 else struct.pack(">I", len(body))
    return b"APIC" + size + bytes([0, flags]) + body


def tag(*frames: bytes, version: int = 3, flags: int = 0) -> bytes:
    body = b"".join(frames)
    return b"ID3" + bytes([version, 0, flags]) + syncsafe(len(body)) + body


def found(content: bytes, lead: int = 50, name: str = "id3 ") -> bytes | None:
    data = bytes(lead) + content
    place = find_cover(reader_of(data), (TagChunk(name, lead, len(content)),))
    return None if place is None else data[place.offset_bytes : place.offset_bytes + place.size_bytes]


@pytest.mark.parametrize("version", [3, 4])
def test_the_front_cover_goes_before_other_pictures(version: int) -> None:
    frames = (b"TIT2" + syncsafe(3) + b"\0\0\0ab", frame(JPEG, 4, version=version), frame(PNG, 3, version=version))
    assert found(tag(*frames, version=version)) == PNG


def test_any_picture_is_better_than_none() -> None:
    assert found(tag(frame(JPEG, 0))) == JPEG


def test_a_description_in_utf_16_is_passed_over() -> None:
    assert found(tag(frame(PNG, text="Überzug".encode("utf-16") + b"\0\0", encoding=1))) == PNG


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ID3",
        tag(),
        tag(frame(b"no picture")),
        tag(frame(PNG, flags=0x80)),
        tag(frame(PNG), flags=0x80),
        tag(frame(PNG), version=2),
        tag(frame(PNG))[:40],
        tag(frame(PNG + bytes(MAX_COVER_BYTES))),
        tag(frame(PNG, text=b"endless")),
    ],
)
def test_what_is_damaged_or_no_picture_is_no_cover(content: bytes) -> None:
    assert found(content) is None


def test_other_chunks_are_not_looked_at() -> None:
    assert found(tag(frame(PNG)), name="LIST") is None


@given(st.binary(max_size=400), st.integers(0, 60))
def test_no_bytes_lead_astray(noise: bytes, cut: int) -> None:
    content = tag(frame(PNG))[:cut] + noise
    result = found(content)
    assert result is None or result in content
