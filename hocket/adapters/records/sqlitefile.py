"""The SQLite file: made in one step, checked before it is trusted, never made anew in place of a damaged one."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from hocket.adapters.datafolder import DataUnwritable
from hocket.adapters.records.errors import RESTORE, RecordsBroken


def prepare_file(path: Path) -> None:
    """See that there is a SQLite file at `path`, 0600; make one where there is nothing at all.

    Raises RecordsBroken for what is left of a store, DataUnwritable.
    """
    try:
        if path.exists():
            if path.stat().st_size == 0:  # SQLite would take it for a new one
                raise RecordsBroken(f"the record store {path} is empty", hint=RESTORE)
            return
        _refuse_remains(path)
        _make(path)
    except OSError as error:
        raise DataUnwritable(path, error) from None


def check_file(path: Path, connection: Connection) -> None:
    """Read every page once. Raises RecordsBroken for damage that no query may meet for a long time."""
    found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    if found != "ok":
        raise RecordsBroken(f"the record store {path} is damaged: {found}", hint=RESTORE)


def _make(path: Path) -> None:
    """A file with a header and no tables, renamed into place: an empty file at `path` is never ours."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(unfinished)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        raise DataUnwritable(path, OSError(None, str(error))) from None
    unfinished.replace(path)


def _refuse_remains(path: Path) -> None:
    """SQLite would play a log that is left over into the new file."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise RecordsBroken(f"the record store {path} is missing, but its log {log.name} is there", hint=RESTORE)
