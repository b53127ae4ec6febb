"""Folders that may not be written, and disks that are full."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Inside, this process may read the folder but not write to it, also where the tests run as root.

    Everybody may pass the folder's parents meanwhile, as far as they belong to this user.
    """
    opened = [parent for parent in folder.parents if parent.stat().st_uid == os.getuid()]
    modes = {path: path.stat().st_mode & 0o7777 for path in (folder, *opened)}
    for path in opened:
        path.chmod(modes[path] | 0o111)
    folder.chmod(0o555)
    as_root = os.geteuid() == 0
    if as_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if as_root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@contextlib.contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[None]:
    """A disk of its own, with so much room, on an empty folder. Skips the test where that needs root."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k,mode=755", "hocket-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs to mount a small disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave_bytes: int = 0) -> None:
    """Take what room is left on a small disk, but for so many bytes."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    size_bytes = (folder / "filler").stat().st_size
    os.truncate(folder / "filler", max(0, size_bytes - leave_bytes))
