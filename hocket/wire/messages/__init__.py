"""All declarations. Importing this package fills the register."""

from hocket.wire import hello
from hocket.wire.kinds import Kind
from hocket.wire.message import Message, registered
from hocket.wire.messages import common, library, login, nodes, operator, planes, reach, together, tracks

__all__ = [
    "common",
    "declared",
    "hello",
    "library",
    "login",
    "nodes",
    "operator",
    "planes",
    "reach",
    "together",
    "tracks",
]


def declared() -> dict[Kind, type[Message]]:
    """Every declared message by number."""
    return registered()
