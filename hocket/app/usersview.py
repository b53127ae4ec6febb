"""Accounts as a table for people."""

import datetime as dt

from rich.console import Console
from rich.table import Table

from hocket.auth.accounts import Rights
from hocket.core.clock import NS_PER_S
from hocket.wire.messages.operator import UserRow


def users_view(rows: list[UserRow]) -> None:
    """Print them, with a note while there are only demo accounts."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("name", "may", "state", "since"):
        table.add_column(heading)
    for row in rows:
        rights = Rights(row.rights)
        may = "listen, operate" if Rights.OPERATE in rights else "listen"
        state = "[yellow]demo[/]" if row.demo else "[red]disabled[/]" if row.disabled else "[green]enabled[/]"
        since = dt.datetime.fromtimestamp(row.created_ns / NS_PER_S).astimezone().date().isoformat()
        table.add_row(row.name, may, state, "-" if row.demo else since)
    console = Console()
    console.print(table)
    if any(row.demo for row in rows):
        console.print("Demo accounts (password123) vanish with the first real one: controlNODE.py users add NAME")
