"""Which port a spawned node listens on: any free one, or the first free one of the owner's range."""

from collections.abc import Awaitable, Callable

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.nodes.childsettings import ChildSettings


async def listen_on(start: Callable[[HostPort], Awaitable[HostPort]], own: ChildSettings) -> HostPort:
    """Start a server where the settings allow. Raises HocketError (PORT_BUSY) when the whole range is taken."""
    return await listen_within(start, own.listen, own.ports)


async def listen_within(
    start: Callable[[HostPort], Awaitable[HostPort]], listen: HostPort, ports: tuple[int, int] | None
) -> HostPort:
    """Start a server at an address, or on the first free port of a range. Raises HocketError (PORT_BUSY)."""
    if ports is None:
        return await start(listen)
    first, last = ports
    for port in range(first, last + 1):
        try:
            return await start(HostPort(listen.host, port))
        except HocketError as error:
            if error.code is not ErrorCode.PORT_BUSY:
                raise
    raise HocketError(
        f"all ports from {first} to {last} are taken",
        code=ErrorCode.PORT_BUSY,
        hint="give --node-ports a larger range: one port for each node that may run at once",
    )


def advertised(own: ChildSettings, taken: HostPort) -> HostPort:
    """What the prime tells others about the address that was taken."""
    return HostPort(own.advertise or taken.host, taken.port)
