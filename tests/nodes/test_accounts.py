"""What the operator changes reaches the nodes, whatever becomes of the operator."""

import asyncio
from pathlib import Path

import pytest

from hocket.adapters.passwords import Passwords
from hocket.adapters.records import Records
from hocket.core.ids import UserName
from hocket.nodes.prime.accounts import Accounts
from hocket.wire.messages.operator import UserDisable

ANN = UserName("Ann")


def test_a_ban_is_pushed_although_who_asked_for_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        passwords = Passwords()
        asked, stored, pushed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        told: list[str] = []

        def end_sessions(user: str, why: str) -> None:
            told.append(user)
            pushed.set()

        async with await Records.open("", tmp_path) as records:
            await records.add_user(ANN, "hash")
            real = records.set_disabled

            async def slow(name: str, disabled: bool) -> UserName:
                asked.set()
                await stored.wait()
                return await real(name, disabled)

            monkeypatch.setattr(records, "set_disabled", slow)
            accounts = Accounts(records, passwords, (), False, end_sessions)
            asking = asyncio.create_task(accounts.change(UserDisable(ANN)))
            await asked.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            stored.set()
            async with asyncio.timeout(20):
                await pushed.wait()
            assert told == [ANN]
            user = await records.user(ANN)
            assert user is not None
            assert user.disabled
        passwords.close()

    asyncio.run(run())
