"""Banners: what happened and what to do, in the window's words. No Qt, no I/O."""

from enum import StrEnum

import msgspec

from hocket.core.address import BadAddress
from hocket.core.errors import HocketError
from hocket.gui import texts


class Tone(StrEnum):
    """How grave a notice is."""

    INFO = "info"
    BAD = "bad"


class Notice(msgspec.Struct, frozen=True):
    """A banner: what happened, and what to do."""

    title: str
    text: str = ""
    tone: Tone = Tone.INFO
    lasts: bool = False  # until it is closed or what it tells of is over


def notice_of(code: str, text: str, hint: str = "") -> Notice:
    """An error in the window's words: a title by its code, the engine's text, what to do."""
    said = texts.HINTS.get(code, hint)
    title = texts.TITLES.get(code, texts.TITLE_OTHER)
    first = "" if text.lower() == title.lower() else sentence(text)
    return Notice(title, f"{first} {sentence(said)}".strip(), Tone.BAD)


def error_notice(error: HocketError) -> Notice:
    """An error that came with an answer."""
    if isinstance(error, BadAddress):
        return Notice(texts.BAD_ADDRESS, texts.BAD_ADDRESS_HINT, Tone.BAD)
    return notice_of(error.code.value, error.text, error.hint)


def sentence(text: str) -> str:
    """With a capital at its beginning and a full stop at its end."""
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else f"{text}."
