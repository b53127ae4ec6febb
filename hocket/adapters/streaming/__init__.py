"""The streaming node's own sockets: no task, stream or buffer per listener.

`server` accepts and sweeps, `connection` is one listener, `outbox` what it still has to be sent,
`files` the open tracks that listeners share.
"""

from hocket.adapters.streaming.connection import Connection, Service
from hocket.adapters.streaming.files import OpenFile, OpenFiles
from hocket.adapters.streaming.server import StreamServer

__all__ = ["Connection", "OpenFile", "OpenFiles", "Service", "StreamServer"]
