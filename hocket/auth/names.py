"""Which user names and passwords an account may have, and which names mean the same account."""

import unicodedata

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import UserName

MAX_NAME_CHARS = 64
MAX_KEY_CHARS = 256
MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_BYTES = 1024

# ZWNJ and ZWJ: Persian, Hindi and emoji need them inside a name. They are invisible, so `name_key` drops them.
_JOINERS = "\u200c\u200d"

_IMPOSSIBLE = "\x7f"
"""In no name, but fit to be stored and compared anywhere: stands for what is not (NUL, lone surrogates)."""


class BadName(HocketError):
    """A name that no account may have."""

    code = ErrorCode.BAD_NAME


class BadPassword(HocketError):
    """A password that no account may have."""

    code = ErrorCode.BAD_PASSWORD


def check_user_name(text: str) -> UserName:
    """The name as it is kept: NFC, 1 to 64 visible characters. Raises BadName."""
    # Composing changes the length, at most threefold: what is longer than that is not worth composing.
    if len(text) > 4 * MAX_NAME_CHARS:
        raise _too_long(len(text))
    name = unicodedata.normalize("NFC", text)
    if len(name) > MAX_NAME_CHARS:
        raise _too_long(len(name))
    if name != name.strip():
        raise BadName("a user name starts or ends with a space", hint="leave it away")
    for char in name:
        if not char.isprintable() and char not in _JOINERS:
            raise BadName(
                f"a user name may not contain {_describe(char)}", hint="use letters, digits, signs and plain spaces"
            )
    key = name_key(name)
    if not key:
        raise BadName("a user name cannot be empty", hint=f"take 1 to {MAX_NAME_CHARS} characters")
    if len(key) > MAX_KEY_CHARS:  # a single Arabic ligature can stand for 18 letters
        raise BadName("a user name is too long once its ligatures are spelt out", hint="take a shorter one")
    return UserName(name)


def name_key(text: str) -> str:
    """What two names of one account have in common: `name_key("Zoë") == name_key("ZOË")`.

    Compatibility caseless matching (Unicode D146), less the invisible joiners. Takes any text, of which it
    looks at a bounded length: a log-in with an impossible name is an unknown user, not an error.
    """
    key = text[: 4 * MAX_NAME_CHARS]
    for form in ("NFD", "NFKD", "NFKD"):
        key = unicodedata.normalize(form, key).casefold()
    key = unicodedata.normalize("NFKC", key)
    return "".join(_IMPOSSIBLE if _is_control(char) else char for char in key if char not in _JOINERS)


def check_password(password: str, name: str = "") -> None:
    """Raises BadPassword, with what to do, unless an account (called `name`, if that is told) may have it."""
    if len(password) < MIN_PASSWORD_CHARS:
        raise BadPassword(
            f"the password has {len(password)} characters",
            hint=f"take {MIN_PASSWORD_CHARS} or more; four words in a row are easy to keep and hard to guess",
        )
    if any(_is_control(char) for char in password):
        raise BadPassword(
            "the password contains a control character",
            hint="use what a keyboard can type on one line; a password from a file is its first line",
        )
    if len(password_bytes(password)) > MAX_PASSWORD_BYTES:
        raise BadPassword(
            f"the password takes {len(password_bytes(password))} bytes", hint=f"take at most {MAX_PASSWORD_BYTES}"
        )
    if name and name_key(password) == name_key(name):
        raise BadPassword("the password is the user name", hint="it is the first one that anybody tries: take another")


def password_bytes(password: str) -> bytes:
    """What is hashed: NFC in UTF-8, so that every keyboard's way to write an accent logs in (RFC 8265, 4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _too_long(chars: int) -> BadName:
    return BadName(f"a user name has {chars} characters", hint=f"take at most {MAX_NAME_CHARS}")


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs")


def _describe(char: str) -> str:
    return f"the character U+{ord(char):04X} ({unicodedata.name(char, 'unnamed').lower()})"
