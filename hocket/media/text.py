"""Text that came from files and peers, made fit for lists, terminals and comparison."""

import re
import unicodedata

# Control characters, line and paragraph separators, lone surrogates, and what turns the direction of a line around.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_SPACE_RUN = re.compile(r"\s+")

# Letters that Unicode does not decompose, and punctuation that nobody types into a search box.
_PLAIN = {
    "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe",
    "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-",
}  # fmt: skip


class _Folds(dict[int, str]):
    """Code point -> folded text, filled as letters turn up: folding is a matter of single code points."""

    def __missing__(self, code_point: int) -> str:
        lower = chr(code_point).casefold()
        decomposed = unicodedata.normalize("NFKD", _PLAIN.get(lower, lower)).casefold()
        folded = "".join(_PLAIN.get(c, c) for c in decomposed if not unicodedata.combining(c))
        self[code_point] = folded
        return folded


_FOLDS = _Folds()


def unsafe_character(text: str) -> str:
    """The first character that could harm a terminal, a list or a file name; empty when there is none."""
    match = _UNSAFE.search(text)
    return match[0] if match else ""


def is_unsafe_character(character: str) -> bool:
    """Whether a character could harm a terminal, a list or a file name."""
    return _UNSAFE.match(character) is not None


def one_line(text: str, max_characters: int) -> str:
    """Text as one line that is safe to print: NFC, runs of space folded, nothing that controls a terminal."""
    text = text[: 4 * max_characters]
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", _UNSAFE.sub(" ", text))
    return _SPACE_RUN.sub(" ", text).strip()[:max_characters].rstrip()


def fold(text: str) -> str:
    """Text for comparison: no case, no accents, plain quotes and dashes, so that 'UBERS' finds 'Übers'."""
    if text.isascii():
        return text.lower()
    return text.translate(_FOLDS)
