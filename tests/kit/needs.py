"""What a test needs of the machine: absent, it is skipped with the reason; in CI, where it is installed, it fails."""

import os
import shutil
from typing import NoReturn

import pytest


def need_programs(*names: str, why: str) -> None:
    """Skip the test unless all these programs are on the PATH."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        lacking(f"{why} needs {', '.join(missing)}: scripts/system-packages.sh test")


def lacking(reason: str) -> NoReturn:
    """End the test as skipped; as failed where CI says that everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (not skipped in CI)", pytrace=False)
    pytest.skip(reason)
