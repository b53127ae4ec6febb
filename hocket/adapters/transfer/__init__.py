"""Copies of music files, straight from one machine to another.

`source` pulls a file over a raw TLS socket, `lines` keeps that one for the next file, `partial` keeps what came
beside its target until all of it is there and verified, `pace` says how fast, `fetch` is one copy from begin to
end, `pool` runs a few of them in threads, `trash` is where removed music waits.
"""

from hocket.adapters.transfer.fetch import Fetched
from hocket.adapters.transfer.pace import Pace
from hocket.adapters.transfer.pool import Transfers
from hocket.adapters.transfer.serving import FileService

__all__ = ["Fetched", "FileService", "Pace", "Transfers"]
