"""Hands out files to other control nodes, on a StreamServer: the other end of `source`."""

import contextlib
import os
from collections.abc import Callable

from hocket.adapters.streaming import Connection, OpenFile, OpenFiles
from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.ids import NodeId, TrackId
from hocket.core.track import Track
from hocket.wire import limits
from hocket.wire.message import Message
from hocket.wire.messages import common, library, tracks

IDLE_S = 60.0
"""A connection on which nothing was asked for so long is closed."""

AHEAD_BYTES = 4 * limits.MAX_CHUNK_BYTES
"""Asked of the disk before it is sent: the event loop must not wait for it."""


class Reader:
    """One connection's open files."""

    __slots__ = ("files", "last_handle")

    def __init__(self) -> None:
        self.files: dict[int, OpenFile] = {}
        self.last_handle = 0


class FileService:
    """A StreamServer's service (`hocket.adapters.streaming.Service`) for control nodes.

    `find` is this machine's track with an id; `is_member` says whether a certified node still belongs to the
    cluster.
    """

    def __init__(
        self,
        files: OpenFiles,
        find: Callable[[TrackId], Track | None],
        is_member: Callable[[NodeId], bool],
        now_s: Callable[[], float],
    ) -> None:
        self._files = files
        self._find = find
        self._is_member = is_member
        self._now_s = now_s

    def answer(self, connection: Connection, message: Message) -> Message | None:
        """Open or close a file, or answer a ping."""
        match message:
            case common.Ping():
                return common.Pong()
            case library.OpenFile():
                return self._open(connection, message.track)
            case tracks.CloseTrack():
                self._close(connection, message.handle)
                return None
        raise HocketError(f"{type(message).__name__} is not answered here", code=ErrorCode.NOT_ALLOWED)

    def file_for(self, connection: Connection, read: tracks.Read) -> OpenFile:
        """The open file behind a handle."""
        reader = connection.user_data
        file = reader.files.get(read.handle) if isinstance(reader, Reader) else None
        if file is None:
            raise TrackMissing(f"no file is open under handle {read.handle}", hint="open it first")
        connection.due_s = self._now_s() + IDLE_S
        if read.offset_bytes % AHEAD_BYTES == 0:
            with contextlib.suppress(OSError):
                os.posix_fadvise(file.fd, read.offset_bytes, 2 * AHEAD_BYTES, os.POSIX_FADV_WILLNEED)
        return file

    def closed(self, connection: Connection) -> None:
        """Give back what a connection had open."""
        reader = connection.user_data
        if isinstance(reader, Reader):
            for file in reader.files.values():
                self._files.give_back(file)
            reader.files.clear()

    def _open(self, connection: Connection, wanted: TrackId) -> tracks.TrackOpened:
        if not self._is_member(connection.peer.node):
            raise HocketError(f"{connection.peer.node} was removed from the cluster", code=ErrorCode.NOT_ALLOWED)
        if not isinstance(connection.user_data, Reader):
            connection.user_data = Reader()
        reader = connection.user_data
        if len(reader.files) >= limits.MAX_OPEN_TRACKS:
            raise HocketError(
                f"{limits.MAX_OPEN_TRACKS} files are open on this connection", code=ErrorCode.TOO_MANY_REQUESTS
            )
        track = self._find(wanted)
        if track is None or not track.is_playable:
            raise TrackMissing(f"{wanted} is not on this machine", hint="ask another one")
        file = self._files.take(track)
        reader.last_handle += 1
        reader.files[reader.last_handle] = file
        connection.due_s = self._now_s() + IDLE_S
        return tracks.TrackOpened(reader.last_handle, file.track)

    def _close(self, connection: Connection, handle: int) -> None:
        reader = connection.user_data
        file = reader.files.pop(handle, None) if isinstance(reader, Reader) else None
        if file is not None:
            self._files.give_back(file)
