"""What the command lines of long-running nodes share."""

import asyncio
import signal
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from hocket.adapters.descriptors import allow_many
from hocket.app.options import UsageError

Positive = Annotated[int, Parameter(validator=Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=Number(gte=0))]
Seconds = Annotated[float, Parameter(validator=Number(gt=0))]


def prepare(end: Callable[[str], None]) -> None:
    """For programs that serve: many connections, and SIGINT and SIGTERM call `end` with their name."""
    allow_many()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, signal.Signals(number).name)


def port_range(text: str) -> tuple[int, int] | None:
    """`A-B` as two ports, None for "". Raises UsageError."""
    if not text:
        return None
    first, dash, last = text.partition("-")
    if not dash or not first.isdigit() or not last.isdigit() or not 0 < int(first) <= int(last) <= 65535:
        raise UsageError(f"--node-ports {text!r} is no range of ports", hint="write it as in 50010-50030")
    return int(first), int(last)
