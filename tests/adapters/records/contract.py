"""What every record store does, whatever its database: `test_sqlite` and `test_postgres` run it."""

import asyncio
import subprocess
import sys
import time

import pytest

from hocket.adapters.records import Records, UserExists, UserMissing
from hocket.auth.accounts import Rights, User
from hocket.core.errors import ErrorCode
from hocket.core.ids import UserName
from tests.adapters.records.backend import Backend

ANNA = UserName("Anna")
ZOE = UserName("Zoë")


class RecordsContract:
    """Subclasses give a fixture `store`: an empty one."""

    def test_a_new_store_has_no_accounts(self, store: Backend) -> None:
        async def use(records: Records) -> None:
            assert await records.count_users() == 0
            assert await records.users() == []
            assert await records.user("Anna") is None

        store(use)

    def test_an_account_is_kept_as_it_was_made(self, store: Backend) -> None:
        async def make(records: Records) -> User:
            return await records.add_user(ANNA, "a hash", Rights.LISTEN | Rights.OPERATE)

        before_unix_s = int(time.time())
        made = store(make)
        assert made == User(ANNA, "a hash", Rights.LISTEN | Rights.OPERATE, False, made.created_unix_s)
        assert before_unix_s <= made.created_unix_s <= time.time()

        async def find(records: Records) -> list[User | None]:
            return [await records.user(name) for name in ("Anna", "aNNA", "anna ", "Ann", "")]

        assert store(find) == [made, made, None, None, None]

    def test_one_name_in_other_letters_is_taken(self, store: Backend) -> None:
        async def use(records: Records) -> None:
            await records.add_user(ZOE, "first")
            for same in ("Zoë", "ZOË", "Zoe\u0308"):
                with pytest.raises(UserExists, match="already") as caught:
                    await records.add_user(UserName(same), "second")
                assert caught.value.code is ErrorCode.USER_EXISTS
            await records.add_user(UserName("Zoe"), "another")
            assert await records.count_users() == 2
            user = await records.user("zoë")
            assert user is not None
            assert user.password_hash == "first"

        store(use)

    def test_a_password_is_changed_by_any_spelling_of_the_name(self, store: Backend) -> None:
        async def use(records: Records) -> User | None:
            await records.add_user(ZOE, "old")
            await records.add_user(ANNA, "other")
            assert await records.set_password("ZOË", "new") == ZOE
            other = await records.user("Anna")
            assert other is not None
            assert other.password_hash == "other"
            return await records.user("Zoë")

        user = store(use)
        assert user is not None
        assert user.password_hash == "new"

    def test_disabling_and_enabling(self, store: Backend) -> None:
        async def use(records: Records) -> list[bool]:
            await records.add_user(ANNA, "hash")
            seen = []
            for disabled in (True, True, False):
                assert await records.set_disabled("ANNA", disabled) == ANNA
                user = await records.user("Anna")
                assert user is not None
                seen.append(user.disabled)
            return seen

        assert store(use) == [True, True, False]

    def test_a_removed_account_is_gone_and_its_name_free(self, store: Backend) -> None:
        async def use(records: Records) -> int:
            await records.add_user(ANNA, "hash")
            assert await records.remove_user("anna") == ANNA
            assert await records.user("Anna") is None
            await records.add_user(ANNA, "hash")
            return await records.count_users()

        assert store(use) == 1

    def test_changes_to_nobody_say_so(self, store: Backend) -> None:
        async def use(records: Records) -> None:
            await records.add_user(ANNA, "hash")
            for change in (
                records.set_password("Bert", "hash"),
                records.set_disabled("Bert", True),
                records.remove_user("Bert"),
            ):
                with pytest.raises(UserMissing, match="'Bert'") as caught:
                    await change
                assert caught.value.code is ErrorCode.USER_MISSING
            assert await records.count_users() == 1

        store(use)

    def test_accounts_come_in_pages_by_their_key(self, store: Backend) -> None:
        names = ["Zoë", "anna", "Bert", "étienne", "BERTA", "_x", "名前", "a b"]

        async def use(records: Records) -> tuple[list[User], list[User]]:
            for name in names:
                await records.add_user(UserName(name), "hash")
            paged: list[User] = []
            while page := await records.users(after=paged[-1].name if paged else "", limit=3):
                assert len(page) <= 3
                paged += page
            return paged, await records.users()

        paged, at_once = store(use)
        assert paged == at_once
        assert [user.name for user in paged] == ["_x", "a b", "anna", "Bert", "BERTA", "Zoë", "étienne", "名前"]

    @pytest.mark.parametrize("name", ["x" * 64, "名" * 64, "a'; DROP TABLE users; --", "%_", "👩\u200d👧", "ﷺ" * 14])
    def test_unusual_names_are_kept(self, store: Backend, name: str) -> None:
        async def use(records: Records) -> User | None:
            await records.add_user(UserName(name), "hash")
            return await records.user(name)

        user = store(use)
        assert user is not None
        assert user.name == name

    @pytest.mark.parametrize("name", ["a\x00b", "\ud800", "x" * 100_000])
    def test_looking_up_an_impossible_name_finds_nobody(self, store: Backend, name: str) -> None:
        async def use(records: Records) -> User | None:
            with pytest.raises(UserMissing):
                await records.set_disabled(name, True)
            return await records.user(name)

        assert store(use) is None

    def test_many_operations_at_once(self, store: Backend) -> None:
        async def use(records: Records) -> int:
            await asyncio.gather(*(records.add_user(UserName(f"user {i}"), "hash") for i in range(50)))
            found = await asyncio.gather(*(records.user(f"USER {i}") for i in range(50)))
            assert [user.name for user in found if user] == [f"user {i}" for i in range(50)]
            results = await asyncio.gather(
                *(records.add_user(UserName("same"), "hash") for _ in range(10)), return_exceptions=True
            )
            assert sum(isinstance(result, UserExists) for result in results) == 9
            return await records.count_users()

        assert store(use) == 51

    def test_opening_a_store_of_today_loads_no_migration_library(self, store: Backend) -> None:
        store(Records.count_users)
        script = (
            "import asyncio, sys; from pathlib import Path; from hocket.adapters.records import Records\n"
            "async def run():\n"
            "    records = await Records.open(sys.argv[1], Path(sys.argv[2]))\n"
            "    await records.close()\n"
            "asyncio.run(run()); sys.exit('alembic' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", script, store.url, str(store.folder)], check=False).returncode == 0
