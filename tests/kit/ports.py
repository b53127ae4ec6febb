"""TCP ports for tests: from the kernel, never a number that somebody thought was free."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Distinct ports that were free a moment ago. Prefer `--listen HOST:0` where a program offers it."""
    with ExitStack() as held:
        return [held.enter_context(busy_port(host)) for _ in range(count)]


def free_port(host: str = "127.0.0.1") -> int:
    return free_ports(1, host)[0]


@contextmanager
def busy_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that somebody listens on for as long as the context lasts, and who never answers."""
    with socket.create_server((host, 0)) as server:
        yield server.getsockname()[1]


def answers(port: int, host: str = "127.0.0.1", timeout_s: float = 1.0) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
