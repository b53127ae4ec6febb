"""Password hashes (argon2id), made and checked off the event loop.

The parameters are OWASP's with one pass more: 19 MiB, 3 passes, 1 lane; 43 ms of one core a check. A
check holds 19 MiB while it runs, so at most THREADS of them run at once. argon2 releases the interpreter
lock: the event loop goes on (`benchmarks/login_argon2.py`).
"""

import asyncio
import logging
import os
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.auth.names import MAX_PASSWORD_BYTES, password_bytes

if TYPE_CHECKING:
    from argon2 import PasswordHasher

log = logging.getLogger(__name__)

MEMORY_KIB = 19 * 1024
PASSES = 3
LANES = 1
SALT_BYTES = 16
HASH_BYTES = 32
THREADS = max(1, min(4, (os.cpu_count() or 1) - 1))
"""One core stays for the event loop: more threads than this brought it delays and no more checks a second."""

T = TypeVar("T")


class PasswordCheck(msgspec.Struct, frozen=True):
    """Whether the password fits; if so, whether its hash was made with older parameters than today's."""

    matches: bool
    needs_rehash: bool = False


class Passwords:
    """Hashes and checks passwords in a few threads of its own; `close` ends them."""

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = ThreadPoolExecutor(threads, "argon2")
        self._nobody = _hash_of_nobody()

    async def hash(self, password: str) -> str:
        """The argon2id hash to be stored, in PHC string format: parameters and salt are part of it."""
        return await self._run(lambda: _hasher().hash(password_bytes(password)))

    async def verify(self, stored: str, password: str) -> PasswordCheck:
        """Compare a password with a stored hash, "" for an unknown user: that takes just as long.

        A stored hash that cannot be read fits no password and is logged. Passwords longer than any account
        can have are not hashed as they are.
        """
        given = password_bytes(password)
        if len(given) > MAX_PASSWORD_BYTES:
            stored, given = "", b""
        return await self._run(lambda: self._verify(stored, given))

    def close(self) -> None:
        """End the threads; what is still queued is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _run(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, job)

    def _verify(self, stored: str, given: bytes) -> PasswordCheck:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = _hasher()
        try:
            hasher.verify(stored or self._nobody, given)
            return PasswordCheck(True, hasher.check_needs_rehash(stored))
        except InvalidHashError:
            log.error("the stored password hash of an account is damaged: set a new password for it")
            return self._verify("", given)
        except VerificationError:
            return PasswordCheck(False)


def _hasher() -> "PasswordHasher":
    # Imported by the thread that needs it: the node serves before its first login.
    from argon2 import PasswordHasher

    return PasswordHasher(PASSES, MEMORY_KIB, LANES, HASH_BYTES, SALT_BYTES)


def _hash_of_nobody() -> str:
    """A hash with today's parameters that no password has: its last part is random."""
    salt, digest = (b64encode(random_bytes(count)).rstrip(b"=").decode() for count in (SALT_BYTES, HASH_BYTES))
    return f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${digest}"
