"""How a command of controlNODE.py reaches its prime: what every command may be told, and the connection."""

import getpass
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from hocket.adapters.datafolder import DataFolder
from hocket.adapters.folders import client_folders
from hocket.adapters.trust import KnownClusters
from hocket.app.logs import hide
from hocket.app.options import GIVEN, UsageError
from hocket.client.operator import Operator, by_account, by_folder
from hocket.core.address import ClusterAddress
from hocket.core.errors import NotReachable


@dataclass(frozen=True, slots=True)
class Shared:
    """Options of every command."""

    data: Path = Path("data")
    "The prime's data folder: its files are your authority."

    prime: str = ""
    "HOST:PORT of a prime on another machine: log in there with --user; without a terminal the password is the first \
line of standard input."

    user: str = ""
    "With --prime: the account."


Given = Annotated[Shared, GIVEN]


async def online(shared: Shared, work: Callable[[Operator], Awaitable[Any]]) -> Any:
    """Do something on a connection to the prime."""
    if not shared.prime:
        async with by_folder(DataFolder.look(shared.data)) as link:
            return await work(link)
    known = KnownClusters(client_folders().config)
    address = ClusterAddress.parse(shared.prime)
    user, password = _own_account(shared)
    async with by_account(address, known, user, password) as link:
        return await work(link)


def _own_account(shared: Shared) -> tuple[str, str]:
    """Name and password of the operator: the password from the terminal, or the first line of stdin."""
    if not shared.user:
        raise UsageError("--prime needs --user NAME", hint="an account made with `users add NAME --may-operate`")
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {shared.user}: ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    hide(password)
    return shared.user, password


async def online_or(
    shared: Shared, work: Callable[[Operator], Awaitable[Any]], offline: Callable[[Path], Awaitable[Any]]
) -> Any:
    """The same, or by the data folder alone where no prime runs on it."""
    try:
        return await online(shared, work)
    except NotReachable:
        if shared.prime:
            raise
        return await offline(shared.data)
