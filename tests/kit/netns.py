"""Network namespaces without names: each lives as long as a descriptor or a process holds it.

So nothing of a network is left once its holders are gone, however they ended. Needs root.
"""

import ctypes
import os
import select
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tests.kit import proc

_CLONE_NEWNET = 0x40000000
_THIS_THREADS = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


@contextmanager
def _back_home() -> Iterator[None]:
    home = os.open(_THIS_THREADS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _check(_libc.setns(home, _CLONE_NEWNET), "setns")
        os.close(home)


def create() -> int:
    """A new, empty namespace, as a descriptor that keeps it alive. Raises OSError."""
    with _back_home():
        _check(_libc.unshare(_CLONE_NEWNET), "unshare")
        return os.open(_THIS_THREADS, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """The calling thread is in the namespace; sockets, threads and processes made meanwhile stay there."""
    with _back_home():
        _check(_libc.setns(namespace, _CLONE_NEWNET), "setns")
        yield


def _is_in(pid: int, inodes: Collection[int]) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino in inodes  # noqa: PTH116 - once for every process
    except OSError:
        return False


def members(namespaces: Collection[int]) -> list[int]:
    """Processes whose main thread is in one of the namespaces (descriptors)."""
    inodes = {os.fstat(namespace).st_ino for namespace in namespaces}
    return [pid for pid in proc.all_pids() if _is_in(pid, inodes)]


def kill_members(namespaces: Collection[int], spare: Collection[int], timeout_s: float = 5.0) -> None:
    """Kill every process in the namespaces, also those that fork meanwhile, except the spared pids.

    Raises TimeoutError if some still live after timeout_s.
    """
    inodes = {os.fstat(namespace).st_ino for namespace in namespaces}
    deadline = time.monotonic() + timeout_s
    while found := set(members(namespaces)) - set(spare):
        for pid in found:
            kill_process(pid, inodes, deadline)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes survive SIGKILL: {sorted(found)}")


def kill_process(pid: int, inodes: Collection[int] | None, deadline: float) -> None:
    """SIGKILL and wait for the end, through a descriptor: a reused pid is not hit.

    With inodes only if it is (still) in one of these namespaces.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if inodes is None or _is_in(pid, inodes):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
