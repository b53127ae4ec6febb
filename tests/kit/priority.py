"""Who may go first on a busy machine."""

import contextlib
import os
from collections.abc import Iterator

FIRST_NICE = -10


@contextlib.contextmanager
def first() -> Iterator[None]:
    """What this thread does and starts meanwhile goes before other programs, as sound does on a desktop.

    Where that is not allowed (it takes root), nothing changes.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, min(before, FIRST_NICE))
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
