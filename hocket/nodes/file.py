"""The streaming node: lists tracks and sends their bytes to whoever shows a ticket."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hocket.adapters.clocks import SystemClock
from hocket.adapters.library import LibraryIndex, open_track
from hocket.adapters.library.looks import Cover
from hocket.adapters.streaming import Connection, OpenFile, OpenFiles, Stage, StreamServer
from hocket.adapters.tls import Credentials, reload_context, server_context
from hocket.auth.accounts import Rights
from hocket.auth.revocations import Revocations
from hocket.auth.tickets import Ticket, TicketVerifier, check_possession
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, TicketRefused, TrackMissing, TrackUnplayable
from hocket.core.ids import NodeId, UserName
from hocket.core.track import NO_TRACK_ID, Track
from hocket.nodes.childsettings import ChildSettings
from hocket.nodes.endings import first_done
from hocket.nodes.looks import Looks
from hocket.nodes.ports import advertised, listen_on
from hocket.nodes.renewal import keep_fresh
from hocket.nodes.uplink import Uplink, Watcher
from hocket.nodes.wholelist import WholeList
from hocket.wire import limits
from hocket.wire.message import Message
from hocket.wire.messages.common import Ping, Pong, Present, Presented
from hocket.wire.messages.library import TracksElsewhere
from hocket.wire.messages.login import SessionEnded
from hocket.wire.messages.nodes import (
    CatalogueRefresh,
    Drain,
    EndSessions,
    Heartbeat,
    Register,
    Registered,
    Retire,
)
from hocket.wire.messages.planes import NodesRemoved
from hocket.wire.messages.tracks import (
    CatalogueChanged,
    CloseTrack,
    CoverGet,
    FindTrack,
    ListTracks,
    NodeDraining,
    OpenTrack,
    Read,
    TrackOpened,
    WaveformGet,
)

log = logging.getLogger(__name__)

CONNECTIONS_PER_STREAM = 2
"""Listeners that are connected but play nothing (warm, paused) may be as many again as those that play."""

EXTRA_CONNECTIONS = 64
MAX_LATE = 1024
"""Answers that wait for a list or an index: as many as listeners ask for when a node has just started."""

DRAIN_TIMEOUT_S = 20.0
"""Listeners that did not move by then have lost this node anyway."""


class Listener:
    """What the node knows of one connection."""

    __slots__ = ("files", "last_handle", "ticket")

    def __init__(self) -> None:
        self.ticket: Ticket | None = None
        self.files: dict[int, OpenFile] = {}
        self.last_handle = 0


class FileNode:
    """One streaming node. `run` serves until it is told to end, and returns why."""

    def __init__(
        self, own: ChildSettings, watcher: Watcher, on_renewed: Callable[[Credentials], None] | None = None
    ) -> None:
        """`on_renewed` keeps a fresh certificate where the node is to start again from."""
        self._on_renewed = on_renewed
        self._own = own
        self._clock = SystemClock()
        self._index = LibraryIndex(own.index)
        self._list = WholeList(self._index, self._tell_catalogue)
        self._revoked = Revocations.lasting(own.policy.ticket_s, own.policy.session_grace_s)
        self._verifier = TicketVerifier(own.authority_key, self._revoked)
        self._files = OpenFiles(lambda track: open_track(own.music, track, self._index.entries(track.id)))
        self._looks = Looks(Path(own.music), self._index, Path(own.index).parent)
        self._context = None if own.policy.audio_plain else server_context(own.standing.credentials)
        self._server = StreamServer(
            own.node,
            self,
            self._files,
            self._clock,
            self._context,
            CONNECTIONS_PER_STREAM * own.capacity + EXTRA_CONNECTIONS,
        )
        self._uplink = Uplink(
            own.standing,
            describe=self._describe,
            load=self._load,
            on_registered=self._on_registered,
            on_message=self._on_message,
            watcher=watcher,
        )
        self._late: set[asyncio.Task[Message]] = set()  # answers that are worked out
        self._draining = False
        self._drain_timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.registered = asyncio.Event()

    @property
    def id(self) -> NodeId:
        return self._own.node

    async def run(self) -> str:
        """Serve. Raises HocketError (PORT_BUSY, refused by the prime)."""
        await self._list.update()
        await listen_on(self._server.start, self._own)
        fresh = keep_fresh(self._own.standing, self._own.renew_in_s, self._uplink.request, self._renewed)
        tasks = [asyncio.create_task(work) for work in (self._uplink.run(), self._list.run(), fresh)]
        try:
            return await first_done(self._ended, *tasks)
        finally:
            for task in (*tasks, *self._late):
                task.cancel()
            await asyncio.gather(*tasks, *self._late, return_exceptions=True)
            if self._drain_timer is not None:
                self._drain_timer.cancel()
            self._server.stop()
            await self._looks.close()

    def end(self, why: str) -> None:
        """Make `run` return."""
        if not self._ended.done():
            self._ended.set_result(why)

    # -- listeners (streaming.Service)

    def answer(self, connection: Connection, message: Message) -> "Message | asyncio.Future[Message] | None":
        """See `hocket.adapters.streaming.Service`."""
        if isinstance(message, Ping):
            return Pong()
        if isinstance(message, Present):
            return self._present(connection, message)
        listener = self._admitted(connection)
        match message:
            case ListTracks():
                return self._list.page(message) if self._list.is_ready else self._answer_late(self._page(message))
            case FindTrack():
                return self._list.find(message) if self._list.is_ready else self._answer_late(self._find(message))
            case OpenTrack() if self._index.catalogue.get(message.track) is None:
                return self._answer_late(self._open_new(connection, listener, message))
            case OpenTrack():
                return self._open(listener, message)
            case CloseTrack():
                self._close(listener, message.handle)
                return None
            case WaveformGet():
                return self._looks.waveform(message.track)
            case CoverGet():
                return self._looks.cover(message.track, lambda cover: self._lend(connection, listener, cover))
        raise HocketError(f"{type(message).__name__} is not for a streaming node", code=ErrorCode.NOT_ALLOWED)

    def file_for(self, connection: Connection, read: Read) -> OpenFile:
        """See `hocket.adapters.streaming.Service`."""
        file = self._admitted(connection).files.get(read.handle)
        if file is None:
            raise TrackMissing(f"no track is open under handle {read.handle}", hint="open it first")
        return file

    def closed(self, connection: Connection) -> None:
        """See `hocket.adapters.streaming.Service`."""
        listener = connection.user_data
        if isinstance(listener, Listener):
            for file in listener.files.values():
                self._files.give_back(file)
            listener.files.clear()
        self._uplink.load_changed()
        if self._draining and len(self._server.connections) <= 1:
            self.end("drained")

    def _present(self, connection: Connection, message: Present) -> Presented:
        now_ns = self._uplink.cluster_ns()
        ticket = self._verifier.verify(message.ticket, now_ns)
        if not ticket.may(Rights.LISTEN):
            raise TicketRefused("this account may not listen", hint="ask whoever looks after the cluster")
        check_possession(ticket, connection.my_nonce, self._own.node, message.proof)
        listener = connection.user_data
        if not isinstance(listener, Listener):
            listener = connection.user_data = Listener()
            self._uplink.load_changed()
        if listener.ticket is not None and listener.ticket.session != ticket.session:
            raise TicketRefused("a connection serves one session", hint="connect anew")
        listener.ticket = ticket
        expires_in_s = (ticket.expires_ns - now_ns) / NS_PER_S
        connection.due_s = self._clock.monotonic_s() + expires_in_s
        return Presented(expires_in_s)

    def _admitted(self, connection: Connection) -> Listener:
        listener = connection.user_data
        if not isinstance(listener, Listener) or connection.due_s < self._clock.monotonic_s():
            raise TicketRefused("no valid ticket was shown on this connection", hint="log in again")
        return listener

    async def _page(self, asked: ListTracks) -> Message:
        await self._list.wait_ready()
        return self._list.page(asked)

    async def _find(self, asked: FindTrack) -> Message:
        await self._list.wait_ready()
        return self._list.find(asked)

    async def _open_new(self, connection: Connection, listener: Listener, message: OpenTrack) -> Message:
        """The prime may know of a new track before this node has looked at the index."""
        await self._list.update()
        _check_open(connection)
        return self._open(listener, message)

    def _answer_late(self, work: Coroutine[Any, Any, Message]) -> "asyncio.Future[Message]":
        if len(self._late) >= MAX_LATE:
            work.close()
            raise HocketError("too many questions at once", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=1.0)
        task = asyncio.create_task(work)
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task

    def _open(self, listener: Listener, message: OpenTrack) -> TrackOpened:
        if self._draining:
            raise HocketError("this streaming node is being drained", code=ErrorCode.DRAINING, hint="ask the prime")
        if not listener.files and self._streams() >= self._own.capacity:
            raise HocketError(f"all {self._own.capacity} streams are taken", code=ErrorCode.NODE_FULL)
        self._check_handles(listener)
        track = self._index.catalogue.get(message.track)
        if track is None:
            raise TrackMissing(f"the machine of {self._own.node} does not hold {message.track}", hint="ask the prime")
        if track.problem:
            raise TrackUnplayable(f"'{track.name}' cannot be played", hint=track.problem)
        file = self._files.take(track)
        listener.last_handle += 1
        listener.files[listener.last_handle] = file
        return TrackOpened(listener.last_handle, file.track)

    def _lend(self, connection: Connection, listener: Listener, cover: Cover) -> int:
        """A handle for a picture's file, unless the listener has gone meanwhile."""
        _check_open(connection)
        self._check_handles(listener)
        listener.last_handle += 1
        track = Track(NO_TRACK_ID, "cover", "cover", size_bytes=cover.file_bytes)
        listener.files[listener.last_handle] = self._files.lend(track, cover.fd)
        return listener.last_handle

    def _check_handles(self, listener: Listener) -> None:
        if len(listener.files) >= limits.MAX_OPEN_TRACKS:
            raise HocketError(
                f"{limits.MAX_OPEN_TRACKS} tracks are open on this connection",
                code=ErrorCode.TOO_MANY_REQUESTS,
                hint="close one first",
            )

    def _close(self, listener: Listener, handle: int) -> None:
        file = listener.files.pop(handle, None)
        if file is not None:
            self._files.give_back(file)

    def _streams(self) -> int:
        return sum(1 for c in self._server.connections if isinstance(c.user_data, Listener) and c.user_data.files)

    # -- the prime

    def _describe(self, boot: str) -> Register:
        own = self._own
        address = advertised(own, self._server.address)
        load = self._load().load
        return Register(boot, own.parent, address, os.getpid(), own.capacity, load, holds=own.holds)

    def _load(self) -> Heartbeat:
        listeners = sum(1 for c in self._server.connections if isinstance(c.user_data, Listener))
        return Heartbeat(listeners, self._draining, self._server.sent_bytes)

    def _renewed(self, credentials: Credentials) -> None:
        if self._context is not None:
            reload_context(self._context, credentials)
        self._uplink.renewed(credentials)
        if self._on_renewed is not None:
            self._on_renewed(credentials)

    def _on_registered(self, registered: Registered) -> None:
        self._list.look_soon()
        self.registered.set()

    async def _on_message(self, message: Message) -> Message | None:
        match message:
            case CatalogueRefresh():
                self._list.look_soon()
            case TracksElsewhere():
                self._list.take(message)
            case NodesRemoved():
                self._revoked.remove_nodes(message.nodes)
            case EndSessions():
                self._end_sessions(message)
            case Drain():
                self._drain(message.why)
            case Retire():
                self.end(message.why or "retired")
            case Ping():
                return Pong()
        return None

    def _tell_catalogue(self, revision: int) -> None:
        for connection in self._server.connections:
            connection.notify(CatalogueChanged(revision))

    def _end_sessions(self, message: EndSessions) -> None:
        when_ns = message.at_ns or self._uplink.cluster_ns()
        if message.session:
            self._revoked.end_session(message.session, when_ns)
        if message.user:
            self._revoked.end_user(UserName(message.user), when_ns)
        for connection in self._server.connections:
            listener = connection.user_data
            ticket = listener.ticket if isinstance(listener, Listener) else None
            if ticket is not None and self._revoked.covers_ticket(ticket.session, ticket.user, ticket.issued_ns):
                connection.notify(SessionEnded(message.code, message.text))
                connection.close()

    def _drain(self, why: str) -> None:
        if self._draining:
            return
        self._draining = True
        log.info("draining: %s", why)
        for connection in self._server.connections:
            connection.notify(NodeDraining(why or "this node is being drained"))
        self._uplink.load_changed()
        if not self._server.connections:
            self.end("drained")
        else:
            loop = asyncio.get_running_loop()
            self._drain_timer = loop.call_later(DRAIN_TIMEOUT_S, self.end, "drained; some listeners did not move")


def _check_open(connection: Connection) -> None:
    if connection.stage is Stage.CLOSED:
        raise HocketError("the listener is gone", code=ErrorCode.CONNECTION_LOST)
