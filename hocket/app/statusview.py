"""The cluster at a glance, for people: what `controlNODE.py status` draws."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hocket.core.ids import Role
from hocket.wire.messages.operator import NodeStatus, Status

_STATE_STYLES = {"ready": "green", "starting": "cyan", "draining": "yellow", "suspect": "red", "crashed": "bold red"}
_BAR_CELLS = 8
MAX_TRANSFERS_SHOWN = 8
_EXTRAS = {"tracks": 90, "up": 102, "sends": 114, "memory": 124, "pid": 132}
"""Column -> the width from which on it is shown, in characters."""


def status_view(status: Status, width: int = 80) -> RenderableType:
    """A head line, a table of machines with their nodes, and what is wrong; `width` in characters."""
    parts: list[RenderableType] = [_head(status), _nodes(status, width)]
    if status.scan_total > status.scan_done:
        parts.append(Text(f"reading new music: {size(status.scan_done)} of {size(status.scan_total)}", style="cyan"))
    parts += _transfers(status)
    parts += [Text(f"! {problem}", style="yellow") for problem in status.problems]
    for node in status.nodes:
        parts += [Text(f"  {node.id}: {line}", style="dim") for line in node.last_lines[-5:]]
    return Group(*parts)


def _head(status: Status) -> Text:
    text = Text()
    text.append("Hocket ", style="bold")
    text.append(f"at {status.address}, up {spoken_time(status.up_s)}: ")
    text.append(f"{count(status.listeners, 'listener')}, {count(status.tracks, 'track')}", style="bold")
    if status.unplayable:
        text.append(f" ({status.unplayable} more cannot play)", style="yellow")
    if sum(node.role in (Role.PRIME, Role.PLANE) for node in status.nodes) > 1:
        text.append(f", {status.copies_present:,} of {count(status.copies_wanted, 'copy', 'copies')}")
    if status.missing_copies:
        text.append(f", {count(status.missing_copies, 'copy', 'copies')} missing", style="yellow")
    return text


def _transfers(status: Status) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for copy in status.transfers[:MAX_TRANSFERS_SHOWN]:
        text = Text(f"  {copy.source} → {copy.target}  ", style="cyan", no_wrap=True, overflow="ellipsis")
        text.append(f"{size(copy.done_bytes)} of {size(copy.size_bytes)}  ", style="bold cyan")
        text.append(copy.name, style="default")
        parts.append(text)
    left = len(status.transfers) - MAX_TRANSFERS_SHOWN
    if left > 0:
        parts.append(Text(f"  and {count(left, 'more copy', 'more copies')} on the way", style="cyan"))
    return parts


def _nodes(status: Status, width: int) -> Table:
    """Ids and addresses are never cut: what does not fit beside them is left out."""
    extras = [name for name, needs in _EXTRAS.items() if width >= needs]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("node", "state", "address", "load"):
        table.add_column(heading, no_wrap=True)
    for heading in extras:
        table.add_column(heading, justify="right", no_wrap=True)
    for machine in status.nodes:
        if machine.role in (Role.PRIME, Role.PLANE):
            table.add_row(*_cells(machine, "", extras))
            for node in status.nodes:
                if node.plane == machine.id and node.id != machine.id:
                    table.add_row(*_cells(node, "  ", extras))
    return table


def _cells(node: NodeStatus, indent: str, extras: list[str]) -> list[Text | str]:
    shown = {
        "sends": f"{size(node.sent_bytes_per_s)}/s" if node.sent_bytes_per_s else "-",
        "memory": size(node.memory_bytes) if node.memory_bytes else "-",
        "up": spoken_time(node.up_s),
        "tracks": f"{node.tracks:,}" if node.tracks else "-",
        "pid": str(node.pid) if node.pid else "-",
    }
    return [
        f"{indent}{node.id}",
        Text(node.state, style=_STATE_STYLES.get(node.state, "")),
        str(node.address) if node.address.host else "-",
        _load(node),
        *(shown[name] for name in extras),
    ]


def _load(node: NodeStatus) -> Text:
    if not node.capacity:
        return Text("-")
    share = min(1.0, node.load / node.capacity)
    filled = round(share * _BAR_CELLS) or int(node.load > 0)
    style = "green" if share < 0.7 else "yellow" if share < 1 else "red"
    text = Text("━" * filled, style=style)
    text.append("━" * (_BAR_CELLS - filled), style="bright_black")
    text.append(f" {node.load}/{node.capacity}")
    return text


def count(number: int, one: str, many: str = "") -> str:
    """`1 track`, `2 tracks`, `1,200 tracks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(size_bytes: float) -> str:
    """`17 B`, `4.2 MB`: three digits at most."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while size_bytes >= 999.5 and len(units) > 1:
        size_bytes /= 1000
        del units[0]
    return f"{size_bytes:.0f} {units[0]}" if size_bytes >= 9.95 or units[0] == "B" else f"{size_bytes:.1f} {units[0]}"


def spoken_time(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h 20 min`, `4 d 2 h`."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if seconds < 60:
        return f"{int(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"
