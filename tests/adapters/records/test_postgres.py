"""The record store in PostgreSQL: it meets the contract, and says what is wrong with a server."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from hocket.adapters.records import Records, RecordsBroken, RecordsTooNew, RecordsUnreachable, target
from hocket.core.errors import ErrorCode
from hocket.core.ids import UserName
from tests.adapters.records.backend import Backend
from tests.adapters.records.contract import RecordsContract
from tests.kit.postgres import Postgres, postgres_cluster

pytestmark = pytest.mark.postgres

SECRET = "do-not-show-me"


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> Backend:
    return Backend(postgres_url, tmp_path)


class TestContract(RecordsContract):
    pass


async def add_anna(records: Records) -> None:
    await records.add_user(UserName("Anna"), "hash")


def execute(postgres: Postgres, store: Backend, statement: str) -> None:
    with psycopg.connect(postgres.dsn(str(make_url(store.url).database)), autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_usual_url_needs_no_drivers_name(store: Backend, scheme: str) -> None:
    store.url = store.url.replace("postgresql+psycopg", scheme)
    store(add_anna)
    assert store(Records.count_users) == 1


def test_nothing_is_put_into_the_data_folder(store: Backend) -> None:
    store(add_anna)
    assert list(store.folder.iterdir()) == []


def test_a_connection_that_broke_is_made_anew(store: Backend, postgres: Postgres) -> None:
    async def use(records: Records) -> int:
        await add_anna(records)
        execute(
            postgres, store, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hocket'"
        )
        return await records.count_users()

    assert store(use) == 1


def test_a_server_that_goes_away_says_so(tmp_path: Path) -> None:
    async def use(url: str) -> Records:
        records = await Records.open(url, tmp_path)
        await add_anna(records)
        return records

    async def run() -> None:
        with postgres_cluster() as cluster:
            records = await use(f"postgresql:///postgres?host={cluster.folder}&user={cluster.user}")
        with pytest.raises(RecordsUnreachable, match="not reachable") as caught:
            await records.count_users()
        assert caught.value.code is ErrorCode.RECORDS_UNREACHABLE
        await records.close()

    asyncio.run(run())


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_server_that_says_nothing_is_given_up(deaf_port: int, tmp_path: Path) -> None:
    store = Backend(f"postgresql://anna:{SECRET}@127.0.0.1:{deaf_port}/db?connect_timeout=2", tmp_path)
    with pytest.raises(RecordsUnreachable, match="not reachable"):
        store(Records.count_users)


@pytest.mark.parametrize("where", ["@127.0.0.1:1/db", "@/db?host=/nowhere"])
def test_no_server_says_so_without_the_password(
    where: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    joint = "&" if "?" in where else "?"
    store = Backend(f"postgresql://anna:{SECRET}{where}{joint}sslpassword={SECRET}", tmp_path)
    with caplog.at_level(logging.DEBUG), pytest.raises(RecordsUnreachable, match="not reachable") as caught:
        store(Records.count_users)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__} {caplog.text} {capfd.readouterr()}"
    assert SECRET not in shown
    assert "anna" in shown
    assert "--records" in caught.value.hint


def test_a_wrong_database_or_user_says_so(postgres: Postgres, tmp_path: Path) -> None:
    for url in (
        f"postgresql://{postgres.user}@/missing?host={postgres.folder}",
        f"postgresql://nobody@/postgres?host={postgres.folder}",
    ):
        with pytest.raises(RecordsUnreachable, match="does not exist"):
            Backend(url, tmp_path)(Records.count_users)


def test_a_user_who_may_not_make_tables_is_told_so(store: Backend, postgres: Postgres) -> None:
    execute(
        postgres,
        store,
        "DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    guest = Backend(store.url.replace(f"//{postgres.user}@", "//guest@"), store.folder)
    try:
        with pytest.raises(RecordsBroken, match="permission denied"):
            guest(Records.count_users)
    finally:
        execute(postgres, store, "DROP ROLE guest")


def test_a_newer_hockets_store_says_so(store: Backend, postgres: Postgres) -> None:
    store(add_anna)
    execute(postgres, store, "UPDATE hocket_schema SET version_num = '9001'")
    with pytest.raises(RecordsTooNew, match="9001"):
        store(Records.count_users)


def test_a_lost_table_is_not_made_anew(store: Backend, postgres: Postgres) -> None:
    store(add_anna)
    execute(postgres, store, "DROP TABLE users")
    with pytest.raises(RecordsBroken, match="does not exist"):
        store(Records.count_users)


def test_a_statement_that_hangs_is_given_up(
    store: Backend, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(records: Records) -> None:
        await add_anna(records)
        with psycopg.connect(postgres.dsn(str(make_url(store.url).database))) as other:
            other.execute("LOCK TABLE users")
            monkeypatch.setattr(target, "STATEMENT_TIMEOUT_MS", 200)
            with pytest.raises(RecordsUnreachable, match="statement timeout"):
                await records.count_users()
        assert await records.count_users() == 1

    store(use)


def test_a_failed_statement_shows_no_password_hash(store: Backend, postgres: Postgres) -> None:
    async def use(records: Records) -> None:
        execute(postgres, store, "ALTER TABLE users ADD CONSTRAINT odd CHECK (password_hash <> 'secret hash')")
        with pytest.raises(RecordsBroken) as caught:
            await records.add_user(UserName("Anna"), "secret hash")
        assert "secret hash" not in f"{caught.value!r} {caught.value}"

    store(use)
