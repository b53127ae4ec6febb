"""The files at the root: short, and helpful to whoever starts them before installing anything."""

import sys
import venv
from pathlib import Path

import pytest

import helperFunctions
from hocket.app.options import SCRIPTS
from hocket.core import settings
from tests.kit.processes import ROOT, run_to_end


@pytest.mark.parametrize("script", SCRIPTS.values())
def test_a_root_script_is_short(script: str) -> None:
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) < 20


@pytest.mark.parametrize("script", SCRIPTS.values())
def test_without_its_libraries_a_script_says_what_to_do(script: str, bare_python: Path) -> None:
    done = run_to_end([bare_python, ROOT / script, "--help"])
    assert done.returncode == 2
    assert "is not installed for" in done.stderr
    assert "hint: run `make run`" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter without any library."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / Path(sys.executable).name


def test_helper_functions_hold_every_setting() -> None:
    names = [name for name in vars(settings) if name.isupper()]
    assert names
    for name in names:
        assert getattr(helperFunctions, name) == getattr(settings, name)
