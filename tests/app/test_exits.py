"""Every error ends a program with the contract's exit code and plain words."""

import asyncio
import re
import sys
import textwrap
from pathlib import Path
from typing import NoReturn

import pytest

from hocket.app import exits
from hocket.app.exits import EXIT_CODES, run_program
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from tests.kit.processes import run_to_end


def _exit_code_of(error: BaseException) -> int:
    def fail() -> NoReturn:
        raise error

    with pytest.raises(SystemExit) as caught:
        run_program(fail)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_every_error_code_has_an_exit_code_of_the_contract() -> None:
    assert set(EXIT_CODES) == set(ErrorCode)
    assert set(EXIT_CODES.values()) == {1, 2, 3, 4, 5, 6, 7}


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (ErrorCode.USAGE, 2),
        (ErrorCode.LOGIN_REFUSED, 3),
        (ErrorCode.TOKEN_REFUSED, 3),
        (ErrorCode.NOT_REACHABLE, 4),
        (ErrorCode.TRACK_MISSING, 5),
        (ErrorCode.CLUSTER_FULL, 6),
        (ErrorCode.PLAYBACK_LOST, 7),
    ],
)
def test_a_known_error_is_told_in_plain_words(
    code: ErrorCode, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _exit_code_of(HocketError("it did not work", code=code, hint="try again")) == exit_code
    assert capsys.readouterr().err == "error: it did not work\nhint: try again\n"


@pytest.mark.parametrize("error", [ValueError("odd"), HocketError("odd", code=ErrorCode.ILLEGAL_TRANSITION)])
def test_a_bug_says_where_to_report_it(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code_of(error) == 1
    said = capsys.readouterr().err
    assert re.match(r"error: this is a bug in Hocket: \w+: odd \(at .*test_exits\.py:\d+\)\nhint: .*report", said)
    assert "Traceback" not in said


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOCKET_DEBUG", "1")
    assert _exit_code_of(NotReachable("nobody at 127.0.0.1:1")) == 4
    assert "Traceback" in capsys.readouterr().err


def test_an_error_out_of_a_task_group_keeps_its_code() -> None:
    async def fail() -> NoReturn:
        raise NotReachable("nobody there")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    with pytest.raises(SystemExit) as caught:
        run_program(lambda: asyncio.run(main()))
    assert caught.value.code == exits.UNREACHABLE


def test_a_group_with_a_bug_in_it_is_a_bug() -> None:
    assert _exit_code_of(ExceptionGroup("two", [NotReachable("nobody there"), KeyError("x")])) == exits.BUG


def test_return_values_become_exit_codes() -> None:
    for result, exit_code in ((None, 0), (0, 0), (5, 5)):
        with pytest.raises(SystemExit) as caught:
            run_program(lambda result=result: result)  # type: ignore[misc]
        assert caught.value.code == exit_code


def test_ctrl_c_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code_of(KeyboardInterrupt()) == exits.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    script = tmp_path / "talker.py"
    script.write_text(
        textwrap.dedent(
            """
            from hocket.app.exits import run_program

            def talk():
                for _ in range(100_000):
                    print("a line of output")

            run_program(talk)
            """
        )
    )
    done = run_to_end(
        ["bash", "-c", f"set -o pipefail; {sys.executable} {script} | head -n 1"], env={"PYTHONPATH": "."}
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "a line of output", "")


def test_a_missing_library_is_no_bug_but_a_missing_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code_of(ModuleNotFoundError("No module named 'msgspec'", name="msgspec")) == exits.USAGE
    said = capsys.readouterr().err
    assert "msgspec is not installed" in said
    assert "make run" in said
    assert _exit_code_of(ModuleNotFoundError("No module named 'hocket.x'", name="hocket.x")) == exits.BUG
