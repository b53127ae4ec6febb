"""A machine whose clocks are wrong: off by some ppm, or by an hour, for the programs that are given its environment.

    with SkewClock(ppm=200) as clock:
        Program([...], env=clock.env)
        clock.jump(3600)

Every program with the same `env` lives on the same machine: its clocks agree. See c/skewclock.c for what is bent.
"""

import mmap
import os
import struct
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kit import cbuild

_LAYOUT = struct.Struct("=qdq")
_WALL_OFFSET_AT = 16
_NS_PER_S = 1_000_000_000


class SkewClock:
    """Use it as a context, around the programs that use it.

    ppm: how much faster than true its clocks run. since_s: for how long they have done so already.
    wall_offset_s: how far its calendar is ahead besides. Raises cbuild.BuildFailed without a C compiler.
    """

    def __init__(self, *, ppm: float = 0.0, since_s: float = 0.0, wall_offset_s: float = 0.0) -> None:
        self._library = cbuild.shared_library("skewclock")
        base_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - round(since_s * _NS_PER_S)
        descriptor, path = tempfile.mkstemp(prefix="skewclock-")
        self._path = Path(path)
        with os.fdopen(descriptor, "w+b") as file:
            file.write(_LAYOUT.pack(base_ns, ppm, round(wall_offset_s * _NS_PER_S)))
            file.flush()
            self._shared = mmap.mmap(file.fileno(), _LAYOUT.size)

    @property
    def env(self) -> dict[str, str]:
        """What a program needs in its environment to live on this machine."""
        return {"LD_PRELOAD": str(self._library), "SKEWCLOCK": str(self._path)}

    def jump(self, seconds: float) -> None:
        """Set the calendar forward (or back), for programs that run already, too; monotonic clocks do not jump."""
        (offset_ns,) = struct.unpack_from("=q", self._shared, _WALL_OFFSET_AT)
        struct.pack_into("=q", self._shared, _WALL_OFFSET_AT, offset_ns + round(seconds * _NS_PER_S))

    def close(self) -> None:
        self._shared.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
