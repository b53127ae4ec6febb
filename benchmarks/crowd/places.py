"""Sockets of one process that stand on different hosts of a test network: each task on its own."""

import contextvars
import socket
from typing import Any

from tests.kit import netns


class Place:
    """Where what runs in a context connects from. Empty: where the process itself is."""

    def __init__(self, namespace: int | None = None, source: str = "") -> None:
        """`namespace`: a descriptor of a network namespace; `source`: the address that connections leave from."""
        self.namespace = namespace
        self.source = source


here: contextvars.ContextVar[Place] = contextvars.ContextVar("here", default=Place())  # noqa: B039 - never changed


class PlacedSocket(socket.socket):
    """Made in the namespace of its context, connects from the address of its context."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        place = here.get()
        if fileno is not None or place.namespace is None:
            super().__init__(family, type, proto, fileno)
            return
        with netns.inside(place.namespace):
            super().__init__(family, type, proto)

    def connect(self, address: Any) -> None:
        source = here.get().source
        if source and self.family == socket.AF_INET and self.getsockname()[1] == 0:
            self.bind((source, 0))
        super().connect(address)


def install() -> None:
    """All sockets of this process are placed from now on."""
    socket.socket = PlacedSocket  # type: ignore[misc]
