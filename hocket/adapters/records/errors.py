"""What can be wrong with the record store. No message ever holds a password or a whole URL."""

from hocket.core.errors import ErrorCode, HocketError

RESTORE = "restore a backup; or move it and its -wal file away, and a new store without accounts is made"


class RecordsBroken(HocketError):
    """The store is damaged. It is never made anew by itself: that would lose every account."""

    code = ErrorCode.RECORDS_BROKEN


class RecordsUnreachable(HocketError):
    """The database server does not answer, or does not let us in."""

    code = ErrorCode.RECORDS_UNREACHABLE


class RecordsTooNew(HocketError):
    """A newer Hocket changed the store's schema."""

    code = ErrorCode.RECORDS_TOO_NEW


class RecordsUrlWrong(HocketError):
    """What --records says is no database."""

    code = ErrorCode.USAGE


class UserMissing(HocketError):
    """No account has this name."""

    code = ErrorCode.USER_MISSING

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no account {name!r}", hint="`controlNODE.py users list` shows all")


class UserExists(HocketError):
    """An account has this name already, perhaps in other letters."""

    code = ErrorCode.USER_EXISTS

    def __init__(self, name: str, taken_by: str) -> None:
        alike = "" if name == taken_by else f" (as {taken_by!r})"
        super().__init__(
            f"there is an account {name!r}{alike} already", hint="take another name, or `controlNODE.py users passwd`"
        )
