"""The accounts: what auth nodes ask, and what the operator changes. The prime alone opens the record store."""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from hocket.auth.accounts import Rights, User
from hocket.auth.attempts import Attempts
from hocket.auth.demo import DEMO_NAMES, DEMO_PASSWORD, demo_name, demo_user
from hocket.auth.names import check_password, check_user_name, name_key
from hocket.core.ids import UserName
from hocket.wire.messages.nodes import Account, AccountGet, AttemptResult, PasswordRehash
from hocket.wire.messages.operator import (
    UserAdd,
    UserDisable,
    UserPassword,
    UserRemove,
    UserRow,
    Users,
    UsersList,
)

if TYPE_CHECKING:
    from hocket.adapters.passwords import Passwords
    from hocket.adapters.records import Records

log = logging.getLogger(__name__)

USERS_A_PAGE = 500
_NS_PER_S = 1_000_000_000


class Accounts:
    """Record store, attempt limits and demo accounts behind the messages that concern them."""

    def __init__(
        self,
        records: "Records",
        passwords: "Passwords",
        own_hosts: Collection[str],
        demo_everywhere: bool,
        end_sessions: Callable[[str, str], None],
    ) -> None:
        """`end_sessions(user, why)` cuts off whoever listens under an account, everywhere."""
        self._records = records
        self._passwords = passwords
        self._own_hosts = own_hosts
        self._demo_everywhere = demo_everywhere
        self._end_sessions = end_sessions
        self._attempts = Attempts()
        self._demo_hash = ""

    # -- what auth nodes ask

    async def account(self, asked: AccountGet, seen_at_home: bool, now_s: float) -> Account:
        """An account for one log-in. Raises HocketError (TOO_MANY_ATTEMPTS, LOGIN_REFUSED for demo names from afar)."""
        if not asked.resume:
            self._attempts.admit(name_key(asked.user), asked.peer_host, now_s)
        user = await self._records.user(asked.user)
        if user is None and demo_name(asked.user) is not None:
            user = await self._demo(asked, seen_at_home)
        if user is None:
            return Account(False, UserName(asked.user), "", 0, False)
        return Account(True, user.name, user.password_hash, int(user.rights), user.disabled, user.generation)

    def attempted(self, result: AttemptResult, now_s: float) -> None:
        """How an attempt ended."""
        note = self._attempts.succeeded if result.succeeded else self._attempts.failed
        note(name_key(result.user), result.peer_host, now_s)

    async def rehash(self, message: PasswordRehash) -> None:
        """Keep the hash under newer parameters, unless the password was changed meanwhile."""
        await self._records.replace_hash(message.user, message.old_hash, message.new_hash)

    async def _demo(self, asked: AccountGet, seen_at_home: bool) -> User | None:
        real_users = await self._records.count_users()
        if real_users:
            return None
        if not self._demo_hash:
            self._demo_hash = await self._passwords.hash(DEMO_PASSWORD)
        return demo_user(
            asked.user,
            self._demo_hash,
            real_users=real_users,
            peer_host=asked.peer_host,
            seen_at_home=seen_at_home,
            own_hosts=self._own_hosts,
            everywhere=self._demo_everywhere,
        )

    # -- what the operator asks

    async def users(self, asked: UsersList) -> Users:
        """A page of accounts by name; the demo accounts while there is no other."""
        rows = await self._records.users(after=asked.after, limit=USERS_A_PAGE + 1)
        if not rows and not asked.after:
            return Users(tuple(UserRow(name, int(Rights.LISTEN), False, 0, True) for name in DEMO_NAMES))
        page = rows[:USERS_A_PAGE]
        return Users(tuple(_row(user) for user in page), len(rows) > USERS_A_PAGE)

    async def change(self, asked: UserAdd | UserPassword | UserDisable | UserRemove) -> None:
        """Raises HocketError (BAD_NAME, BAD_PASSWORD, USER_EXISTS, USER_MISSING).

        Goes on to its end when who asked is gone: what stands in the record store must reach the nodes.
        """
        await asyncio.shield(self._change(asked))

    async def _change(self, asked: UserAdd | UserPassword | UserDisable | UserRemove) -> None:
        match asked:
            case UserAdd():
                await self._add(asked)
            case UserPassword():
                await self._set_password(asked)
            case UserDisable():
                await self._set_disabled(asked)
            case UserRemove():
                await self._remove(asked)

    async def _add(self, asked: UserAdd) -> None:
        name = check_user_name(asked.name)
        check_password(asked.password)
        password_hash = await self._passwords.hash(asked.password)
        first = await self._records.count_users() == 0
        await self._records.add_user(name, password_hash, Rights(asked.rights))
        log.info("account %s was made", name)
        if first:
            for demo in DEMO_NAMES:
                self._end_sessions(demo, "the demo accounts are gone: a real account was made")

    async def _set_password(self, asked: UserPassword) -> None:
        check_password(asked.password)
        name = await self._records.set_password(asked.name, await self._passwords.hash(asked.password))
        self._end_sessions(name, "the password of this account was changed")

    async def _set_disabled(self, asked: UserDisable) -> None:
        name = await self._records.set_disabled(asked.name, asked.disabled)
        if asked.disabled:
            self._end_sessions(name, "this account was disabled")

    async def _remove(self, asked: UserRemove) -> None:
        name = await self._records.remove_user(asked.name)
        self._end_sessions(name, "this account was removed")


def _row(user: User) -> UserRow:
    return UserRow(user.name, int(user.rights), user.disabled, user.created_unix_s * _NS_PER_S)
