"""From what --records says to an engine, and from database errors to ours."""

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from hocket.adapters.datafolder import DataUnwritable
from hocket.adapters.records.errors import RESTORE, RecordsBroken, RecordsUnreachable, RecordsUrlWrong
from hocket.core.errors import HocketError

BUSY_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 6_000

_POSTGRES_DRIVER = "postgresql+psycopg"
_POSTGRES = {
    "connect_timeout": str(CONNECT_TIMEOUT_S),
    "tcp_user_timeout": str(STATEMENT_TIMEOUT_MS),
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "application_name": "hocket",
}
"""A server that hangs is noticed before whoever waits for us gives up. A URL's own settings win."""

_UNWRITABLE = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class Target:
    """Which database, said so that it can be shown: `str` leaves out every password."""

    def __init__(self, database: str | Path) -> None:
        """A SQLAlchemy URL, or the path of a SQLite file. Raises RecordsUrlWrong."""
        try:
            self.url = _url(database)
            self.engine = _engine(self.url)
        except (ArgumentError, ImportError, ValueError) as error:
            # The error may hold the whole URL; its kind must do.
            raise RecordsUrlWrong(
                f"--records does not name a database that can be used ({type(error).__name__})",
                hint="write a SQLAlchemy URL, as in postgresql://USER:PASSWORD@HOST/DATABASE; drivers for others than "
                "SQLite and PostgreSQL have to be installed",
            ) from None
        if self.engine.dialect.is_async:
            raise RecordsUrlWrong(f"{self} names an asyncio driver", hint="leave the driver's name away")

    @property
    def sqlite_path(self) -> Path | None:
        """The file, if it is SQLite in a file."""
        if self.url.get_backend_name() != "sqlite" or self.url.database in (None, "", ":memory:"):
            return None
        return Path(str(self.url.database))

    def __str__(self) -> str:
        path = self.sqlite_path
        return str(path) if path is not None else self.url.set(query={}).render_as_string(hide_password=True)

    @contextlib.contextmanager
    def translating(self) -> Iterator[None]:
        """Turn errors of the database into ours; IntegrityError passes, its meaning is the caller's."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise self.translated(error) from None

    def translated(self, error: DBAPIError) -> HocketError:
        """What an error of the database means."""
        path = self.sqlite_path
        if path is not None:
            return _sqlite_error(path, error.orig)
        # The lines after the first one may show a whole row, but for a failed connection they say why.
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        if isinstance(error, OperationalError | InterfaceError):
            reason = lines[0] if error.statement else " ".join(line.strip() for line in lines)
            return RecordsUnreachable(
                f"the record store {self} is not reachable: {reason}",
                hint="start its server, mend --records, or let this machine in there",
            )
        return RecordsBroken(f"the record store {self} failed: {lines[0]}", hint="look at its server's log")


def _sqlite_error(path: Path, error: BaseException | None) -> HocketError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # less the extended part
    if code in _UNWRITABLE:
        return DataUnwritable(path, OSError(errno.ENOSPC if code == sqlite3.SQLITE_FULL else None, str(error)))
    if code in _BUSY:
        return RecordsUnreachable(f"the record store {path} is in use by another program", hint="end that one")
    return RecordsBroken(f"the record store {path} is damaged: {error}", hint=RESTORE)


def _url(database: str | Path) -> URL:
    if isinstance(database, Path):
        return URL.create("sqlite", database=str(database))
    url = make_url(database)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername=_POSTGRES_DRIVER)
    if url.drivername == _POSTGRES_DRIVER:
        url = url.update_query_dict({key: value for key, value in _POSTGRES.items() if key not in url.query})
    return url


def _engine(url: URL) -> Engine:
    # One thread uses it: one connection. Parameters are hidden because they are password hashes.
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_pre_ping=True, hide_parameters=True
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _limit_postgres)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:
    # The sqlite3 module would commit before each CREATE TABLE: a migration must be whole or absent.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={round(BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _limit_postgres(connection: Connection) -> None:
    # For this transaction only, and not as the connection's option: poolers such as PgBouncer refuse those.
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
