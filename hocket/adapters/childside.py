"""The child's side of `processes`: settings from the first line on stdin, and what to do without a control node.

Two signs tell that the control node is gone, whatever ended it: the end of stdin, whose other side
only the control node holds, and on Linux the signal of PR_SET_PDEATHSIG. The first is seen by a
thread, because an event loop that hangs sees nothing. The node then goes on serving, and has
`grace_s` to be looked after again (`supervised`). If nobody does, it is told to end in order; if it
does not, the kernel's timer ends it: nothing in the process has to work for that. (What holds the
interpreter's lock for ever before the thread saw the end is beyond it.)
"""

import asyncio
import ctypes
import os
import select
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable

from hocket.core.errors import ErrorCode, HocketError

MAX_FIRST_LINE_BYTES = 64 * 1024
"""Certificate, key, CA and settings take about 8 KiB."""

FIRST_LINE_S = 10.0

LAST_RESORT_S = 5.0
"""Between being told to end and being ended."""

_PR_SET_PDEATHSIG = 1


def read_first_line(fd: int = 0, max_bytes: int = MAX_FIRST_LINE_BYTES, timeout_s: float = FIRST_LINE_S) -> bytes:
    """The settings, without the line end. Blocks for at most `timeout_s`.

    Raises HocketError USAGE: no pipe (started by hand), an end before the line's end, too long, too late.
    """
    mode = os.fstat(fd).st_mode
    if not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):
        raise HocketError(
            "--child is for control nodes, which hand over settings through a pipe on stdin",
            code=ErrorCode.USAGE,
            hint="by hand, start a node with --join TOKEN",
        )
    deadline_s = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    line = bytearray()
    while b"\n" not in line:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise HocketError(f"no settings came on stdin within {timeout_s:g} s", code=ErrorCode.USAGE)
        data = os.read(fd, 65536)
        if not data:
            raise HocketError("the control node ended before it handed over the settings", code=ErrorCode.USAGE)
        line += data
        if len(line) > max_bytes:
            raise HocketError(f"the settings on stdin exceed {max_bytes} bytes", code=ErrorCode.USAGE)
    return bytes(line[: line.index(b"\n")])


class ParentWatch:
    """Notices the end of the control node that started this process, once.

    `on_orphaned` is called on the event loop; `on_abandoned` when `grace_s` passed without `supervised`.
    Both are called with no arguments and must not raise. Arm it in the main thread, with the loop running.
    """

    def __init__(
        self, on_orphaned: Callable[[], None], on_abandoned: Callable[[], None], grace_s: float, fd: int = 0
    ) -> None:
        self._on_orphaned = on_orphaned
        self._on_abandoned = on_abandoned
        self._grace_s = grace_s
        self._fd = fd
        self._parent_pid = os.getppid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._wake_fds: tuple[int, int] | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._noticing = threading.Lock()
        self.orphaned = False

    def arm(self) -> None:
        """Watch from now on; a control node that is gone already is noticed as well."""
        self._loop = asyncio.get_running_loop()
        # An ignored or blocked signal is inherited through exec: the last resort must not be.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        self._loop.add_signal_handler(signal.SIGHUP, self._check_parent)
        _ask_for_death_signal(signal.SIGHUP)
        self._wake_fds = os.pipe()
        self._thread = threading.Thread(target=self._watch_stdin, name="parent watch", daemon=True)
        self._thread.start()
        self._check_parent()

    def supervised(self) -> None:
        """Somebody looks after this node again: a prime took it into its registry."""
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def unsupervised(self) -> None:
        """Nobody looks after this node: its grace begins, unless it runs already."""
        if self._grace is None and self._loop is not None:
            self._start_last_resort()
            self._grace = self._loop.call_later(self._grace_s, self._on_abandoned)

    def close(self) -> None:
        """Watch no longer. The last resort stays armed if it was: an orphan's end may hang, too."""
        if self._loop is None:
            return
        _ask_for_death_signal(None)
        self._loop.remove_signal_handler(signal.SIGHUP)
        if self._grace is not None:
            self._grace.cancel()
        if self._wake_fds is not None and self._thread is not None:
            os.write(self._wake_fds[1], b"x")
            self._thread.join()
            for fd in self._wake_fds:
                os.close(fd)
        self._loop = self._wake_fds = self._thread = None

    def _start_last_resort(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._grace_s + LAST_RESORT_S)

    def _watch_stdin(self) -> None:
        loop, wake_fds = self._loop, self._wake_fds
        assert loop is not None
        assert wake_fds is not None
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(wake_fds[0], select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if wake_fds[0] in ready:
                return
            if _at_end(self._fd):
                break
        with self._noticing:
            # Here, not on the loop: it may hang. But not where the signal came first: its orphan may be adopted by now.
            if not self.orphaned:
                self._start_last_resort()
        try:
            loop.call_soon_threadsafe(self._orphan)
        except RuntimeError:
            return  # the loop has closed: the process is ending

    def _check_parent(self) -> None:
        # SIGHUP comes when the *thread* that started us ends, and from people as well: ask who our parent is.
        if os.getppid() != self._parent_pid:
            self._orphan()

    def _orphan(self) -> None:
        if self.orphaned:
            return
        with self._noticing:
            self.orphaned = True
        self.unsupervised()
        self._on_orphaned()


def _at_end(fd: int) -> bool:
    """Read what nobody asked for; whether that was the end."""
    try:
        return not os.read(fd, 4096)
    except OSError:
        return True


def _ask_for_death_signal(number: signal.Signals | None) -> None:
    """Have the kernel send a signal when the parent ends (Linux); elsewhere the end of stdin is the only sign."""
    if sys.platform == "linux":
        nothing = ctypes.c_ulong(0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number or 0), nothing, nothing, nothing)
