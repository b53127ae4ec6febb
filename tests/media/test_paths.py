import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hocket.media.paths import BadName, is_hidden, is_library_name, library_name, local_path

ROOT = Path("/music")


@pytest.mark.parametrize(
    "name",
    [
        "Song.wav",
        "Übers Meer – première lumière.wav",
        "a b/c: d/What?*<>|\"'.wav",
        "夜に駆ける.wav",
        "R.E.M./Up./01.wav",
        "...and so on.wav",
        "console.wav",
        "com10.wav",
        "x" * 251 + ".wav",
        "👩‍🎤.wav",
    ],
)
def test_real_names_pass(name: str) -> None:
    assert library_name(name) == name
    assert local_path(ROOT, name) == ROOT / name


@pytest.mark.parametrize(
    "name",
    [
        "", "/", "/etc/passwd", "a//b.wav", "a/", "..", "../x.wav", "a/../b.wav", "a/..", ".", "./a.wav", "a/./b",
        "...", ". .", " ", "a/ /b", "..\\x.wav", "a\\b.wav", "C:\\x.wav", "a\0b.wav", "a\nb.wav", "a\x7fb", "a\x9bb",
        "a\u2028b", "a\u202eb", "\ud800.wav", "CON", "con.wav", "a/NUL", "nul .wav", "Com1.wav", "LPT¹.txt", "CONIN$",
        "x" * 252 + ".wav", "é" * 126 + ".wav", "a/" * 40 + "b.wav", "/".join(["y" * 250] * 9),
        ".hidden.wav", ".hocket-1234.wav", "a/.git/b.wav", "._Song.wav",
    ],
)  # fmt: skip
def test_bad_names_never_pass(name: str) -> None:
    with pytest.raises(BadName):
        local_path(ROOT, name)
    assert not is_library_name(name)


def test_names_are_composed() -> None:
    decomposed = unicodedata.normalize("NFD", "Über.wav")
    assert library_name(decomposed) == "Über.wav"
    assert not is_library_name(decomposed)


PARTS = [
    "..",
    ".",
    "/",
    "\\",
    " ",
    "a",
    "CON",
    "nul",
    "\0",
    "\r",
    "é",
    "e\u0301",
    "\u202e",
    ".wav",
    "x" * 130,
    "．．",
    "∕",
]
tricky = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


@given(tricky | st.text(max_size=40))
@example("a/" + "b" * 300)
def test_whatever_passes_stays_below_the_folder(text: str) -> None:
    try:
        path = local_path(ROOT, text)
    except BadName:
        return
    name = library_name(text)
    assert library_name(name) == name
    assert path.relative_to(ROOT).as_posix() == name
    for component in path.relative_to(ROOT).parts:
        assert component not in ("", ".", "..")
        assert 0 < len(component.encode()) <= 255
        assert "\\" not in component
        assert not is_hidden(component)
        assert component.split(".")[0].rstrip(" ").upper() not in ("CON", "NUL", "AUX", "PRN", "COM1")
