"""The record store's operations, blocking; `Records` runs them in its thread."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from hocket.adapters.records import joining
from hocket.adapters.records.errors import UserExists, UserMissing
from hocket.adapters.records.migrate import bring_up_to_date
from hocket.adapters.records.schema import users
from hocket.adapters.records.sqlitefile import check_file, prepare_file
from hocket.adapters.records.target import Target
from hocket.auth.accounts import Rights, User
from hocket.auth.jointokens import JoinedNode, JoinRequest, TokenRecord
from hocket.auth.names import name_key
from hocket.core.ids import NodeId, UserName


class Store:
    """An open store. All methods raise RecordsBroken, RecordsUnreachable and DataUnwritable."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @classmethod
    def open(cls, database: str | Path) -> "Store":
        """See `Records.open`."""
        target = Target(database)
        store = cls(target)
        try:
            if target.sqlite_path is not None:
                prepare_file(target.sqlite_path)
            with store._transaction() as connection:
                if target.sqlite_path is not None:
                    check_file(target.sqlite_path, connection)
                bring_up_to_date(target, connection)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the connection."""
        self._target.engine.dispose()

    def user(self, name: str) -> User | None:
        with self._transaction() as connection:
            row = connection.execute(select(users).where(users.c.name_folded == name_key(name))).one_or_none()
        return None if row is None else _user(row)

    def users(self, after: str, limit: int) -> list[User]:
        page = select(users).where(users.c.name_folded > name_key(after)).order_by(users.c.name_folded).limit(limit)
        with self._transaction() as connection:
            return [_user(row) for row in connection.execute(page)]

    def count_users(self) -> int:
        with self._transaction() as connection:
            return connection.execute(select(func.count()).select_from(users)).scalar_one()

    def add_user(self, name: UserName, password_hash: str, rights: Rights) -> User:
        now_unix_s = int(time.time())
        user = User(name, password_hash, rights, created_unix_s=now_unix_s, generation=now_unix_s)
        row = {
            "name": user.name,
            "name_folded": name_key(user.name),
            "password_hash": user.password_hash,
            "rights": int(user.rights),
            "disabled": user.disabled,
            "created_unix_s": user.created_unix_s,
            "generation": user.generation,
        }
        try:
            with self._transaction() as connection:
                connection.execute(insert(users).values(row))
        except IntegrityError as error:
            taken = self.user(name)
            if taken is None:
                raise self._target.translated(error) from None
            raise UserExists(name, taken.name) from None
        return user

    def set_password(self, name: str, password_hash: str) -> UserName:
        now_unix_s = int(time.time())
        newer = case((users.c.generation < now_unix_s, now_unix_s), else_=users.c.generation + 1)
        return self._change_user(name, password_hash=password_hash, generation=newer)

    def set_disabled(self, name: str, disabled: bool) -> UserName:
        return self._change_user(name, disabled=disabled)

    def replace_hash(self, name: str, old_hash: str, new_hash: str) -> None:
        same = (users.c.name_folded == name_key(name)) & (users.c.password_hash == old_hash)
        with self._transaction() as connection:
            connection.execute(update(users).where(same).values(password_hash=new_hash))

    def remove_user(self, name: str) -> UserName:
        with self._transaction() as connection:
            found = _own_name(connection, name)
            connection.execute(delete(users).where(users.c.name == found))
        return found

    def add_join_token(self, record: TokenRecord, now_unix_s: int) -> None:
        with self._transaction() as connection:
            joining.add_token(connection, record, now_unix_s)

    def join(self, asked: JoinRequest, now_unix_s: int) -> None:
        with self._transaction() as connection:
            joining.join(connection, asked, now_unix_s)

    def joined_nodes(self) -> list[JoinedNode]:
        with self._transaction() as connection:
            return joining.joined_nodes(connection)

    def remove_nodes(self, nodes: Collection[NodeId], now_unix_s: int) -> None:
        with self._transaction() as connection:
            joining.remove_nodes(connection, nodes, now_unix_s)

    def removed_nodes(self) -> frozenset[NodeId]:
        with self._transaction() as connection:
            return joining.removed_nodes(connection)

    def _change_user(self, name: str, **values: object) -> UserName:
        with self._transaction() as connection:
            found = _own_name(connection, name)
            connection.execute(update(users).where(users.c.name == found).values(values))
        return found

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._target.translating(), self._target.engine.begin() as connection:
            yield connection


def _own_name(connection: Connection, name: str) -> UserName:
    """As the account is called. Not by RETURNING: some databases lack it."""
    found = connection.execute(select(users.c.name).where(users.c.name_folded == name_key(name))).scalar_one_or_none()
    if found is None:
        raise UserMissing(name)
    return UserName(found)


def _user(row: Row[Any]) -> User:
    return User(
        UserName(row.name), row.password_hash, Rights(row.rights), row.disabled, row.created_unix_s, row.generation
    )
