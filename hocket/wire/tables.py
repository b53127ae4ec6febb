"""The tables of docs/protocol.md, made from the declarations so that they cannot drift.

python -m hocket.wire.tables docs/protocol.md           write them between the markers
python -m hocket.wire.tables --check docs/protocol.md   exit 1 if the page is not up to date
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import get_type_hints

import msgspec

from hocket.core.errors import ErrorCode
from hocket.core.ids import Role
from hocket.wire import limits
from hocket.wire.message import EVERYONE, Message
from hocket.wire.messages import declared

BEGIN = "<!-- generated: {} -->"
END = "<!-- end -->"


def _roles(roles: frozenset[Role]) -> str:
    if roles == EVERYONE:
        return "everyone"
    return ", ".join(role.value for role in Role if role in roles) or "(answer only)"


def _first_sentence(cls: type) -> str:
    text = " ".join((inspect.getdoc(cls) or "").split())
    return text.replace("|", "\\|")


def _field_type(hint: object) -> str:
    if isinstance(hint, UnionType):
        return " or ".join("none" if part is NoneType else _field_type(part) for part in hint.__args__)
    name = getattr(hint, "__name__", None) if not hasattr(hint, "__metadata__") else None
    text = name or str(hint).replace("typing.", "")
    if hasattr(hint, "__metadata__"):
        base = getattr(hint, "__origin__", hint)
        bounds = ", ".join(str(meta).removeprefix("msgspec.").removeprefix("Meta") for meta in hint.__metadata__)
        text = f"{getattr(base, '__name__', base)} {bounds}"
    return text.replace("|", "\\|")


def _fields(cls: type[Message]) -> str:
    hints = get_type_hints(cls, include_extras=True)
    rows = [f"`{field.name}`: {_field_type(hints[field.name])}" for field in msgspec.structs.fields(cls)]
    return "<br>".join(rows) or "-"


def message_rows() -> Iterator[str]:
    """One table row a message."""
    yield "| number | message | from | to | answered by | fields | meaning |"
    yield "|---|---|---|---|---|---|---|"
    for kind, cls in declared().items():
        reply = cls.reply.__name__ if cls.reply else "-"
        yield (
            f"| {int(kind)} | {cls.__name__} | {_roles(cls.senders)} | {_roles(cls.receivers)} | {reply} "
            f"| {_fields(cls)} | {_first_sentence(cls)} |"
        )


def permission_rows() -> Iterator[str]:
    """Role x kind: which roles a sender may address with which message."""
    roles = list(Role)
    yield "| message | " + " | ".join(f"{role.value} sends to" for role in roles) + " |"
    yield "|---" * (len(roles) + 1) + "|"
    for cls in declared().values():
        if cls.senders:
            cells = [_roles(cls.receivers) if role in cls.senders else "-" for role in roles]
            yield f"| {cls.__name__} | " + " | ".join(cells) + " |"


def limit_rows() -> Iterator[str]:
    """Every maximum with its reason: the docstring that follows it in the source."""
    yield "| limit | value | why |"
    yield "|---|---|---|"
    lines = inspect.getsource(limits).splitlines()
    for at, line in enumerate(lines):
        name, equals, _ = line.partition(" = ")
        if equals and name.isupper() and not line.startswith(" "):
            reason = lines[at + 1].strip('"') if at + 1 < len(lines) and lines[at + 1].startswith('"""') else ""
            yield f"| `{name}` | {getattr(limits, name):,} | {reason} |"


def error_rows() -> Iterator[str]:
    """Every error code."""
    yield "| code |"
    yield "|---|"
    for code in ErrorCode:
        yield f"| `{code.value}` |"


TABLES = {"messages": message_rows, "permissions": permission_rows, "limits": limit_rows, "errors": error_rows}


def with_tables(page: str) -> str:
    """The page with the text between its markers replaced. Raises ValueError when a marker is missing."""
    for name, rows in TABLES.items():
        begin = BEGIN.format(name)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(END)
        if not found or not ended:
            raise ValueError(f"the page lacks {begin} ... {END}")
        page = f"{before}{begin}\n\n" + "\n".join(rows()) + f"\n\n{END}{after}"
    return page


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    path = Path(next(argument for argument in arguments if not argument.startswith("--")))
    page = path.read_text(encoding="utf-8")
    fresh = with_tables(page)
    if check:
        if fresh != page:
            sys.stderr.write(f"{path} is out of date: run `make docs`\n")
        return int(fresh != page)
    path.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
