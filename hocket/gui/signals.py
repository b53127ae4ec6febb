"""SIGINT and SIGTERM for an event loop that is not Python's: they arrive as bytes on a descriptor."""

import os
import signal


class SignalPipe:
    """Make it on the main thread. Qt watches `fileno()`; Python itself writes to the other end."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        # A handler must be there, or the signal ends the process before the loop hears of it.
        self._old = {number: signal.signal(number, lambda *_: None) for number in numbers}

    def fileno(self) -> int:
        return self._read_fd

    def drain(self) -> bool:
        """Take what has come; whether there was a signal."""
        try:
            return bool(os.read(self._read_fd, 64))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Everything as it was before."""
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        os.close(self._read_fd)
        os.close(self._write_fd)
