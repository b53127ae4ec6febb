"""A cluster's certificates for tests, made once: keys cost time, and nobody changes them."""

import functools
import tempfile
from pathlib import Path

from hocket.adapters.authority import Authority
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.tls import Credentials
from hocket.core.ids import NodeId, Role


def authority(name: str = "ours") -> Authority:
    """A CA; another name is another cluster's."""
    return _authority(name)


@functools.cache
def _authority(name: str) -> Authority:
    with tempfile.TemporaryDirectory() as path, DataFolder.open(Path(path) / name) as folder:
        return Authority.load_or_create(folder)


@functools.cache
def credentials(role: Role, node: str, cluster: str = "ours") -> Credentials:
    """A node's certificate and key, by the CA of that name."""
    return authority(cluster).issue(role, NodeId(node))
