"""What the window remembers from one start to the next, and the password in the system's keyring."""

import contextlib
import logging
from pathlib import Path

import msgspec

from hocket.adapters.datafolder import write_whole
from hocket.core.errors import ErrorCode, HocketError

log = logging.getLogger(__name__)

FILE_NAME = "window.json"
SERVICE = "hocket"


class Remembered(msgspec.Struct, frozen=True):
    """Never the password: that is for the keyring alone. `geometry` is Qt's own, base64."""

    server: str = ""
    user: str = ""
    keep_password: bool = False
    theme: str = "system"
    volume: int = 100
    geometry: str = ""
    queue_shown: bool = False
    close_to_tray: bool = False


def load(folder: Path) -> Remembered:
    """What was kept; the defaults where nothing was, or where it cannot be understood."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Remembered)
    except FileNotFoundError:
        return Remembered()
    except (OSError, msgspec.DecodeError) as error:
        log.warning("the window's settings cannot be read (%s): it starts as for the first time", error)
        return Remembered()


def save(folder: Path, remembered: Remembered) -> None:
    """Replace the file in one step. Raises DataUnwritable."""
    with contextlib.suppress(OSError):  # if it cannot be made, writing says why
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / FILE_NAME, msgspec.json.format(msgspec.json.encode(remembered)))


def _account(server: str, user: str) -> str:
    return f"{user}@{server.lower()}"


def kept_password(server: str, user: str) -> str:
    """From the system's keyring; empty where there is none. May wait for the person to unlock it."""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, _account(server, user)) or ""
    except KeyringError as error:
        log.info("no password from the keyring: %s", error)
        return ""


def keep_password(server: str, user: str, password: str) -> None:
    """Into the system's keyring. Raises HocketError where there is none."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, _account(server, user), password)
    except KeyringError as error:
        raise HocketError(f"the keyring refused the password: {error}", code=ErrorCode.DATA_UNWRITABLE) from None


def forget_password(server: str, user: str) -> None:
    """Out of the keyring, if it is there."""
    import keyring
    from keyring.errors import KeyringError

    with contextlib.suppress(KeyringError):
        keyring.delete_password(SERVICE, _account(server, user))
