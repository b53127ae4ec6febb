"""The only gate from a library name to a path on a disk.

A library name is relative, '/'-separated and NFC: `Artist/Album/Title.wav`. It comes from folders,
but also from peers, so whatever could leave the music folder, reach a device, hide, or look like
something else never passes. Spaces, colons and letters of every alphabet do.

Source for device names: Microsoft, "Naming Files, Paths, and Namespaces".
"""

import re
import unicodedata
from pathlib import Path
from typing import Final

from hocket.core.errors import ErrorCode, HocketError
from hocket.media.text import unsafe_character

MAX_COMPONENT_BYTES: Final = 255
"""What ext4, XFS, APFS and NTFS (in characters) can hold."""

MAX_NAME_BYTES: Final = 2048
"""With the music folder's own path in front this stays below Linux' 4096."""

MAX_DEPTH: Final = 32

PARTIAL_PREFIX: Final = ".hocket-"
"""Files that are being written; they are renamed in one step when they are whole."""

_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE)


class BadName(HocketError):
    """A name that the library cannot hold, with the reason."""

    code = ErrorCode.BAD_NAME


def library_name(text: str) -> str:
    """Text as a library name (NFC). Raises BadName with the reason."""
    if unsafe := unsafe_character(text):
        raise BadName(f"a name with the control character U+{ord(unsafe):04X}", hint="rename the file")
    name = unicodedata.normalize("NFC", text)
    if "\\" in name:
        raise BadName("a name with a backslash", hint="rename the file")
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        raise BadName(f"a path of more than {MAX_NAME_BYTES} bytes", hint="use shorter folder names")
    components = name.split("/")
    if len(components) > MAX_DEPTH:
        raise BadName(f"more than {MAX_DEPTH} folders deep", hint="use fewer folders")
    for component in components:
        _check_component(component)
    return name


def is_library_name(text: str) -> bool:
    """Whether text is a library name as it stands."""
    try:
        return library_name(text) == text
    except BadName:
        return False


def local_path(music_dir: Path, name: str) -> Path:
    """Where a library name lies below music_dir. Raises BadName.

    Symbolic links are the adapters' business: this does not look at the disk.
    """
    return music_dir.joinpath(*library_name(name).split("/"))


def is_hidden(component: str) -> bool:
    """Whether a file or folder is not meant to be seen: `.git`, `._Song.wav`, our own unfinished files.

    Two dots and more begin a title ('...and so on.wav').
    """
    return component.startswith(".") and not component.startswith("..")


def _check_component(component: str) -> None:
    if not component:
        raise BadName("a name with an empty part", hint="names are relative, such as Folder/Song.wav")
    if not component.strip(" ."):
        raise BadName(f"a name with the part '{component}'", hint="names never lead out of the music folder")
    if len(component.encode("utf-8")) > MAX_COMPONENT_BYTES:
        raise BadName(f"a name of more than {MAX_COMPONENT_BYTES} bytes", hint="use a shorter name")
    if is_hidden(component):
        raise BadName(f"a hidden name ('{component[:40]}')", hint="rename it without the dot in front")
    if _DEVICE.fullmatch(component):
        raise BadName(f"'{component[:40]}' is a device on some systems", hint="use another name")
