"""What holds before there is a database at all."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hocket.adapters.records import Records
from hocket.adapters.records.errors import RecordsUrlWrong
from hocket.adapters.records.worker import Worker
from hocket.core.errors import ErrorCode
from tests.adapters.records.backend import Backend


def test_importing_it_loads_no_database_library() -> None:
    script = (
        "import hocket.adapters.records, sys; "
        "sys.exit(any(name in sys.modules for name in ('sqlalchemy', 'sqlite3', 'psycopg', 'alembic')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "postgres:/hidden@host",
        "oracle://a:hidden@host/db",
        "strange://a:hidden@host",
        "postgresql+asyncpg://a:hidden@host/db",
    ],
)
def test_a_url_that_names_no_usable_database_says_so_and_hides_passwords(url: str, tmp_path: Path) -> None:
    with pytest.raises(RecordsUrlWrong) as caught:
        Backend(url, tmp_path)(Records.count_users)
    assert caught.value.code is ErrorCode.USAGE
    assert "hidden" not in str(caught.value)


def test_a_job_that_hangs_keeps_nobody() -> None:
    async def run() -> None:
        worker, go_on = Worker("test"), threading.Event()
        try:
            with pytest.raises(TimeoutError):
                await worker.run(lambda: go_on.wait(20), 0.05)
            with pytest.raises(TimeoutError):  # it waits in the queue, and is dropped there
                await worker.run(lambda: pytest.fail("nobody waits for this any more"), 0.05)
            await worker.close(0.05)
        finally:
            go_on.set()
            await worker.close(10)

    asyncio.run(run())


def test_jobs_run_one_after_the_other_and_errors_reach_who_asked() -> None:
    async def run() -> None:
        worker = Worker("test")
        done: list[int] = []
        await asyncio.gather(*(worker.run(lambda i=i: done.append(i), 10) for i in range(20)))  # type: ignore[misc]
        assert done == list(range(20))
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0, 10)
        assert await worker.run(threading.current_thread, 10) is not threading.current_thread()
        await worker.close(10)

    asyncio.run(run())
