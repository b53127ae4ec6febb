"""The record store as the prime's event loop sees it."""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hocket.adapters.records.errors import RecordsUnreachable
from hocket.adapters.records.worker import Worker
from hocket.auth.accounts import Rights, User
from hocket.auth.jointokens import JoinedNode, JoinRequest, TokenRecord
from hocket.core.ids import NodeId, UserName

if TYPE_CHECKING:
    from hocket.adapters.records.store import Store

SQLITE_FILE = "records.sqlite"

OPEN_TIMEOUT_S = 60.0
"""A migration of a large store may take a while."""

TIMEOUT_S = 8.0
"""For one operation: less than whoever asks over the wire waits for a reply."""

CLOSE_TIMEOUT_S = 1.0

T = TypeVar("T")


class Records:
    """Accounts, join tokens and the machines that joined.

    A `name` is as typed: any letters that `name_key` folds alike name the same account. Every operation
    raises RecordsBroken, RecordsUnreachable or DataUnwritable besides what it names.
    """

    def __init__(self, worker: Worker, store: "Store") -> None:
        self._worker = worker
        self._store = store

    @classmethod
    async def open(cls, url: str, folder: Path) -> "Records":
        """Open the store behind a SQLAlchemy URL, "" for SQLite in `folder`; bring its schema up to date.

        An empty database is set up. Raises RecordsBroken, RecordsUnreachable, RecordsTooNew,
        DataUnwritable, RecordsUrlWrong.
        """
        worker = Worker("records")
        try:
            store = await _run(worker, lambda: _open(url, folder), OPEN_TIMEOUT_S)
        except BaseException:
            await worker.close(CLOSE_TIMEOUT_S)
            raise
        return cls(worker, store)

    async def close(self) -> None:
        """Let go of the database; never raises, never waits for a server that hangs."""
        with contextlib.suppress(TimeoutError):
            await self._worker.run(self._store.close, CLOSE_TIMEOUT_S)
        await self._worker.close(CLOSE_TIMEOUT_S)

    async def __aenter__(self) -> "Records":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def user(self, name: str) -> User | None:
        """The account with this name."""
        return await self._do(lambda: self._store.user(name))

    async def users(self, after: str = "", limit: int = 500) -> list[User]:
        """Up to `limit` accounts in the order of their `name_key`s, from the one after `after` on."""
        return await self._do(lambda: self._store.users(after, limit))

    async def count_users(self) -> int:
        """How many accounts there are, disabled ones included."""
        return await self._do(self._store.count_users)

    async def add_user(self, name: UserName, password_hash: str, rights: Rights = Rights.LISTEN) -> User:
        """Make an account. Raises UserExists."""
        return await self._do(lambda: self._store.add_user(name, password_hash, rights))

    async def set_password(self, name: str, password_hash: str) -> UserName:
        """Keep a new hash; the account's own name. Raises UserMissing."""
        return await self._do(lambda: self._store.set_password(name, password_hash))

    async def replace_hash(self, name: str, old_hash: str, new_hash: str) -> None:
        """Keep another hash of the same password; nothing happens if the password was changed meanwhile."""
        await self._do(lambda: self._store.replace_hash(name, old_hash, new_hash))

    async def set_disabled(self, name: str, disabled: bool) -> UserName:
        """Disable or enable an account; its own name. Raises UserMissing."""
        return await self._do(lambda: self._store.set_disabled(name, disabled))

    async def remove_user(self, name: str) -> UserName:
        """Remove an account; the name that it had. Raises UserMissing."""
        return await self._do(lambda: self._store.remove_user(name))

    async def add_join_token(self, record: TokenRecord, now_unix_s: int) -> None:
        """Keep a token; those that ran out more than a week ago are forgotten."""
        await self._do(lambda: self._store.add_join_token(record, now_unix_s))

    async def join(self, asked: JoinRequest, now_unix_s: int) -> None:
        """Let a machine in by its token, and count that use: both or neither. Raises TokenRefused."""
        await self._do(lambda: self._store.join(asked, now_unix_s))

    async def joined_nodes(self) -> list[JoinedNode]:
        """Machines that joined and were not removed."""
        return await self._do(self._store.joined_nodes)

    async def remove_nodes(self, nodes: Collection[NodeId], now_unix_s: int) -> None:
        """Keep these nodes out for good: no token lets their ids in again."""
        await self._do(lambda: self._store.remove_nodes(nodes, now_unix_s))

    async def removed_nodes(self) -> frozenset[NodeId]:
        """All that were removed, ever."""
        return await self._do(self._store.removed_nodes)

    async def _do(self, job: Callable[[], T]) -> T:
        return await _run(self._worker, job, TIMEOUT_S)


async def _run(worker: Worker, job: Callable[[], T], timeout_s: float) -> T:
    try:
        return await worker.run(job, timeout_s)
    except TimeoutError:
        raise RecordsUnreachable(
            f"the record store did not answer within {timeout_s:.0f} s", hint="look after its database server"
        ) from None


def _open(url: str, folder: Path) -> "Store":
    from hocket.adapters.records.store import Store

    return Store.open(url or folder / SQLITE_FILE)
