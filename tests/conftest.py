"""Fixtures for every test: nothing may be left behind."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kit.leaks import MARK, LeakWatch
from tests.kit.needs import lacking
from tests.kit.postgres import Postgres, postgres_cluster
from tests.kit.priority import first
from tests.kit.pulse import Pulse, pulse_daemon
from tests.kit.wan_fixtures import make_wan, wan  # noqa: F401 - fixtures for every room


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        lacking("needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Music that other tests on the same cores interrupt says nothing about the player."""
    in_time = item.get_closest_marker("in_time") or item.get_closest_marker("sound")
    with first() if in_time else contextlib.nullcontext():
        return (yield)


# Started in the background of a script, as CI may be, it ignores Ctrl+C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same programs start hundreds of times: compiling them anew would be half of what each start costs.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False


# Deadlines would judge the machine, not the code. In CI the examples are the same in every run of one commit;
# at a developer's desk they are new ones each time.
settings.register_profile("hocket", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("hocket")


@pytest.fixture(scope="session", autouse=True)
def nothing_left_by_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What fixtures of a wider scope than one test started is gone in the end, too."""
    tmp_path_factory.getbasetemp()  # before any test's TMPDIR is set: tmp_path lives outside of it
    watch = LeakWatch()
    yield
    if leaks := watch.leaks():
        pytest.fail("left behind by a fixture of module, class or session scope:\n" + "\n".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left_behind(
    nothing_left_by_the_session: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Fails a test that leaves a thread, process, descriptor, asyncio task or temp file behind.

    TMPDIR is a folder of the test's own; it is the last fixture to end, so that what other fixtures
    hold is closed by then.
    """
    temp_folder = Path(tempfile.mkdtemp(prefix="t-"))
    watch = LeakWatch(temp_folder)
    monkeypatch.setenv("TMPDIR", str(temp_folder))
    monkeypatch.setenv(MARK, watch.mark)
    monkeypatch.setattr(tempfile, "tempdir", None)
    try:
        with watch.watching_tasks():
            yield
        leaks = watch.leaks()
    finally:
        shutil.rmtree(temp_folder, ignore_errors=True)
    if leaks:
        pytest.fail(f"{request.node.name} left behind:\n" + "\n".join(leaks), pytrace=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL cluster for all tests that want it."""
    with postgres_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    """A sound daemon whose null sink (44.1 kHz, 16 bit, stereo) can be recorded."""
    with tempfile.TemporaryDirectory(prefix="pa-") as folder, pulse_daemon(Path(folder)) as daemon:
        yield daemon
