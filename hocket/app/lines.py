"""Lines of standard input while the program does other things: first one by one, then as they come."""

import contextlib
import os
import select
import threading
from collections.abc import Callable

READ_BYTES = 64 * 1024


class Lines:
    """Reads a descriptor itself, not through `sys.stdin`, whose lock would outlive the program's end."""

    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._pending = b""
        self._ended = False
        self._wake_read, self._wake_write = os.pipe()
        self._thread: threading.Thread | None = None

    def next(self) -> str | None:
        """The next line, waited for; None at the end of input."""
        while not self._has_line():
            self._read()
        if not self._pending:
            return None
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode(errors="replace").removesuffix("\r")

    def follow(self, on_line: Callable[[str | None], object]) -> None:
        """From now on call this, on a thread of our own, for each line, and with None once at the end."""
        self._thread = threading.Thread(target=self._run, args=(on_line,), name="stdin")
        self._thread.start()

    def close(self) -> None:
        """End the thread; nothing more is called after that. Safe to call twice."""
        if self._wake_write < 0:
            return
        os.close(self._wake_write)
        self._wake_write = -1
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake_read)

    def _has_line(self) -> bool:
        return self._ended or b"\n" in self._pending

    def _read(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError:  # a terminal that was hung up, or no input at all
            data = b""
        self._pending += data
        self._ended = not data

    def _run(self, on_line: Callable[[str | None], object]) -> None:
        line: str | None = ""
        while line is not None:
            while not self._has_line():
                readable, _, _ = select.select([self._fd, self._wake_read], [], [])
                if self._wake_read in readable:
                    return
                self._read()
            line = self.next()
            with contextlib.suppress(RuntimeError):  # the event loop that it goes to has ended
                on_line(line)
