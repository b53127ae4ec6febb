"""All declarations. Importing this package fills the register."""

from hocket.wire import hello
from hocket.wire.messages import common, library, login, nodes, operator, planes, together, tracks

__all__ = ["common", "hello", "library", "login", "nodes", "operator", "planes", "together", "tracks"]
