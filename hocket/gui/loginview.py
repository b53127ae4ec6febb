"""The log-in form as values: what is missing, what was refused, the fingerprint to compare. No Qt, no I/O."""

from enum import StrEnum

import msgspec

from hocket.core.address import BadAddress, ClusterAddress, HostPort
from hocket.core.errors import HocketError
from hocket.core.settings import PRIME
from hocket.gui import texts
from hocket.gui.notices import Notice, Tone, error_notice

DEFAULT_PORT = HostPort.parse(PRIME).port


class Field(StrEnum):
    """Fields of the log-in form."""

    SERVER = "server"
    USER = "user"
    PASSWORD = "password"


class LoginForm(msgspec.Struct, frozen=True):
    """The log-in page. `fingerprint`: of a cluster that is met for the first time, for the person to compare."""

    server: str = ""
    user: str = ""
    busy: bool = False
    wrong: Field | None = None
    notice: Notice | None = None
    fingerprint: str = ""


def check_form(server: str, user: str, password: str) -> tuple[LoginForm, ClusterAddress | None]:
    """The form after a press of the button, and the address to go to if nothing is wrong with it."""
    form = LoginForm(server.strip(), user.strip())
    for field, text, title in (
        (Field.SERVER, form.server, texts.SERVER_MISSING),
        (Field.USER, form.user, texts.USER_MISSING),
        (Field.PASSWORD, password, texts.PASSWORD_MISSING),
    ):
        if not text:
            return msgspec.structs.replace(form, wrong=field, notice=Notice(title, texts.FILL_IN, Tone.BAD)), None
    try:
        address = ClusterAddress.parse(form.server, DEFAULT_PORT)
    except BadAddress as error:
        return msgspec.structs.replace(form, wrong=Field.SERVER, notice=error_notice(error)), None
    return msgspec.structs.replace(form, busy=True), address


def refused_form(form: LoginForm, error: HocketError) -> LoginForm:
    """The form when the log-in failed, with the field to look at."""
    wrong = {"LOGIN_REFUSED": Field.PASSWORD, "NOT_REACHABLE": Field.SERVER, "FINGERPRINT_CHANGED": Field.SERVER}
    return msgspec.structs.replace(
        form, busy=False, fingerprint="", wrong=wrong.get(error.code.value), notice=error_notice(error)
    )


def grouped(fingerprint: str) -> str:
    """Hex digits in fours, four groups a line: two people can compare that."""
    fours = [fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4)]
    return "\n".join("   ".join(fours[at : at + 4]) for at in range(0, len(fours), 4))
