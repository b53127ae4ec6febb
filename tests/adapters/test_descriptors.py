"""A node does not stop at the thousand open files that a shell hands out."""

import resource
import subprocess
import sys

import pytest

from hocket.adapters.descriptors import WANTED
from tests.kit.processes import ROOT

PROGRAM = """
import resource
from hocket.adapters.descriptors import allow_many
print(allow_many(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 128), (128, 128), (256, 512)])
def test_the_limit_is_raised_as_far_as_it_may_be(soft: int, hard: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    assert done.stdout.split() == [str(hard)] * 3
    assert hard < WANTED
