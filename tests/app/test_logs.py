"""Log lines are for people and hold no secrets."""

import logging
import re
from collections.abc import Iterator

import pytest

from hocket.app import logs


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_secrets", set())
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_logger_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logs()
    logging.getLogger("hocket.nodes.prime").info("node %s joined", "auth-1")
    logging.getLogger("hocket.nodes.prime").debug("not shown")
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO    hocket\.nodes\.prime: node auth-1 joined\n", said.err
    )


def test_set_up_twice_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logs()
    logs.set_up_logs(logging.WARNING)
    logging.getLogger("x").warning("once")
    logging.getLogger("x").info("too quiet")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_hidden_secret_is_in_no_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logs()
    logs.hide("correct horse")
    try:
        raise ValueError("correct horse is wrong")
    except ValueError:
        logging.getLogger("x").exception("login with %r", "correct horse")
    said = capsys.readouterr().err
    assert "correct horse" not in said
    assert "login with '(hidden)'" in said
    assert "ValueError: (hidden) is wrong" in said


def test_an_empty_or_tiny_secret_garbles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logs()
    logs.hide("")
    logs.hide("a")
    logging.getLogger("x").info("a banana")
    assert capsys.readouterr().err.endswith("x: a banana\n")


def test_what_a_peer_says_cannot_steer_the_terminal_or_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up_logs()
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("%s left", "Zoë\x1b[2J\n2026-01-01 forged \u202e")
    line, *traceback = capsys.readouterr().err.splitlines()
    assert line.endswith("x: Zoë\ufffd[2J\ufffd2026-01-01 forged \ufffd left")
    assert traceback[-1] == "ValueError: broken"
