"""A pipe's bytes become lines of text, however they are cut, in bounded memory."""

MAX_LINE_BYTES = 4096
"""Longer lines are shortened: a child's log is read by people, and a line without an end is a bug."""


class LineSplitter:
    """Push machine: bytes in, whole lines out. Control characters never reach a terminal through it."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._kept = bytearray()
        self._cut_bytes = 0

    def feed(self, data: bytes) -> list[str]:
        """The lines that these bytes complete."""
        *ended, rest = data.split(b"\n")
        lines = []
        for piece in ended:
            self._keep(piece)
            lines.append(self._take())
        self._keep(rest)
        return lines

    def flush(self) -> list[str]:
        """At the end of the pipe: the last line, if it lacks its end."""
        return [self._take()] if self._kept else []

    def _keep(self, piece: bytes) -> None:
        room = self._max - len(self._kept)
        self._kept += piece[:room]
        self._cut_bytes += max(0, len(piece) - room)

    def _take(self) -> str:
        text = self._kept.decode("utf-8", errors="replace").rstrip("\r").expandtabs()
        if not text.isprintable():
            text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
        if self._cut_bytes:
            text += f" … ({self._cut_bytes} bytes more)"
        self._kept.clear()
        self._cut_bytes = 0
        return text
