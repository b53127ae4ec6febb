"""A PostgreSQL cluster of the tests' own, in a temp folder, on a UNIX socket; never a service of the system."""

import os
import pwd
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.needs import lacking
from tests.kit.processes import Program, run_to_end

_DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")
_QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")
"""The data need not outlive the machine's power."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running cluster."""

    folder: Path
    user: str

    def dsn(self, database: str) -> str:
        return f"host={self.folder} user={self.user} dbname={database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database for as long as the context lasts; yields its SQLAlchemy URL."""
        name = f"t{uuid.uuid4().hex}"
        self._run(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield f"postgresql+psycopg://{self.user}@/{name}?host={self.folder}"
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        import psycopg  # every test run loads this module, few need the driver

        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_cluster() -> Iterator[Postgres]:
    """Make and run a cluster. Skips the test where the server programs are missing."""
    programs = _programs()
    user = _server_user()
    # Not under a test's TMPDIR: that is closed to other users, and a server never runs as root.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        made = run_to_end(
            [programs / "initdb", "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "hocket", data],
            cwd=folder,
            user=user,
        )
        assert made.returncode == 0, made.stderr
        command: list[str | Path] = [
            programs / "postgres",
            "-D",
            data,
            "-k",
            folder,
            "-c",
            "listen_addresses=",
            *_QUICK,
        ]
        with Program(command, cwd=folder, user=user) as server:
            server.wait_error_line("ready to accept connections")
            yield Postgres(folder, "hocket")
            server.send_signal(signal.SIGINT)  # "fast shutdown": ends sessions, then itself
            server.wait_exit()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """The folder of initdb and postgres, the newest version where there are several."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = [path.parent for path in _DEBIAN_PROGRAMS.glob("*/bin/initdb")]
    if not versions:
        lacking("records in PostgreSQL need its server programs: scripts/system-packages.sh test")
    return max(versions, key=lambda path: float(path.parent.name))


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root; somebody without rights runs it then."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    found = next((name for name in ("postgres", "nobody") if name in known), None)
    if found is None:
        lacking("PostgreSQL does not run as root, and there is no user postgres or nobody")
    return found
