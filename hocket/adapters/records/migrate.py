"""Bring a store's schema up to date. Nobody ever runs a migration by hand."""

from sqlalchemy import Connection, insert, inspect, select

from hocket.adapters.records import schema
from hocket.adapters.records.errors import RecordsBroken, RecordsTooNew
from hocket.adapters.records.target import Target

REVISIONS = ("0001", "0002", "0003")
"""Every schema revision, oldest first; the last one is what this program works with."""


def bring_up_to_date(target: Target, connection: Connection) -> None:
    """Set up an empty database, or migrate an older one, inside the connection's transaction.

    Raises RecordsTooNew, RecordsBroken.
    """
    found = _revision(target, connection)
    if found == REVISIONS[-1]:
        return
    if found is None:
        _create(target, connection)
    elif found in REVISIONS:
        _upgrade(connection)
    else:
        raise RecordsTooNew(
            f"the record store {target} was changed by a newer Hocket (its schema is {found}, this one knows up to "
            f"{REVISIONS[-1]})",
            hint="update Hocket on this machine",
        )


def _revision(target: Target, connection: Connection) -> str | None:
    if not inspect(connection).has_table(schema.VERSION_TABLE):
        return None
    revisions = connection.execute(select(schema.version.c.version_num)).scalars().all()
    if len(revisions) != 1:
        raise RecordsBroken(
            f"the record store {target} does not say which schema it has ({len(revisions)} entries)",
            hint="restore a backup",
        )
    return str(revisions[0])


def _create(target: Target, connection: Connection) -> None:
    """At once and without Alembic, whose import takes as long as everything else together."""
    tables = set(inspect(connection).get_table_names()) & set(schema.metadata.tables)
    if tables:
        raise RecordsBroken(
            f"the database {target} has tables which are not Hocket's: {', '.join(sorted(tables))}",
            hint="give Hocket a database of its own",
        )
    schema.metadata.create_all(connection, checkfirst=False)
    schema.version.create(connection, checkfirst=False)
    connection.execute(insert(schema.version).values(version_num=REVISIONS[-1]))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a large table takes its time
    config = Config()
    config.set_main_option("script_location", "hocket.adapters.records:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISIONS[-1])
