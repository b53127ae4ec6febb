"""Hashes that fit, hashes that do not, and as much work either way."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import argon2
import pytest

from hocket.adapters import passwords as module
from hocket.adapters.passwords import MEMORY_KIB, PASSES, PasswordCheck, Passwords
from hocket.auth.names import MAX_PASSWORD_BYTES

T = TypeVar("T")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY_KIB", 64)
    monkeypatch.setattr(module, "PASSES", 1)


def with_passwords(use: Callable[[Passwords], Awaitable[T]]) -> T:
    async def run() -> T:
        passwords = Passwords(2)
        try:
            return await use(passwords)
        finally:
            passwords.close()

    return asyncio.run(run())


def test_the_right_password_fits_and_no_other() -> None:
    async def use(passwords: Passwords) -> None:
        stored = await passwords.hash("four words in a row")
        assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
        assert await passwords.verify(stored, "four words in a row") == PasswordCheck(True)
        assert await passwords.verify(stored, "four words in a ro") == PasswordCheck(False)
        assert await passwords.verify(stored, "") == PasswordCheck(False)

    with_passwords(use)


def test_the_same_password_gets_another_hash_each_time() -> None:
    async def use(passwords: Passwords) -> set[str]:
        return {await passwords.hash("password123") for _ in range(3)}

    assert len(with_passwords(use)) == 3


def test_accents_fit_however_they_are_typed() -> None:
    async def use(passwords: Passwords) -> PasswordCheck:
        return await passwords.verify(await passwords.hash("Zoë sings"), "Zoe\u0308 sings")

    assert with_passwords(use).matches


def test_an_older_hash_fits_and_says_that_it_is_older() -> None:
    async def use(passwords: Passwords) -> PasswordCheck:
        older = argon2.PasswordHasher(1, 32, 1).hash("password123")
        return await passwords.verify(older, "password123")

    assert with_passwords(use) == PasswordCheck(True, needs_rehash=True)


def test_an_unknown_user_costs_a_whole_hash_of_todays_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[tuple[str | bytes, str | bytes]] = []
    real_verify = argon2.PasswordHasher.verify

    def verify(self: argon2.PasswordHasher, hash: str | bytes, password: str | bytes) -> bool:
        hashed.append((hash, password))
        return real_verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)

    async def use(passwords: Passwords) -> str:
        stored = await passwords.hash("password123")
        assert await passwords.verify("", "password123") == PasswordCheck(False)
        return stored

    usual = with_passwords(use)
    [(compared_with, password)] = hashed
    assert password == b"password123"
    assert argon2.extract_parameters(str(compared_with)) == argon2.extract_parameters(usual)


def test_a_damaged_hash_fits_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def use(passwords: Passwords) -> list[PasswordCheck]:
        return [await passwords.verify(bad, "password123") for bad in ("damaged", "$argon2id$v=19$m=64,t=1,p=1$$")]

    with caplog.at_level(logging.ERROR):
        assert with_passwords(use) == [PasswordCheck(False)] * 2
    assert "damaged" in caplog.text
    assert "password123" not in caplog.text


def test_a_password_longer_than_any_can_be_is_wrong() -> None:
    async def use(passwords: Passwords) -> PasswordCheck:
        return await passwords.verify(await passwords.hash("x" * MAX_PASSWORD_BYTES), "x" * 5_000_000)

    assert with_passwords(use) == PasswordCheck(False)


def test_the_event_loop_runs_on_while_all_threads_hash() -> None:
    async def use(passwords: Passwords) -> None:
        hashing, go_on = threading.Barrier(3), threading.Event()

        def hold() -> None:
            hashing.wait(10)
            go_on.wait(10)

        held = [asyncio.create_task(passwords._run(hold)) for _ in range(2)]
        await asyncio.to_thread(hashing.wait, 10)
        waiting = asyncio.create_task(passwords.verify("", "password123"))
        await asyncio.sleep(0)
        assert not waiting.done()
        go_on.set()
        assert not (await waiting).matches
        await asyncio.gather(*held)

    with_passwords(use)


def test_the_real_parameters_are_as_strong_as_owasp_asks() -> None:
    assert MEMORY_KIB >= 19 * 1024
    assert PASSES >= 2


def test_importing_it_does_not_load_argon2() -> None:
    script = "import hocket.adapters.passwords, sys; sys.exit('argon2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
