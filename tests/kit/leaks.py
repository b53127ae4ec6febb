"""Finds what a test left behind: threads, processes, descriptors, asyncio tasks, temp files.

The look before the test and the look after it are compared; whatever is about to end gets GRACE_S
to do so, waited for by joining threads and watching processes, never by a fixed pause.
"""

import asyncio
import asyncio.runners
import gc
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kit import proc

GRACE_S = 3.0
TASK_GRACE_S = 1.0
MARK = "TEST_LEAK_MARK"
"""Environment entry that every descendant of a test inherits, so that orphans are found too."""

_LASTING_FILES = ("/dev/null", "/dev/urandom", "/dev/random", "/dev/tty", "/dev/pts/", "anon_inode:[eventfd]")
"""Event descriptors are Qt's alone here: its pool of painting threads keeps one each until half a minute after use."""

_LASTING_COMMANDS = ("multiprocessing.resource_tracker",)


@dataclass(slots=True)
class Look:
    """What this process holds at one moment."""

    threads: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))
    files: dict[int, str] = field(default_factory=proc.open_files)
    pids: set[int] = field(default_factory=proc.all_pids)


def _descendants(known: set[int], mark: bytes) -> list[proc.ProcessState]:
    """Processes that are not known and are children of this one or carry the mark."""
    found = [state for pid in proc.all_pids() - known if (state := proc.state(pid)) is not None]
    return [
        process
        for process in found
        if (process.parent == os.getpid() or proc.has_in_environment(process.pid, mark))
        and not any(word in proc.command(process.pid) for word in _LASTING_COMMANDS)
    ]


class LeakWatch:
    """Watches from its creation until `leaks()`."""

    def __init__(self, temp_folder: Path | None = None) -> None:
        gc.collect(0)
        self._before = Look()
        self._temp_folder = temp_folder
        self._tasks: list[str] = []
        self.mark = uuid.uuid4().hex

    @contextmanager
    def watching_tasks(self) -> Iterator[None]:
        """Note tasks that asyncio.run() finds unfinished when its main coroutine is done.

        asyncio.run() cancels them without a word, which would hide a task that nobody owns.
        """
        cancel_all: Any = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]

        def note_and_cancel(loop: asyncio.AbstractEventLoop) -> None:
            pending = asyncio.all_tasks(loop)
            if pending:
                _, pending = loop.run_until_complete(asyncio.wait(pending, timeout=TASK_GRACE_S))
            self._tasks.extend(repr(task) for task in pending)
            cancel_all(loop)

        asyncio.runners._cancel_all_tasks = note_and_cancel  # type: ignore[attr-defined]
        try:
            yield
        finally:
            asyncio.runners._cancel_all_tasks = cancel_all  # type: ignore[attr-defined]

    def leaks(self) -> list[str]:
        """One line for each thing left behind, empty if there is none."""
        deadline = time.monotonic() + GRACE_S
        processes = self._processes(deadline)
        threads = self._threads(deadline)
        return [
            *processes,
            *threads,
            *(f"asyncio task never finished: {task}" for task in self._tasks),
            *self._files(deadline),
            *self._temp_files(),
        ]

    def _processes(self, deadline: float) -> list[str]:
        mark = f"{MARK}={self.mark}".encode()
        lines = []
        for process in _descendants(self._before.pids, mark):
            left_s = max(0.0, deadline - time.monotonic())
            if proc.wait_dead(process.pid, left_s):
                now = proc.state(process.pid)
                if now is not None and now.parent == os.getpid():
                    lines.append(f"process {process.pid} ({process.name}) ended but was never waited for")
            else:
                lines.append(f"process {process.pid} still runs: {proc.command(process.pid) or process.name}")
        return lines

    def _threads(self, deadline: float) -> list[str]:
        left = []
        for thread in set(threading.enumerate()) - self._before.threads:
            if isinstance(thread, threading._DummyThread):  # a C library's thread that once called Python
                continue
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                left.append(f"thread still runs: {thread.name} (daemon={thread.daemon})")
        return left

    def _files(self, deadline: float) -> list[str]:
        new = self._new_files()
        if new:
            gc.collect()
            new = self._new_files()
        pause = threading.Event()
        while new and time.monotonic() < deadline:
            pause.wait(0.02)  # descriptors have no "closed" event to wait for
            new = self._new_files()
        return [f"descriptor {fd} still open: {target}" for fd, target in sorted(new.items())]

    def _new_files(self) -> dict[int, str]:
        return {
            fd: target
            for fd, target in proc.open_files().items()
            if self._before.files.get(fd) != target and not target.startswith(_LASTING_FILES)
        }

    def _temp_files(self) -> list[str]:
        if self._temp_folder is None:
            return []
        return [f"temp file left: {path}" for path in sorted(self._temp_folder.rglob("*"))]
