"""Names for imported music: whatever comes, the library can hold it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.media.naming import NAMELESS, name_from_disk, numbered, safe_component, wav_name
from hocket.media.paths import MAX_COMPONENT_BYTES, is_library_name
from hocket.media.tags import Tags, id3_chunk, parse_id3
from hocket.media.text import one_line


@given(st.text())
def test_a_safe_component_is_nothing_or_a_library_name(text: str) -> None:
    safe = safe_component(text)
    assert safe == "" or is_library_name(numbered(safe + ".wav", 9999))
    assert safe_component(safe) == safe


@given(st.lists(st.text(), max_size=5), st.text(), st.text())
def test_every_name_can_be_held(folders: list[str], stem: str, title: str) -> None:
    name = wav_name(folders, stem, Tags(title=title, track_number=7))
    assert is_library_name(name)
    assert len(numbered(name, 9999).rsplit("/", 1)[-1].encode()) <= MAX_COMPONENT_BYTES


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Für Elise: 1. Satz?", "Für Elise: 1. Satz?"),
        ("AC/DC", "AC-DC"),
        ("back\\slash", "back-slash"),
        (".hidden", "hidden"),
        ("...and so on", "...and so on"),
        ("..", ""),
        ("con", "_con"),
        ("two\nlines\t!", "two lines !"),
        ("  ", ""),
    ],
)
def test_names_are_changed_as_little_as_can_be(text: str, safe: str) -> None:
    assert safe_component(text) == safe


@pytest.mark.parametrize(
    ("stem", "tags", "name"),
    [
        ("Song", Tags(title="Other"), "Song.wav"),
        ("Track 03", Tags(title="Song", track_number=3), "03 - Song.wav"),
        ("03", Tags(title="Song"), "Song.wav"),
        ("AudioTrack_1", Tags(), "AudioTrack_1.wav"),
        ("..", Tags(), f"{NAMELESS}.wav"),
        ("1999 (Live)", Tags(title="Song"), "1999 (Live).wav"),
    ],
)
def test_a_title_stands_in_for_a_number(stem: str, tags: Tags, name: str) -> None:
    assert wav_name((), stem, tags) == name


def test_names_in_old_encodings() -> None:
    assert name_from_disk("Für".encode()) == "Für"
    assert name_from_disk("Für".encode("cp1252")) == "Für"


words = st.text(st.characters(categories=("L", "N")), max_size=40).map(lambda text: one_line(text, 300))


@given(words, words, words, st.integers(0, 9999), st.binary(max_size=300))
def test_an_id3_chunk_reads_back(title: str, artist: str, album: str, number: int, picture: bytes) -> None:
    tags = Tags(title, artist, album, number)
    chunk = id3_chunk(tags, picture, "image/png")
    assert len(chunk) % 2 == 0
    assert parse_id3(chunk[8:]) == tags
    assert picture in chunk


def test_an_empty_id3_chunk_is_nothing() -> None:
    assert id3_chunk(Tags()) == b""
