"""A leaking test is found out, and an honest one is left alone."""

import os
import re
import signal

import pytest

from tests.kit.processes import ROOT

CONFTEST = """
from tests.conftest import nothing_left_behind, nothing_left_by_the_session
"""
IMPATIENT = """
from tests.kit import leaks

leaks.GRACE_S = leaks.TASK_GRACE_S = 0.2
"""

LEAKING = """
import asyncio, os, socket, subprocess, sys, tempfile, threading
import pytest

kept = []

def test_thread():
    stop = threading.Event()
    kept.append(stop)
    threading.Thread(target=stop.wait, name="leaked-thread", daemon=True).start()

def test_socket():
    kept.append(socket.socket())

def test_file(tmp_path):
    kept.append((tmp_path / "left-open").open("w"))

def test_child():
    kept.append(subprocess.Popen(["sleep", "1001"]))

def test_unwaited_child():
    child = subprocess.Popen(["true"])
    kept.append(child)

def test_orphan():
    # The middle process ends at once, so that the sleeper is nobody's child any more.
    subprocess.run([sys.executable, "-c", "import subprocess; subprocess.Popen(['sleep', '1002'])"], check=True)

def test_task():
    async def main():
        kept.append(asyncio.create_task(asyncio.Event().wait(), name="leaked-task"))
    asyncio.run(main())

def test_temp_file():
    with tempfile.NamedTemporaryFile(delete=False, suffix="-leaked-file") as file:
        file.write(b"x")
"""

HONEST = """
import asyncio, logging, socket, subprocess, tempfile, threading
from hypothesis import given, strategies

def test_all_given_back(tmp_path):
    thread = threading.Thread(target=lambda: None)
    thread.start()
    with socket.socket(), tempfile.TemporaryDirectory(), (tmp_path / "kept").open("w"):
        subprocess.run(["true"], check=True)
    thread.join()

def test_ends_within_the_grace():
    threading.Timer(0.2, lambda: None).start()

def test_task_ends_within_the_grace():
    async def main():
        asyncio.create_task(asyncio.sleep(0.1))
    asyncio.run(main())

def test_child_of_asyncio():
    async def main():
        child = await asyncio.create_subprocess_exec("true")
        await child.wait()
    asyncio.run(main())

@given(strategies.text())
def test_hypothesis_and_logging(text):
    logging.getLogger("x").warning("%r", text)
"""


def _run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tests: str, conftest: str = CONFTEST
) -> pytest.RunResult:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(conftest)
    pytester.makepyfile(tests)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


def test_leaks_fail_the_test_that_left_them(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(pytester, monkeypatch, LEAKING, CONFTEST + IMPATIENT)
    output = result.stdout.str()
    for pid in re.findall(r"process (\d+) still runs: sleep", output):
        os.kill(int(pid), signal.SIGKILL)

    result.assert_outcomes(passed=8, errors=8)
    assert "thread still runs: leaked-thread" in output
    assert "still open: socket:" in output
    assert "left-open" in output
    assert "still runs: sleep 1001" in output
    assert "ended but was never waited for" in output
    assert "still runs: sleep 1002" in output
    assert "name='leaked-task'" in output
    assert "-leaked-file" in output


def test_tests_that_give_everything_back_pass(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(pytester, monkeypatch, HONEST).assert_outcomes(passed=5)


def test_fixture_of_wider_scope_is_watched_too(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _run(
        pytester,
        monkeypatch,
        """
        import socket
        import pytest

        kept = []

        @pytest.fixture(scope="module")
        def server():
            kept.append(socket.socket())

        def test_one(server):
            pass
        """,
        CONFTEST + IMPATIENT,
    )

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*module, class or session scope*"])
