"""The tracks of all machines as a table for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hocket.app.statusview import size
from hocket.wire.messages.library import CopyRow


def copies_view(rows: list[CopyRow]) -> None:
    """Print them, removed ones in their own words."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("track", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("copies", justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True)
    for row in rows:
        copies = Text("removed", style="yellow") if row.removed else Text(str(len(row.holders)))
        table.add_row(Text(row.track.name), size(row.track.size_bytes), copies, row.track.id[:12])
    console = Console()
    console.print(table)
    if any(row.removed for row in rows):
        console.print("`controlNODE.py tracks restore TRACK` brings a removed one back.", markup=False)
