"""What the command lines of long-running nodes share."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from hocket.adapters.descriptors import allow_many
from hocket.app.logs import hide
from hocket.app.options import UsageError
from hocket.core.address import HostPort

Positive = Annotated[int, Parameter(validator=Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=Number(gte=0))]
Seconds = Annotated[float, Parameter(validator=Number(gt=0))]

FLAT = Parameter(name="*")
"""Marks a parameter whose fields are flags of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """The flags of whatever joins a cluster."""

    join: str = ""
    "The token that `controlNODE.py token` printed on the prime's machine; needed once."

    listen: str = ""
    "HOST:PORT for all others; by default the address by which this machine reaches the prime, and any free port."

    advertise: str = ""
    "Host that others are told instead of the one listened on: behind a router that forwards ports."

    def token(self) -> str:
        """The token, which is kept out of the log from now on."""
        hide(self.join)
        return self.join

    def address(self) -> HostPort | None:
        """Where to listen; None for the default. Raises BadAddress."""
        return HostPort.parse(self.listen) if self.listen else None

    def host(self) -> str:
        """What others are told. Raises UsageError."""
        return only_host(self.advertise)


JOINING = Joining()
"""None of them given."""


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


def only_host(advertise: str) -> str:
    """What stands after --advertise, if it is a host. Raises UsageError."""
    host = advertise.strip()
    if host.count(":") == 1 or not set(host).isdisjoint(" \t/[]#"):
        raise UsageError(
            f"--advertise {advertise!r} is no host",
            hint="write a name or an address alone; the port is the one listened on",
        )
    return host
