"""What every record store does, whatever its database: `test_sqlite` and `test_postgres` run it."""

import asyncio
import subprocess
import sys
import time

import msgspec
import pytest

from hocket.adapters.records import Records, UserExists, UserMissing
from hocket.auth.accounts import Rights, User
from hocket.auth.jointokens import JoinedNode, JoinRequest, TokenRefused, new_token, record_of
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode
from hocket.core.ids import NodeId, UserName
from tests.adapters.records.backend import Backend

ANNA = UserName("Anna")
ZOE = UserName("Zoë")
NOW_UNIX_S = 1_700_000_000
TOKEN = new_token([HostPort("10.0.0.1", 50001)], "ab" * 32, bytes(range(24)))


def plane(number: int) -> NodeId:
    return NodeId(f"plane-{number:012x}")


def request_of(number: int) -> JoinRequest:
    """A machine of its own, with TOKEN."""
    return JoinRequest(plane(number), bytes([number]) * 32, TOKEN.id, TOKEN.secret)


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
        made_unix_s = made.created_unix_s
        assert made == User(ANNA, "a hash", Rights.LISTEN | Rights.OPERATE, False, made_unix_s, made_unix_s)
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

    def test_every_new_password_raises_the_generation_and_nothing_else_does(self, store: Backend) -> None:
        async def use(records: Records) -> list[int]:
            await records.add_user(ZOE, "one")
            seen = []

            async def note() -> None:
                user = await records.user("Zoë")
                assert user is not None
                seen.append(user.generation)

            await note()
            await records.replace_hash("Zoë", "one", "the same in other words")
            await records.set_disabled("Zoë", True)
            await records.set_disabled("Zoë", False)
            await note()
            for password_hash in ("two", "three", "three"):
                await records.set_password("Zoë", password_hash)
                await note()
            return seen

        made, kept, *changed = store(use)
        assert 0 < made == kept
        assert kept < changed[0] < changed[1] < changed[2], "within one second, too"

    def test_a_hash_is_replaced_only_while_the_password_is_the_same(self, store: Backend) -> None:
        async def use(records: Records) -> list[str]:
            await records.add_user(ZOE, "old")
            await records.add_user(ANNA, "old")
            seen = []
            for expected, new in (("old", "stronger"), ("old", "stale"), ("stronger", "strongest")):
                await records.replace_hash("ZOË", expected, new)
                user = await records.user("Zoë")
                assert user is not None
                seen.append(user.password_hash)
            await records.replace_hash("Nobody", "old", "new")
            other = await records.user("Anna")
            assert other is not None
            assert other.password_hash == "old"
            return seen

        assert store(use) == ["stronger", "stronger", "strongest"]

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

    def test_a_machine_joins_once_by_its_token(self, store: Backend) -> None:
        async def use(records: Records) -> list[JoinedNode]:
            await records.add_join_token(record_of(TOKEN, 1, NOW_UNIX_S + 60), NOW_UNIX_S)
            await records.join(request_of(1), NOW_UNIX_S)
            await records.join(request_of(1), NOW_UNIX_S + 1)  # its answer was lost
            with pytest.raises(TokenRefused, match="used up"):
                await records.join(request_of(2), NOW_UNIX_S + 1)
            return await records.joined_nodes()

        assert store(use) == [JoinedNode(plane(1), bytes([1]) * 32, TOKEN.id.hex())]

    def test_an_unknown_wrong_or_old_token_lets_nobody_in(self, store: Backend) -> None:
        async def use(records: Records) -> None:
            with pytest.raises(TokenRefused, match="does not know"):
                await records.join(request_of(1), NOW_UNIX_S)
            await records.add_join_token(record_of(TOKEN, 5, NOW_UNIX_S + 60), NOW_UNIX_S)
            with pytest.raises(TokenRefused, match="is wrong"):
                await records.join(msgspec.structs.replace(request_of(1), secret=bytes(16)), NOW_UNIX_S)
            with pytest.raises(TokenRefused, match="ran out"):
                await records.join(request_of(1), NOW_UNIX_S + 60)
            assert await records.joined_nodes() == []

        store(use)

    def test_simultaneous_joins_never_overuse_a_token(self, store: Backend) -> None:
        async def use(records: Records) -> list[JoinedNode]:
            await records.add_join_token(record_of(TOKEN, 3, NOW_UNIX_S + 60), NOW_UNIX_S)
            async with await Records.open(store.url, store.folder) as other:
                joins = [(records, other)[i % 2].join(request_of(i), NOW_UNIX_S) for i in range(10)]
                results = await asyncio.gather(*joins, return_exceptions=True)
            assert sum(isinstance(result, TokenRefused) for result in results) == 7
            assert sum(result is None for result in results) == 3
            return await records.joined_nodes()

        assert len(store(use)) == 3

    def test_a_machine_that_joins_again_by_a_new_token_uses_that_one(self, store: Backend) -> None:
        later = new_token([HostPort("10.0.0.1", 1)], "ab" * 32, bytes(24))

        async def use(records: Records) -> list[JoinedNode]:
            for token in (TOKEN, later):
                await records.add_join_token(record_of(token, 1, NOW_UNIX_S + 60), NOW_UNIX_S)
                asked = JoinRequest(plane(1), bytes([1]) * 32, token.id, token.secret)
                await records.join(asked, NOW_UNIX_S)
            with pytest.raises(TokenRefused, match="with another key"):
                await records.join(msgspec.structs.replace(asked, public_key=bytes(32)), NOW_UNIX_S)
            for token in (TOKEN, later):
                with pytest.raises(TokenRefused, match="used up"):
                    await records.join(JoinRequest(plane(2), bytes([2]) * 32, token.id, token.secret), NOW_UNIX_S)
            return await records.joined_nodes()

        assert store(use) == [JoinedNode(plane(1), bytes([1]) * 32, later.id.hex())]

    def test_a_removed_machine_stays_out(self, store: Backend) -> None:
        async def use(records: Records) -> None:
            await records.add_join_token(record_of(TOKEN, 5, NOW_UNIX_S + 60), NOW_UNIX_S)
            await records.join(request_of(1), NOW_UNIX_S)
            await records.join(request_of(2), NOW_UNIX_S)
            for _ in range(2):
                await records.remove_nodes([plane(1), NodeId("auth-0123456789ab")], NOW_UNIX_S)
            with pytest.raises(TokenRefused, match="was removed"):
                await records.join(request_of(1), NOW_UNIX_S)

        store(use)

        async def look(records: Records) -> None:
            assert await records.removed_nodes() == {plane(1), NodeId("auth-0123456789ab")}
            assert [node.node for node in await records.joined_nodes()] == [plane(2)]

        store(look)

    def test_a_token_is_remembered_for_a_week_after_its_end(self, store: Backend) -> None:
        later = new_token([HostPort("10.0.0.1", 1)], "ab" * 32, bytes(24))

        async def use(records: Records) -> None:
            await records.add_join_token(record_of(TOKEN, 1, NOW_UNIX_S), NOW_UNIX_S)
            for days, answer in ((6, "ran out"), (8, "does not know")):
                now_unix_s = NOW_UNIX_S + days * 86400
                token = msgspec.structs.replace(later, id=bytes([days]) * 8)
                await records.add_join_token(record_of(token, 1, now_unix_s), now_unix_s)
                with pytest.raises(TokenRefused, match=answer):
                    await records.join(request_of(1), now_unix_s)

        store(use)

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
