"""All declarations. Importing this package fills the register."""

from hocket.wire import hello
from hocket.wire.messages import common, login, nodes, operator, planes, tracks

__all__ = ["common", "hello", "login", "nodes", "operator", "planes", "tracks"]
