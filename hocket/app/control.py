"""controlNODE.py: look after a cluster."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from cyclopts import App

from hocket.app.logs import hide
from hocket.app.offline import offline_accounts, offline_invite
from hocket.app.operating import Given, Shared, online, online_or
from hocket.app.options import Program, UsageError
from hocket.app.serving import Positive, Seconds
from hocket.app.tracks import tracks
from hocket.auth.accounts import Rights
from hocket.client.operator import Operator, do
from hocket.core.ids import NodeId
from hocket.wire.messages import operator, planes
from hocket.wire.messages.operator import Status, StatusGet

WATCH_S = 1.0


PROGRAM = Program("control", "Look after a cluster: its state, its accounts, its nodes.", shared=Shared, log_level=30)
users = App(name="users", help="Accounts of listeners.")
PROGRAM.app.command(users)
PROGRAM.app.command(tracks)


@PROGRAM.app.command
def status(*, json: bool = False, watch: bool = False, shared: Given) -> None:
    """Show the cluster at a glance.

    Parameters
    ----------
    json
        Print one JSON object instead of a table.
    watch
        Keep showing it, every second, until Ctrl-C.
    """
    asyncio.run(_status(shared, as_json=json, watch=watch))


@PROGRAM.app.command
def invite(*, shared: Given) -> None:
    """Print the hocket:// address that listeners log in at."""

    async def ask(link: Operator) -> operator.Invite:
        return await link.ask(operator.InviteGet(), operator.Invite)

    found = asyncio.run(online_or(shared, ask, offline_invite))
    print(found.address)
    if found.warning:
        print(f"note: {found.warning}", file=sys.stderr)


@PROGRAM.app.command
def drain(node: str, *, shared: Given) -> None:
    """Give a node no new listeners, hand over those it has, retire it.

    Parameters
    ----------
    node
        Its id, as `status` shows it.
    """

    async def ask(link: Operator) -> None:
        await do(link, operator.DrainNode(NodeId(node)))

    asyncio.run(online(shared, ask))
    print(f"{node} is draining")


@PROGRAM.app.command
def token(*, uses: Positive = 1, ttl: Seconds = 3600.0, shared: Given) -> None:
    """Print a token with which other machines join: planeNODE.py --join TOKEN.

    Parameters
    ----------
    uses
        For how many machines it is good.
    ttl
        Seconds until it runs out.
    """

    async def ask(link: Operator) -> planes.Token:
        return await link.ask(planes.TokenMake(uses, ttl), planes.Token)

    made = asyncio.run(online(shared, ask))
    print(made.text)
    if made.warning:
        print(f"note: {made.warning}", file=sys.stderr)


@PROGRAM.app.command
def remove(node: str, *, shared: Given) -> None:
    """Put a machine, or a node run by hand, out of the cluster at once and for good.

    Parameters
    ----------
    node
        Its id, as `status` shows it.
    """

    async def ask(link: Operator) -> None:
        await do(link, planes.NodeRemove(NodeId(node)))

    asyncio.run(online(shared, ask))
    print(f"{node} is out")


@PROGRAM.app.command(name="import")
def import_music(*paths: Path, into: str = "", shared: Given) -> int:
    """Bring audio files and folders of every kind into the library, as WAV files with their tags.

    Lossless files (FLAC, ALAC, AIFF ...) keep their samples, others (MP3, AAC, Opus ...) become 16 bit. Nothing in the
    library is ever overwritten, and the originals stay as they are.

    Parameters
    ----------
    paths
        Files, and folders with all that is below them.
    into
        The folder inside of the music folder that they go to; made if missing.
    """
    if shared.prime:
        raise UsageError(
            "import works in the prime's own folders", hint="run it on the prime's machine, with --data, not --prime"
        )
    if not paths:
        raise UsageError("import needs a PATH", hint="name audio files, or folders with audio files")
    from hocket.app.importing import import_files

    return import_files(shared.data, paths, into)


@users.command(name="list")
def list_users(*, json: bool = False, shared: Given) -> None:
    """Show all accounts.

    Parameters
    ----------
    json
        Print a JSON array instead of a table.
    """
    rows = asyncio.run(_all_users(shared))
    if json:
        print(msgspec.json.encode([msgspec.structs.asdict(row) for row in rows]).decode())
        return
    from hocket.app.usersview import users_view

    users_view(rows)


@users.command
def add(name: str, *, password_stdin: bool = False, may_operate: bool = False, shared: Given) -> None:
    """Make an account.

    Parameters
    ----------
    name
        What the listener logs in with.
    password_stdin
        Read the password from the first line of standard input.
    may_operate
        Let the account use controlNODE.py from other machines, too.
    """
    rights = Rights.LISTEN | Rights.OPERATE if may_operate else Rights.LISTEN
    _change(shared, operator.UserAdd(name, _new_password(name, password_stdin), int(rights)))
    print(f"account {name} was made")


@users.command
def passwd(name: str, *, password_stdin: bool = False, shared: Given) -> None:
    """Set a new password; whoever listens under the account has to log in again.

    Parameters
    ----------
    name
        The account.
    password_stdin
        Read the password from the first line of standard input.
    """
    _change(shared, operator.UserPassword(name, _new_password(name, password_stdin)))
    print(f"the password of {name} is changed")


@users.command
def disable(name: str, *, shared: Given) -> None:
    """Lock an account, and end its sessions at once.

    Parameters
    ----------
    name
        The account.
    """
    _change(shared, operator.UserDisable(name))
    print(f"account {name} is disabled")


@users.command
def enable(name: str, *, shared: Given) -> None:
    """Unlock an account.

    Parameters
    ----------
    name
        The account.
    """
    _change(shared, operator.UserDisable(name, False))
    print(f"account {name} is enabled")


@users.command(name="remove")
def remove_user(name: str, *, shared: Given) -> None:
    """Remove an account, and end its sessions at once.

    Parameters
    ----------
    name
        The account.
    """
    _change(shared, operator.UserRemove(name))
    print(f"account {name} is removed")


def main() -> int:
    """Entry point of controlNODE.py."""
    return PROGRAM()


# -- inside


async def _status(shared: Shared, *, as_json: bool, watch: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from hocket.app.statusview import status_view

    console = Console()

    async def show(link: Operator) -> None:
        found = await link.ask(StatusGet(), Status)
        if not watch:
            print(_as_json(found)) if as_json else console.print(status_view(found, console.width))
        elif as_json:
            while True:
                print(_as_json(found), flush=True)
                await asyncio.sleep(WATCH_S)
                found = await link.ask(StatusGet(), Status)
        else:
            view = status_view(found, console.width)
            with Live(view, console=console, screen=console.is_terminal, auto_refresh=False) as live:
                while True:
                    await asyncio.sleep(WATCH_S)
                    live.update(status_view(await link.ask(StatusGet(), Status), console.width), refresh=True)

    await online(shared, show)


def _as_json(status: Status) -> str:
    """The object of the contract; addresses as HOST:PORT."""
    plain: dict[str, Any] = msgspec.structs.asdict(status)
    plain["prime"] = {"id": status.prime, "address": str(status.address)}
    del plain["address"]
    plain["nodes"] = [
        {**msgspec.structs.asdict(node), "address": str(node.address) if node.address.host else ""}
        for node in status.nodes
    ]
    plain["transfers"] = [msgspec.structs.asdict(copy) for copy in status.transfers]
    return msgspec.json.encode(plain).decode()


def _change(shared: Shared, message: Any) -> None:
    async def asked(link: Operator) -> None:
        await do(link, message)

    async def offline(data: Path) -> None:
        async with offline_accounts(data) as accounts:
            await accounts.change(message)

    asyncio.run(online_or(shared, asked, offline))


async def _all_users(shared: Shared) -> list[operator.UserRow]:
    rows: list[operator.UserRow] = []

    async def pages(ask: Callable[[operator.UsersList], Awaitable[operator.Users]]) -> None:
        more = True
        while more:
            page = await ask(operator.UsersList(rows[-1].name if rows else ""))
            rows.extend(page.users)
            more = page.more

    async def asked(link: Operator) -> None:
        await pages(lambda asked: link.ask(asked, operator.Users))

    async def offline(data: Path) -> None:
        async with offline_accounts(data) as accounts:
            await pages(accounts.users)

    await online_or(shared, asked, offline)
    return rows


def _new_password(name: str, from_stdin: bool) -> str:
    """From the first line of stdin, or typed twice. Raises UsageError."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"New password for {name}: ")
        if getpass.getpass("The same again: ") != password:
            raise UsageError("the two passwords differ", hint="nothing was changed; try again")
    else:
        raise UsageError("there is no terminal to ask for the password", hint="use --password-stdin")
    hide(password)
    return password
