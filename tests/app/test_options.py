"""Flag beats environment beats hocket.toml beats default; a typo is an error with a proposal."""

import logging
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from hocket.app import options
from hocket.app.options import GIVEN, Program, UsageError


@dataclass(frozen=True)
class _Where:
    data: Path | None = None
    prime: str | None = None


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(options, "SCRIPTS", {"prime": "primeNODE.py", "control": "controlNODE.py"})
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


Calls = list[tuple[object, ...]]


@pytest.fixture
def calls() -> Calls:
    return []


def _installed(monkeypatch: pytest.MonkeyPatch, program: Program) -> Program:
    module = types.ModuleType(f"hocket.app.{program.name}")
    module.PROGRAM = program  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return program


@pytest.fixture
def prime(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program("prime", "Host a cluster.")

    @program.app.default
    def serve(*, listen: str = "127.0.0.1:50001", max_load: int = 6, demo: bool = False) -> None:
        calls.append((listen, max_load, demo))

    return _installed(monkeypatch, program)


@pytest.fixture
def control(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Program:
    program = Program("control", "Look after a cluster.", shared=_Where)

    @program.app.command
    def status(*, json: bool = False, where: Annotated[_Where, GIVEN]) -> int:
        calls.append((json, where))
        return 5

    return _installed(monkeypatch, program)


@pytest.fixture
def both(prime: Program, control: Program) -> Program:
    return prime


def test_defaults(prime: Program, calls: Calls) -> None:
    assert prime([]) == 0
    assert calls == [("127.0.0.1:50001", 6, False)]


def test_flag_beats_environment_beats_file(
    prime: Program, calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "other.toml"
    file.write_text('listen = "0.0.0.0:1"\nmax-load = 2\ndemo = true\n')
    monkeypatch.setenv("HOCKET_LISTEN", "0.0.0.0:2")
    monkeypatch.setenv("HOCKET_MAX_LOAD", "3")
    prime(["--config", str(file), "--listen", "0.0.0.0:3"])
    assert calls == [("0.0.0.0:3", 3, True)]


def test_the_working_directorys_hocket_toml_is_read(prime: Program, calls: Calls) -> None:
    Path("hocket.toml").write_text("max_load = 4\n")
    prime([])
    assert calls == [("127.0.0.1:50001", 4, False)]


@pytest.mark.parametrize("arguments", [["--config=named.toml"], ["--config", "named.toml"], []])
def test_a_named_file_replaces_the_usual_one(
    arguments: list[str], prime: Program, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("hocket.toml").write_text("max-load = 4\ndemo = true\n")
    Path("named.toml").write_text("max-load = 5\n")
    if not arguments:
        monkeypatch.setenv("HOCKET_CONFIG", "named.toml")
    prime(arguments)
    assert calls == [("127.0.0.1:50001", 5, False)]


def test_a_programs_own_table_beats_the_top_level(prime: Program, calls: Calls) -> None:
    Path("hocket.toml").write_text('max-load = 4\n[prime]\nmax-load = 9\n[control]\nprime = "h:1"\n')
    prime([])
    assert calls == [("127.0.0.1:50001", 9, False)]


def test_options_of_other_programs_are_passed_over(
    both: Program, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("hocket.toml").write_text('prime = "h:1"\n')
    monkeypatch.setenv("HOCKET_JSON", "1")
    monkeypatch.setenv("HOCKET_DEBUG", "0")
    both([])
    assert calls == [("127.0.0.1:50001", 6, False)]


def test_misspelt_flag(prime: Program) -> None:
    with pytest.raises(UsageError, match=r"--max-laod\. Did you mean --max-load\?"):
        prime(["--max-laod", "3"])


def test_misspelt_environment_name(both: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOCKET_LISTEM", "x:1")
    with pytest.raises(UsageError, match=r"no setting HOCKET_LISTEM: did you mean HOCKET_LISTEN\?"):
        both([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max-laod = 3", r"hocket\.toml: there is no setting max-laod: did you mean max-load\?"),
        ("[prime]\nlisten_ = 3", r"hocket\.toml, \[prime\]: there is no setting listen-: did you mean listen\?"),
        ("[prime]\njson = true", r"hocket\.toml, \[prime\]: there is no setting json"),
        ("[prim]\nlisten = 3", r"hocket\.toml: there is no setting prim: did you mean prime\?"),
        ("max-load = ", r"hocket\.toml is not valid TOML: Invalid value"),
        ("max-load = 'many'", r"max-load.*many.*int"),
    ],
)
def test_a_wrong_file_is_explained(content: str, message: str, both: Program) -> None:
    Path("hocket.toml").write_text(content)
    with pytest.raises(UsageError, match=message):
        both([])


def test_a_named_file_must_exist(prime: Program) -> None:
    with pytest.raises(UsageError, match=r"cannot read absent\.toml: No such file"):
        prime(["--config", "absent.toml"])


def test_shared_options_stand_before_or_after_the_command(control: Program, calls: Calls) -> None:
    where = _Where(data=Path("d"))
    assert control(["--data", "d", "status", "--json"]) == 5
    assert control(["status", "--json", "--data", "d"]) == 5
    assert calls == [(True, where), (True, where)]


def test_misspelt_shared_option_and_command(control: Program) -> None:
    with pytest.raises(UsageError, match=r"did you mean --data\?"):
        control(["--dat", "x", "status"])
    with pytest.raises(UsageError, match=r'Did you mean "status"\?'):
        control(["statsu"])


def test_help_names_every_source(both: Program, capsys: pytest.CaptureFixture[str]) -> None:
    assert both(["--help"]) == 0
    said = capsys.readouterr().out
    assert "primeNODE.py" in said
    assert "HOCKET_MAX_LOAD" in said
    assert "--config" in said


@pytest.mark.parametrize(
    ("flags", "level"), [([], logging.INFO), (["--verbose"], logging.DEBUG), (["--quiet"], logging.WARNING)]
)
def test_log_level(flags: list[str], level: int, prime: Program) -> None:
    prime(flags)
    assert logging.getLogger().level == level
