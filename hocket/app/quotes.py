"""Quotes at a prompt: as a shell takes them, but an apostrophe within a word is one."""

import re

_QUOTED = re.compile(r"""(?<!\S)(?:"((?:[^"\\]|\\.)*)"|'(.*?)')(?!\S)""")
_ESCAPED = re.compile(r"""\\(["\\])""")


def unquoted(text: str) -> str:
    r"""`text` without the quotes around whole words: "Paper Boats" is Paper Boats, Don't Stop stays as it is.

    Within double quotes \" is a quote and \\ a backslash.
    """
    return _QUOTED.sub(lambda found: found[2] if found[1] is None else _ESCAPED.sub(r"\1", found[1]), text)
