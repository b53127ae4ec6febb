"""Builds the shared libraries that some tests preload or plug in, once for each version of their source."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_SOURCES = Path(__file__).resolve().parent / "c"
_BUILT = Path(__file__).resolve().parents[2] / "build" / "kit"
_COMPILE = ("gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-DPIC")


class BuildFailed(RuntimeError):
    """The compiler refused; the text holds what it said."""


def shared_library(name: str, *libraries: str) -> Path:
    """The library built from c/NAME.c, linked with the given ones. Raises BuildFailed.

    Processes that build at the same time do not disturb each other: the finished file is moved into place.
    """
    source = _SOURCES / f"{name}.c"
    argv = [*_COMPILE, str(source), *(f"-l{library}" for library in libraries)]
    digest = hashlib.sha256(source.read_bytes() + " ".join(argv).encode()).hexdigest()[:16]
    target = _BUILT / f"lib{name}-{digest}.so"
    if target.exists():
        return target
    if shutil.which("gcc") is None:
        raise BuildFailed("gcc is missing: install gcc")
    _BUILT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILT) as folder:
        made = Path(folder) / target.name
        done = subprocess.run([*argv, "-o", str(made)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildFailed(f"{source.name}: {done.stderr.strip()}")
        os.replace(made, target)  # noqa: PTH105 - atomic, as its name says
    return target
