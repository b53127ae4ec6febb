"""What /proc says about processes: the same truth that an operator sees."""

import contextlib
import os
import select
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One line of /proc/PID/stat, the parts that tests ask for."""

    pid: int
    name: str
    state: str  # R, S, D, T, Z ...
    parent: int
    group: int


def state(pid: int) -> ProcessState | None:
    """The process as the kernel sees it now; None once it is gone."""
    try:
        line = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name may hold spaces and brackets, so fields are counted from the last bracket.
    name = line[line.index("(") + 1 : line.rindex(")")]
    fields = line[line.rindex(")") + 2 :].split()
    return ProcessState(pid, name, fields[0], int(fields[1]), int(fields[2]))


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody waited for is dead."""
    found = state(pid)
    return found is not None and found.state not in "ZX"


def wait_dead(pid: int, timeout_s: float) -> bool:
    """Wait for a process's end, whoever its parent is; False if it still lives after timeout_s."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000)) or not alive(pid)
    finally:
        os.close(fd)


def all_pids() -> set[int]:
    """Every process that can be seen."""
    return {int(name) for name in os.listdir(_PROC) if name.isdigit()}  # noqa: PTH208 - thousands of entries


def group_members(group: int) -> list[int]:
    """The pids of a process group, zombies included."""
    return [pid for pid in all_pids() if (found := state(pid)) is not None and found.group == group]


def command(pid: int) -> str:
    """The command line for messages; empty once the process is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def has_in_environment(pid: int, entry: bytes) -> bool:
    """Whether the process was started with NAME=value in its environment."""
    try:
        return entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def open_files(pid: int | None = None) -> dict[int, str]:
    """Descriptor -> what it stands for (`socket:[123]`, a path ...), of this process or another."""
    folder = _PROC / ("self" if pid is None else str(pid)) / "fd"
    found: dict[int, str] = {}
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):  # the descriptor that lists the folder is gone by now
            found[int(entry.name)] = os.readlink(entry)  # noqa: PTH115 - socket:[1] is no path
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = int((_PROC / str(pid) / "statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def private_bytes(pid: int) -> int:
    """Memory that would come back if the process ended (its private pages)."""
    lines = (_PROC / str(pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    line = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    fields = line[line.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
