"""Library names for music that comes from elsewhere: whatever its file or tags are called, the library can hold it."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from hocket.media.paths import MAX_COMPONENT_BYTES, BadName, is_hidden, library_name
from hocket.media.tags import Tags
from hocket.media.text import is_unsafe_character

NAMELESS: Final = "Untitled"

_SUFFIX: Final = ".wav"
_ROOM_BYTES: Final = len(" (9999).wav")
_SAYS_NOTHING = re.compile(r"(?:(?:audio)?[ _-]?track|titel|piste|spur)?[ ._-]*\d{1,4}", re.IGNORECASE)
_SPACE_RUN = re.compile(r"\s+")


def name_from_disk(name: bytes) -> str:
    """A file's or folder's name as text: UTF-8, or what old systems wrote instead."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp1252", errors="replace")


def safe_component(text: str) -> str:
    """Text as one part of a library name, as little changed as can be; "" if nothing of it is left."""
    text = unicodedata.normalize("NFC", text).replace("/", "-").replace("\\", "-")
    text = "".join(" " if is_unsafe_character(c) else c for c in text)
    text = _SPACE_RUN.sub(" ", text).strip()
    while is_hidden(text):
        text = text[1:].lstrip()
    text = _cut(text, MAX_COMPONENT_BYTES - _ROOM_BYTES)
    try:
        return library_name(text)
    except BadName:  # a device's name, or dots alone
        return _or_none(f"_{text}") if text.strip(" .") else ""


def wav_name(folders: Sequence[str], stem: str, tags: Tags) -> str:
    """The library name of a WAV file in folders: its own stem, or its title where that says only a number.

    Raises BadName where the folders are too deep.
    """
    stem = safe_component(stem)
    if not stem or _SAYS_NOTHING.fullmatch(stem):
        number = f"{tags.track_number:02d} - " if tags.track_number else ""
        title = safe_component(tags.title)
        stem = safe_component(number + title) if title else stem or NAMELESS
    safe = [part for folder in folders if (part := safe_component(folder))]
    return library_name("/".join([*safe, stem + _SUFFIX]))


def numbered(name: str, number: int) -> str:
    """`Song.wav` as `Song (2).wav`; number 1 is the name itself."""
    return name if number == 1 else f"{name.removesuffix(_SUFFIX)} ({number}){_SUFFIX}"


def _cut(text: str, size_bytes: int) -> str:
    return text.encode("utf-8", "replace")[:size_bytes].decode("utf-8", "ignore").rstrip()


def _or_none(text: str) -> str:
    try:
        return library_name(text)
    except BadName:
        return ""
