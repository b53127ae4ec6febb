import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.media.riff import reader_of
from hocket.media.tags import Tags, info_chunk, parse_id3, parse_info, read_tags, tags_from_name
from hocket.media.wav import TagChunk


def syncsafe(value: int) -> bytes:
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(*frames: bytes, version: int = 4, flags: int = 0, extra: bytes = b"") -> bytes:
    body = extra + b"".join(frames)
    return b"ID3" + bytes((version, 0, flags)) + syncsafe(len(body)) + body


def frame(name: bytes, content: bytes, version: int = 4, flags: int = 0) -> bytes:
    size = syncsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return name + size + bytes((0, flags)) + content


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf", "Zs")), max_size=40)


@given(texts, texts, texts, st.integers(0, 999))
def test_info_round_trip(title: str, artist: str, album: str, number: int) -> None:
    written = info_chunk(Tags(title, artist, album, number))
    if not written:
        assert (title, artist, album, number) == ("", "", "", 0)
        return
    assert len(written) == 8 + struct.unpack("<I", written[4:8])[0]
    found = parse_info(written[8:])
    assert found.track_number == number
    assert info_chunk(found) == info_chunk(parse_info(info_chunk(found)[8:]))


def test_info_in_utf_8_and_in_windows_letters() -> None:
    def row(content: bytes) -> bytes:
        return b"INFO" + b"INAM" + struct.pack("<I", len(content)) + content

    assert parse_info(row("première\0".encode())).title == "première"
    assert parse_info(row("première\0".encode("cp1252"))).title == "première"
    assert parse_info(row(b"one\0two")).title == "one"
    assert parse_info(b"adtl" + row(b"x")[4:]) == Tags()


@pytest.mark.parametrize("version", [3, 4])
def test_id3_text_in_every_encoding(version: int) -> None:
    tag = id3(
        frame(b"TIT2", b"\x01" + "Über – 夜\0".encode("utf-16"), version),
        frame(b"APIC", bytes(200), version),
        frame(b"TPE1", b"\x00" + "José".encode("latin-1"), version),
        frame(b"TALB", b"\x03" + "Альбом".encode(), version),
        frame(b"TRCK", b"\x02" + "7/12".encode("utf-16-be"), version),
        version=version,
    )
    assert parse_id3(tag + bytes(50)) == Tags("Über – 夜", "José", "Альбом", 7)


def test_id3_extended_header_data_length_and_unsynchronisation() -> None:
    extended_4 = syncsafe(6) + b"\x01\x00"
    assert parse_id3(id3(frame(b"TIT2", b"\x03A"), flags=0x40, extra=extended_4)).title == "A"
    extended_3 = struct.pack(">I", 6) + bytes(6)
    assert parse_id3(id3(frame(b"TIT2", b"\x00A", 3), version=3, flags=0x40, extra=extended_3)).title == "A"
    # A byte order mark FF FE is written as FF 00 FE.
    assert parse_id3(id3(frame(b"TIT2", b"\x01\xff\x00\xfeA\0", flags=0x02))).title == "A"
    assert parse_id3(id3(frame(b"TIT2", b"\0\0\0\x02\x03B", flags=0x01))).title == "B"
    assert parse_id3(id3(frame(b"TIT2", b"packed", flags=0x08))).title == ""
    assert parse_id3(id3(frame(b"TPE1", b"\x03One\0Two"))).artist == "One, Two"


def test_id3_goes_before_info_and_each_fills_the_others_gaps() -> None:
    info = b"INFO" + b"INAM\x04\0\0\0Info" + b"IPRD\x05\0\0\0Album\0"
    tag = id3(frame(b"TIT2", b"\x03Id3"))
    chunks = (TagChunk("LIST", 0, len(info)), TagChunk("id3 ", len(info), len(tag)))
    assert read_tags(reader_of(info + tag), chunks) == Tags("Id3", "", "Album")


def test_text_cannot_control_a_terminal() -> None:
    tag = id3(frame(b"TIT2", b"\x03a\x1b[31m\r\nb\xe2\x80\xaec" + b"x" * 1000))
    title = parse_id3(tag).title
    assert title.startswith("a [31m b c")
    assert len(title) == 300


@given(st.binary(max_size=200))
def test_random_bytes_never_crash(data: bytes) -> None:
    parse_info(data)
    parse_info(b"INFO" + data)
    parse_id3(data)
    for version in (3, 4):
        for flags in (0, 0x40, 0x80, 0xC0):
            parse_id3(b"ID3" + bytes((version, 0, flags)) + b"\0\0\1\0" + data)
            parse_id3(id3(frame(b"TIT2", data, version), version=version, flags=flags))


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("Song.wav", Tags("Song")),
        ("Artist - Title.wav", Tags("Title", "Artist")),
        ("Miles Davis/Kind of Blue/01 So What.wav", Tags("So What", "Miles Davis", "Kind of Blue", 1)),
        ("Kind of Blue/02. Freddie Freeloader.WAV", Tags("Freddie Freeloader", "", "Kind of Blue", 2)),
        ("03 - Nena - 99 Luftballons.wav", Tags("99 Luftballons", "Nena", "", 3)),
        ("99 Luftballons.wav", Tags("99 Luftballons")),
        ("50 Cent - In Da Club.wav", Tags("In Da Club", "50 Cent")),
        ("my_first_song.wav", Tags("my first song")),
        ("...and so on.wav", Tags("...and so on")),
        ("12.wav", Tags("12")),
        (" - .wav", Tags("-")),
    ],
)
def test_tags_from_names(name: str, tags: Tags) -> None:
    assert tags_from_name(name) == tags
