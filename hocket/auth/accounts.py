"""Accounts as values, what they may do, and the judgement on a log-in."""

from enum import IntFlag

import msgspec

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import UserName


class Rights(IntFlag):
    """What an account may do; the number is stored and crosses the wire."""

    NOTHING = 0
    LISTEN = 1
    OPERATE = 2


class User(msgspec.Struct, frozen=True):
    """An account of the record store. `created_unix_s` is 0 for a demo account.

    `generation` grows with every new password, and differs from that of an earlier account of the name; 0: not known.
    """

    name: UserName
    password_hash: str  # argon2id, PHC string format
    rights: Rights = Rights.LISTEN
    disabled: bool = False
    created_unix_s: int = 0
    generation: int = 0


class LoginRefused(HocketError):
    """Wrong name, wrong password, or a disabled account."""

    code = ErrorCode.LOGIN_REFUSED


def judge_login(user: User | None, password_fits: bool) -> User:
    """The account that is logged in now.

    Raises LoginRefused: in the same words for an unknown name and for a wrong password. Only who knows
    the password learns that the account is disabled.
    """
    if user is None or not password_fits:
        raise LoginRefused("wrong user name or password", hint="mind capital letters in the password")
    if user.disabled:
        raise LoginRefused("this account is disabled", hint="ask whoever looks after the cluster")
    if Rights.LISTEN not in user.rights:
        raise LoginRefused("this account may not listen", hint="ask whoever looks after the cluster")
    return user


def judge_return(user: User | None, generation: int) -> User:
    """The account of a session that goes on. `generation` is the account's when its password was shown last.

    Raises LoginRefused.
    """
    if user is None:
        raise LoginRefused("this account was removed", hint="ask whoever looks after the cluster")
    user = judge_login(user, True)
    if generation and user.generation != generation:
        raise LoginRefused("the password of this account was changed", hint="log in with the new one")
    return user
