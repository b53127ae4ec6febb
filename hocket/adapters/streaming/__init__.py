"""Raw sockets that hand out files: no task, stream or buffer per connection.

Streaming nodes serve listeners with it, control nodes one another.

`server` accepts and sweeps, `connection` is one listener, `outbox` what it still has to be sent,
`files` the open tracks that listeners share.
"""

from hocket.adapters.streaming.connection import Connection, Service, Stage
from hocket.adapters.streaming.files import OpenFile, OpenFiles
from hocket.adapters.streaming.server import StreamServer

__all__ = ["Connection", "OpenFile", "OpenFiles", "Service", "Stage", "StreamServer"]
