"""The real command lines: the contract's flags are there, and asking for help costs no heavy library."""

import importlib
import sys

import pytest

from hocket.app.options import SCRIPTS, Program
from tests.kit.processes import ROOT, run_to_end

CONTRACT = {
    "prime": "listen data music max-load max-users idle node-ports audio demo records",
    "control": "data prime json watch password-stdin",
    "db": "join",
    "file": "join music",
    "user": "headless prime user password-stdin events search json from for output fast device",
}
HEAVY = ("numpy", "sounddevice", "rtmixer", "av", "PySide6", "pyqtgraph", "keyring", "sqlalchemy", "alembic")


def _program(name: str) -> Program:
    found = importlib.import_module(f"hocket.app.{name}").PROGRAM
    assert isinstance(found, Program)
    return found


@pytest.mark.parametrize("name", CONTRACT)
def test_a_program_has_the_contracts_flags(name: str) -> None:
    assert set(CONTRACT[name].split()) - _program(name).option_names() == set()


@pytest.mark.parametrize("name", CONTRACT)
def test_a_command_line_loads_no_heavy_library(name: str) -> None:
    code = f"import sys, hocket.app.{name}; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = run_to_end([sys.executable, "-c", code])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("name", CONTRACT)
def test_help_and_a_typo_from_the_shell(name: str) -> None:
    script = ROOT / SCRIPTS[name]
    shown = run_to_end([sys.executable, script, "--help"])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert SCRIPTS[name] in shown.stdout
    refused = run_to_end([sys.executable, script, "--hlep"])
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
