"""The record store in a file beside the prime: it meets the contract, and never loses accounts in silence."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hocket.adapters.datafolder import DataUnwritable
from hocket.adapters.records import Records, RecordsBroken, RecordsTooNew, RecordsUnreachable
from hocket.core.errors import ErrorCode
from hocket.core.ids import UserName
from tests.adapters.records.backend import Backend
from tests.adapters.records.contract import RecordsContract
from tests.kit.disks import fill, small_disk, unwritable

ANNA = UserName("Anna")


@pytest.fixture
def store(tmp_path: Path) -> Backend:
    return Backend("", tmp_path)


class TestContract(RecordsContract):
    pass


async def add_anna(records: Records) -> None:
    await records.add_user(ANNA, "hash")


def file_of(store: Backend) -> Path:
    return store.folder / "records.sqlite"


def many_users(store: Backend) -> None:
    async def use(records: Records) -> None:
        for i in range(100):
            await records.add_user(UserName(f"user {i}"), "x" * 500)

    store(use)


def test_the_files_are_the_owners_and_the_log_is_a_wal(store: Backend) -> None:
    async def use(records: Records) -> set[tuple[str, int]]:
        await add_anna(records)
        return {(path.name, stat.S_IMODE(path.stat().st_mode)) for path in store.folder.iterdir()}

    assert store(use) == {("records.sqlite", 0o600), ("records.sqlite-wal", 0o600), ("records.sqlite-shm", 0o600)}
    assert [path.name for path in store.folder.iterdir()] == ["records.sqlite"]


@pytest.mark.parametrize("name", ["with space", "ünï", "100%", "a?b#c", "a:b", "sqlite:///x"])
def test_a_data_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    Backend("", folder)(add_anna)
    assert (folder / "records.sqlite").exists()


def test_a_url_may_name_the_file(tmp_path: Path) -> None:
    store = Backend(f"sqlite:///{tmp_path}/own.sqlite", tmp_path)
    store(add_anna)
    assert store(Records.count_users) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own.sqlite"]


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    path.write_bytes(b"this is a letter to my aunt " * 1000)


def spoil_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"SQLite format 4")


def spoil_pages(path: Path) -> None:
    """All but the first page, so that the schema can be read."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def drop_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE users")


def drop_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM hocket_schema")
        connection.commit()


@pytest.mark.parametrize("damage", [truncate, empty, overwrite, spoil_header, spoil_pages, drop_version])
def test_a_damaged_store_is_named_and_left_alone(store: Backend, damage: Callable[[Path], None]) -> None:
    many_users(store)
    damage(file_of(store))
    damaged = file_of(store).read_bytes()
    with pytest.raises(RecordsBroken, match=r"records\.sqlite") as caught:
        store(Records.count_users)
    assert caught.value.code is ErrorCode.RECORDS_BROKEN
    assert "restore a backup" in caught.value.hint
    assert file_of(store).read_bytes() == damaged


def test_damage_that_only_a_query_meets_is_named(store: Backend) -> None:
    many_users(store)

    async def use(records: Records) -> None:
        assert await records.count_users() == 100
        drop_table(file_of(store))
        with pytest.raises(RecordsBroken, match="no such table"):
            await records.user("user 1")
        spoil_pages(file_of(store))

    store(use)
    with pytest.raises(RecordsBroken):
        store(Records.count_users)


def test_a_log_without_its_store_is_not_played_into_a_new_one(store: Backend) -> None:
    (store.folder / "records.sqlite-wal").write_bytes(b"left over")
    with pytest.raises(RecordsBroken, match="its log"):
        store(Records.count_users)
    assert not file_of(store).exists()


def test_moved_away_as_told_a_new_store_is_made(store: Backend) -> None:
    store(add_anna)
    overwrite(file_of(store))
    with pytest.raises(RecordsBroken, match="not a database"):
        store(Records.count_users)
    file_of(store).rename(store.folder / "damaged")
    assert store(Records.count_users) == 0


def test_a_crash_loses_nothing_that_was_answered(store: Backend) -> None:
    script = """
import asyncio, os, sys
from pathlib import Path
from hocket.adapters.records import Records
async def run():
    records = await Records.open("", Path(sys.argv[1]))
    await records.add_user("Anna", "hash")
    os._exit(9)
asyncio.run(run())
"""
    assert subprocess.run([sys.executable, "-c", script, str(store.folder)], check=False).returncode == 9
    assert (store.folder / "records.sqlite-wal").exists()
    assert store(Records.count_users) == 1


def test_what_a_crash_left_of_a_first_start_is_made_anew(store: Backend) -> None:
    (store.folder / "records.sqlite.new").write_bytes(b"half")
    store(add_anna)
    assert store(Records.count_users) == 1
    assert [path.name for path in store.folder.iterdir()] == ["records.sqlite"]


def test_a_read_only_folder_says_so(store: Backend) -> None:
    with unwritable(store.folder), pytest.raises(DataUnwritable, match="permission denied") as caught:
        store(Records.count_users)
    assert caught.value.code is ErrorCode.DATA_UNWRITABLE
    store(add_anna)
    with unwritable(store.folder), pytest.raises(DataUnwritable, match=r"records\.sqlite cannot be written"):
        store(Records.count_users)


@pytest.mark.root
def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    store = Backend("", tmp_path)

    async def use(records: Records) -> None:
        await add_anna(records)
        fill(tmp_path)
        adding = asyncio.gather(*(records.add_user(UserName(f"user {i}"), "x" * 500) for i in range(300)))
        with pytest.raises(DataUnwritable, match="full") as caught:
            await adding
        assert caught.value.hint == "make room on that disk"
        assert await records.user("Anna") is not None
        (tmp_path / "filler").unlink()
        await records.add_user(UserName("Bert"), "hash")

    with small_disk(tmp_path, 512):
        store(use)
        assert store(Records.count_users) >= 2


def test_a_store_that_another_program_holds_says_so(store: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    from hocket.adapters.records import target

    monkeypatch.setattr(target, "BUSY_TIMEOUT_S", 0.05)
    store(add_anna)
    with closing(sqlite3.connect(file_of(store), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RecordsUnreachable, match="in use by another program"):
            store(Records.count_users)
    assert store(Records.count_users) == 1


def test_a_newer_hockets_store_says_so(store: Backend) -> None:
    store(add_anna)
    with closing(sqlite3.connect(file_of(store))) as connection:
        connection.execute("UPDATE hocket_schema SET version_num = '9001'")
        connection.commit()
    with pytest.raises(RecordsTooNew, match="9001") as caught:
        store(Records.count_users)
    assert caught.value.code is ErrorCode.RECORDS_TOO_NEW
    assert caught.value.hint == "update Hocket on this machine"


def test_somebody_elses_tables_are_left_alone(store: Backend) -> None:
    with closing(sqlite3.connect(file_of(store))) as connection:
        connection.execute("CREATE TABLE users (a)")
        connection.commit()
    with pytest.raises(RecordsBroken, match="tables which are not Hocket's: users"):
        store(Records.count_users)


def test_the_loop_goes_on_while_the_store_is_busy(store: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    from hocket.adapters.records import facade

    monkeypatch.setattr(facade, "TIMEOUT_S", 0.2)
    store(add_anna)

    async def use(records: Records) -> None:
        with closing(sqlite3.connect(file_of(store), isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            waiting = asyncio.create_task(records.count_users())
            with pytest.raises(RecordsUnreachable, match="did not answer"):
                await waiting
        monkeypatch.setattr(facade, "TIMEOUT_S", 8.0)
        assert await records.count_users() == 1

    store(use)
