"""Every older store gets to today's schema with all it holds, and to the same schema as a fresh one."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from hocket.adapters.records import Records, RecordsBroken
from hocket.adapters.records.migrate import REVISIONS
from hocket.adapters.records.schema import VERSION_TABLE, metadata
from hocket.adapters.records.target import Target
from hocket.auth.accounts import Rights, User
from hocket.core.ids import UserName
from tests.adapters.records.backend import Backend
from tests.kit.postgres import Postgres

ANNA = User(UserName("Anna"), "a hash", Rights.LISTEN | Rights.OPERATE, True, 1_600_000_000)
INSERT_ANNA = text(
    "INSERT INTO users (name, name_folded, password_hash, rights, disabled, created_unix_s) "
    "VALUES ('Anna', 'anna', 'a hash', 3, true, 1600000000)"
)


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "hocket.adapters.records:migrations")
    return config


@contextlib.contextmanager
def connected(store: Backend) -> Iterator[Connection]:
    target = Target(store.url or store.folder / "records.sqlite")
    try:
        with target.engine.begin() as connection:
            yield connection
    finally:
        target.engine.dispose()


def make_old(store: Backend, revision: str) -> None:
    """A store as an older Hocket left it."""
    with connected(store) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.execute(INSERT_ANNA)


def layout(store: Backend) -> dict[str, object]:
    """All that the database says about its tables."""
    with connected(store) as connection, warnings.catch_warnings():
        look = inspect(connection)
        return {
            name: (
                [{**column, "type": str(column["type"])} for column in look.get_columns(name)],
                look.get_pk_constraint(name),
                sorted(map(str, look.get_unique_constraints(name))),
                sorted(map(str, look.get_indexes(name))),
                look.get_foreign_keys(name),
            )
            for name in look.get_table_names()
        }


def test_the_known_revisions_are_those_that_there_are() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS
    assert scripts.get_heads() == [REVISIONS[-1]]


class MigrationContract:
    """Subclasses give fixtures `store` and `other_store`: empty ones."""

    @pytest.mark.parametrize("revision", REVISIONS)
    def test_an_older_store_is_brought_up_to_date_with_all_it_holds(self, store: Backend, revision: str) -> None:
        make_old(store, revision)
        generation = 0 if revision == REVISIONS[-1] else ANNA.created_unix_s
        assert store(lambda records: records.users()) == [msgspec.structs.replace(ANNA, generation=generation)]
        with connected(store) as connection:
            assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all() == [
                REVISIONS[-1]
            ]
            context = MigrationContext.configure(
                connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
            )
            assert compare_metadata(context, metadata) == []

    def test_a_migrated_store_is_laid_out_as_a_fresh_one(self, store: Backend, other_store: Backend) -> None:
        make_old(store, REVISIONS[0])
        store(Records.count_users)
        other_store(Records.count_users)
        assert layout(store) == layout(other_store)

    def test_a_migration_that_fails_changes_nothing(self, store: Backend) -> None:
        make_old(store, REVISIONS[0])
        with connected(store) as connection:
            connection.execute(text("CREATE TABLE removed_nodes (a INTEGER)"))  # in the way of the second revision
        before = layout(store)
        assert "join_tokens" not in before
        with pytest.raises(RecordsBroken, match="removed_nodes"):
            store(Records.count_users)
        assert layout(store) == before


class TestSqlite(MigrationContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Backend:
        return Backend("", tmp_path)

    @pytest.fixture
    def other_store(self, tmp_path: Path) -> Backend:
        (tmp_path / "other").mkdir()
        return Backend("", tmp_path / "other")


@pytest.mark.postgres
class TestPostgres(MigrationContract):
    @pytest.fixture
    def store(self, postgres_url: str, tmp_path: Path) -> Backend:
        return Backend(postgres_url, tmp_path)

    @pytest.fixture
    def other_store(self, postgres: Postgres, tmp_path: Path) -> Iterator[Backend]:
        with postgres.database() as url:
            yield Backend(url, tmp_path)
