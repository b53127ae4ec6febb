"""Memory and descriptors of every process of a cluster over time, and whether they grow."""

import contextlib
import gc
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.kit import proc
from tests.kit.cluster import Cluster

WARM_UP_S = 20.0
JUDGED_S = 60.0
"""A process that was watched for less than this after its warm-up is not judged."""

MAX_GROWTH_BYTES = 12 * 1024 * 1024
MAX_GROWTH_SHARE = 0.10
MAX_MORE_FILES = 12
_ROLES = {"primeNODE.py": "prime", "planeNODE.py": "plane", "dbNODE.py": "auth", "fileNODE.py": "file"}


def role_of(pid: int) -> str:
    """The role of a cluster's process by its command line; "" for others."""
    command = proc.command(pid)
    return next((role for script, role in _ROLES.items() if script in command), "")


def pids_of(cluster: Cluster, role: str) -> list[int]:
    return [pid for pid in cluster.pids() if role_of(pid) == role]


@dataclass(slots=True)
class Life:
    """One process as it was seen."""

    role: str
    pid: int
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    """Time in s, resident bytes, open descriptors."""

    def thirds(self) -> tuple[list[tuple[float, int, int]], list[tuple[float, int, int]]] | None:
        """The first and the last third of its life after the warm-up; None where that is too short."""
        begin_s = self.samples[0][0] + WARM_UP_S
        warm = [sample for sample in self.samples if sample[0] >= begin_s]
        if len(warm) < 6 or warm[-1][0] - warm[0][0] < JUDGED_S:
            return None
        third = len(warm) // 3
        return warm[:third], warm[-third:]

    def growth(self) -> tuple[float, float, float] | None:
        """Resident bytes at first, how many more, and how many more descriptors; medians."""
        if (parts := self.thirds()) is None:
            return None
        (bytes_before, files_before), (bytes_after, files_after) = (
            [statistics.median(sample[at] for sample in part) for at in (1, 2)] for part in parts
        )
        return bytes_before, bytes_after - bytes_before, files_after - files_before


class Health:
    """Samples all processes of a cluster, and this one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.lives: dict[int, Life] = {}

    def sample(self) -> None:
        gc.collect()  # what waits for the collector here is no leak
        now_s = time.monotonic()
        for pid in [*self._cluster.pids(), os.getpid()]:
            role = "listeners (this process)" if pid == os.getpid() else role_of(pid)
            if role:
                with contextlib.suppress(OSError):  # it ended just now
                    sample = (now_s, proc.resident_bytes(pid), len(proc.open_files(pid)))
                    self.lives.setdefault(pid, Life(role, pid)).samples.append(sample)

    def problems(self) -> Iterator[str]:
        """Processes that grew."""
        for life in self.lives.values():
            if (found := life.growth()) is None:
                continue
            before, more_bytes, more_files = found
            if more_bytes > max(MAX_GROWTH_BYTES, MAX_GROWTH_SHARE * before):
                yield f"{life.role} {life.pid} grew by {more_bytes / 1e6:.1f} MB from {before / 1e6:.1f} MB"
            if more_files > MAX_MORE_FILES:
                yield f"{life.role} {life.pid} holds {more_files:.0f} descriptors more than at first"

    def summary(self) -> Iterator[str]:
        for role in dict.fromkeys(life.role for life in self.lives.values()):
            lives = [life for life in self.lives.values() if life.role == role]
            peak = max(sample[1] for life in lives for sample in life.samples)
            files = max(sample[2] for life in lives for sample in life.samples)
            judged = [found for life in lives if (found := life.growth()) is not None]
            worst = max((found[1] for found in judged), default=0.0)
            yield (
                f"{role}: {len(lives)} processes, at most {peak / 1e6:.0f} MB and {files} descriptors; "
                f"{len(judged)} lived long enough to judge, worst growth {worst / 1e6:+.1f} MB"
            )
