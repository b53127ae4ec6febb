"""Logging for people: one line an event on stderr, with time, level, logger and message.

What a peer said may stand in it, so control characters, which move a terminal's cursor or forge a second
line, are shown as replacement characters.

Secrets have no place in a log. Whoever takes one in (a password from stdin, a join token) tells
`hide()`, so that not even an error text that quotes it can print it.
"""

import logging
import sys

_FORMAT = "{asctime}.{msecs:03.0f} {levelname:<7} {name}: {message}"
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
_HIDDEN_TEXT = "(hidden)"
_SHORTEST_SECRET = 4
"""Hiding shorter texts would garble every line that happens to hold them."""

_secrets: set[str] = set()


class _HidingFormatter(logging.Formatter):
    """Formats a record, traceback included, and blanks what `hide()` was told."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback, which alone may have line ends."""
        line = super().formatMessage(record)
        if line.isprintable():
            return line
        return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in _secrets:
            line = line.replace(secret, _HIDDEN_TEXT)
        return line


def hide(secret: str) -> None:
    """Never print this text in a log line from now on."""
    if len(secret) >= _SHORTEST_SECRET:
        _secrets.add(secret)


def set_up_logs(level: int = logging.INFO) -> None:
    """Send log lines of `level` and above to stderr; called once, by a program's command line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_HidingFormatter(_FORMAT, _TIME_FORMAT, style="{"))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # Their INFO is about their own insides, which nobody who runs a node asked for.
    for name in ("alembic", "asyncio", "sqlalchemy", "watchfiles"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
