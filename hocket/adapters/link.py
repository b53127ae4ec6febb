"""One connection that speaks the wire: requests and notices both ways, over TLS, inside asyncio.

Control connections and listeners' connections use it. Only the streaming node's audio path has its
own sockets (`hocket.adapters.streaming`), speaking the same frames.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

from hocket.adapters.clocks import random_bytes
from hocket.adapters.tls import certified
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError
from hocket.core.ids import NodeId, Role
from hocket.wire import codec, limits, permissions
from hocket.wire.codec import Flag, Frame
from hocket.wire.hello import NONCE_BYTES, PROTOCOL_NEWEST, PROTOCOL_OLDEST, Hello, Opening
from hocket.wire.kinds import Kind
from hocket.wire.message import Message
from hocket.wire.messages.common import Done, ErrorReply

log = logging.getLogger(__name__)

MAX_BACKLOG_BYTES = 4 * 1024 * 1024
"""A peer that lets this much pile up unread is cut off: it must not cost more memory than that."""

MAX_HANDLED_AT_ONCE = 256
"""Requests of one peer that are being answered; past it the peer is cut off."""

SHUTDOWN_TIMEOUT_S = 1.0

M = TypeVar("M", bound=Message)


class Owner(Protocol):
    """Who a link works for. Methods are called on the event loop."""

    async def on_message(self, link: "Link", message: Message) -> Message | None:
        """Answer a request (return its reply or raise HocketError), or take a notice (return None)."""
        ...

    def on_closed(self, link: "Link", error: HocketError) -> None:
        """An open link has closed. Called once, never for a link whose opening failed."""
        ...


AtOnce = Mapping[type[Message], Callable[["Link", Any], Message]]
"""Requests that are answered within the very wake-up that brought them, each with who answers it (or raises
HocketError). A task each, run in the loop's next turn, costs more than a short answer does."""


class Link(asyncio.BufferedProtocol):
    """A connection after (or during) its opening. Made by `connect` and `LinkServer`.

    Not for use from other threads.
    """

    def __init__(
        self,
        mine: Hello,
        owner: Owner,
        *,
        on_made: Callable[["Link"], None] | None = None,
        on_opened: Callable[["Link"], None] | None = None,
        believe: bool = False,
        at_once: AtOnce | None = None,
    ) -> None:
        self._mine = mine
        self._owner = owner
        self._at_once = at_once or {}
        self._on_made = on_made
        self._on_opened = on_opened
        self._believe = believe
        self._loop = asyncio.get_running_loop()
        self._decoder = codec.Decoder()
        self._transport: asyncio.Transport | None = None
        self._opening: Opening | None = None
        self._waiting: dict[int, tuple[Message, asyncio.Future[Message | bytes]]] = {}
        self._last_correlation = 0
        self.sender_role = Role.LISTENER  # as what the peer's messages are judged; an owner may raise it
        self.is_stranger = True  # showed no certificate
        self._tasks: set[asyncio.Task[None]] = set()
        self._hello_timer: asyncio.TimerHandle | None = None
        self._error: HocketError | None = None
        self._early: list[Frame | HocketError] = []  # came with the end of the TLS handshake, before `connection_made`
        self.peer_address = HostPort("?", 0)
        self.own_address = HostPort("?", 0)  # this side's end: an address of ours that the peer can reach
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    # -- what owners use

    @property
    def peer(self) -> Hello:
        """The other side's HELLO. Only on an open link."""
        assert self._opening is not None
        assert self._opening.peer is not None
        return self._opening.peer

    @property
    def my_nonce(self) -> bytes:
        """The nonce in our HELLO, which a peer signs to prove possession of its session's key."""
        return self._mine.nonce

    @property
    def is_open(self) -> bool:
        return self._opening is not None and self._opening.is_open and self._error is None

    async def request(self, message: Message, reply: type[M], timeout_s: float = limits.REPLY_TIMEOUT_S) -> M:
        """Send a request and wait for its reply, of the declared type `reply`.

        Raises Refused (the peer's error), NotReachable (no answer in time, or the connection broke).
        """
        assert type(message).reply is reply, f"{type(message).__name__} is not answered by {reply.__name__}"
        return cast(M, await self._ask(message, timeout_s))

    async def request_bytes(self, message: Message, timeout_s: float = limits.REPLY_TIMEOUT_S) -> bytes:
        """Like `request`, for requests that are answered by a raw body."""
        return cast(bytes, await self._ask(message, timeout_s))

    def notify(self, message: Message) -> None:
        """Send a notice; nothing comes back, and nothing happens on a closed link."""
        if self._error is None:
            self._send(codec.encode(message))

    def close(self, error: HocketError | None = None) -> None:
        """Close; tell the peer why if there is an error. Pending requests fail."""
        if self._error is not None:
            return
        if error is not None and self._transport is not None:
            self._transport.write(codec.encode(ErrorReply.of(error), 0, Flag.ERROR))
        self._finish(error or NotReachable("closed on this side", code=ErrorCode.CONNECTION_LOST))
        if self._transport is not None:
            self._transport.close()

    def abort(self, error: HocketError | None = None) -> None:
        """Close without a farewell, which would wait for the peer's."""
        self._finish(error or NotReachable("given up on this side", code=ErrorCode.CONNECTION_LOST))
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Until a link that was connected is connected no more."""
        await asyncio.shield(self.closed)

    async def give_up(self) -> None:
        """Abort, and wait until nothing is left of the connection, however far it came."""
        self.abort()
        if self._transport is not None:
            await self.wait_closed()

    def expect_raw(self, max_raw_bytes: int) -> None:
        """Allow raw bodies up to this size from the peer."""
        self._decoder.max_raw_bytes = max_raw_bytes

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._error is not None:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=MAX_BACKLOG_BYTES)
        self.peer_address = _address(transport.get_extra_info("peername"))
        self.own_address = _address(transport.get_extra_info("sockname"))
        shown = transport.get_extra_info("peercert")
        self.is_stranger = not shown
        try:
            if self._on_made is not None:
                self._on_made(self)
            who = certified(shown)
        except HocketError as error:
            self.close(error)
            return
        self._opening = Opening(self._mine, who, self._believe)
        self._hello_timer = self._loop.call_later(limits.HELLO_TIMEOUT_S, self._said_nothing)
        self._send(codec.encode(self._mine))
        early, self._early = self._early, []
        self._take_all(early)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._decoder.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        came: list[Frame | HocketError]
        try:
            came = [*self._decoder.advance(nbytes)]
        except HocketError as error:
            came = [error]
        if self._transport is None:
            self._early += came
        else:
            self._take_all(came)

    def _take_all(self, came: list[Frame | HocketError]) -> None:
        try:
            for frame in came:
                if self._error is not None:
                    return
                if isinstance(frame, HocketError):
                    raise frame
                self._take(frame)
        except HocketError as error:
            log.info("%s: closing: %s", self.peer_address, error)
            self.close(error)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        log.info("%s reads too slowly: cut off", self.peer_address)
        self.abort(ProtocolError(f"the peer left {MAX_BACKLOG_BYTES} bytes unread"))

    def resume_writing(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None:
        why = f": {exc}" if exc else ""
        self._finish(
            NotReachable(f"the connection to {self._peer_name()} is lost{why}", code=ErrorCode.CONNECTION_LOST)
        )
        if not self.closed.done():
            self.closed.set_result(None)

    # -- inside

    def _peer_name(self) -> str:
        opened = self._opening.peer if self._opening else None
        return f"{opened.node} at {self.peer_address}" if opened else str(self.peer_address)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _said_nothing(self) -> None:
        self.close(ProtocolError("no HELLO in time", code=ErrorCode.TIMED_OUT))

    def _take(self, frame: Frame) -> None:
        if not self.is_open:
            self._take_hello(frame)
        elif frame.is_reply:
            self._take_reply(frame)
        else:
            self._take_message(frame)

    def _take_hello(self, frame: Frame) -> None:
        message = codec.decode(frame)
        if isinstance(message, ErrorReply):
            self.abort(message.error())
            return
        if not isinstance(message, Hello) or self._opening is None:
            raise ProtocolError(f"{type(message).__name__} before HELLO")
        self._opening.receive(message)
        self.sender_role = message.role
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        self._decoder.max_control_bytes = limits.MAX_CONTROL_BODY_BYTES
        if self._on_opened is not None:
            self._on_opened(self)
        if not self.opened.done():
            self.opened.set_result(None)

    def _take_reply(self, frame: Frame) -> None:
        request, future = self._waiting.get(frame.correlation, (None, None))
        if request is None or future is None or future.done():
            return  # asked, given up on, answered after all
        reply: Message | bytes
        if frame.flags & Flag.RAW:
            if type(request).reply is None or type(request).reply.kind is not Kind.CHUNK:  # type: ignore[union-attr]
                raise ProtocolError(f"raw bytes are no answer to {type(request).__name__}")
            reply = frame.body
        else:
            reply = codec.decode(frame)
            if not isinstance(reply, ErrorReply):
                permissions.check_reply(request, reply)
        del self._waiting[frame.correlation]  # not before: a reply that breaks the rules fails what waits for it
        if isinstance(reply, ErrorReply):
            future.set_exception(reply.error())
        else:
            future.set_result(reply)

    def _take_message(self, frame: Frame) -> None:
        message = codec.decode(frame)
        if isinstance(message, ErrorReply):
            self.abort(message.error())
            return
        if isinstance(message, Hello):
            raise ProtocolError("a second HELLO on one connection")
        try:
            permissions.check(message, self.sender_role, self._mine.role)
        except ProtocolError as error:
            if type(message).reply is None:
                raise
            self._reply(frame.correlation, error)
            return
        if (at_once := self._at_once.get(type(message))) is not None:
            self._answer_at_once(at_once, message, frame.correlation)
            return
        if len(self._tasks) >= MAX_HANDLED_AT_ONCE:
            raise ProtocolError("too many requests at once", code=ErrorCode.TOO_MANY_REQUESTS)
        task = self._loop.create_task(self._handle(message, frame.correlation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _answer_at_once(self, answer: Callable[["Link", Any], Message], message: Message, correlation: int) -> None:
        try:
            found: Message | HocketError = answer(self, message)
        except Exception as error:
            found = _for_peer(error, message)
        self._conclude(message, correlation, found)

    async def _handle(self, message: Message, correlation: int) -> None:
        answer: Message | HocketError | None
        try:
            answer = await self._owner.on_message(self, message)
        except Exception as error:
            answer = _for_peer(error, message)
        if type(message).reply is not None:
            self._conclude(message, correlation, answer if answer is not None else Done())

    def _conclude(self, message: Message, correlation: int, answer: Message | HocketError) -> None:
        try:
            self._reply(correlation, answer)
        except ProtocolError as error:  # too large for one message
            log.error("the answer to %s: %s", type(message).__name__, error)
            self._reply(correlation, error)

    def _reply(self, correlation: int, answer: Message | HocketError) -> None:
        if self._error is not None:
            return
        if isinstance(answer, HocketError):
            self._send(codec.encode(ErrorReply.of(answer), correlation, Flag.REPLY | Flag.ERROR))
        else:
            self._send(codec.encode(answer, correlation, Flag.REPLY))

    async def _ask(self, message: Message, timeout_s: float) -> Message | bytes:
        if self._error is not None:
            raise self._error
        if len(self._waiting) >= limits.MAX_REQUESTS_IN_FLIGHT:
            raise ProtocolError("too many requests wait for an answer", code=ErrorCode.TOO_MANY_REQUESTS)
        correlation = self._last_correlation = self._last_correlation % 0xFFFFFFFF + 1
        future: asyncio.Future[Message | bytes] = self._loop.create_future()
        self._waiting[correlation] = (message, future)
        self._send(codec.encode(message, correlation))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise NotReachable(
                f"{self._peer_name()} did not answer {type(message).__name__} within {timeout_s:g} s",
                code=ErrorCode.TIMED_OUT,
            ) from None
        finally:
            self._waiting.pop(correlation, None)

    def _finish(self, error: HocketError) -> None:
        if self._error is not None:
            return
        was_open = self.is_open
        self._error = error
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()
        current = asyncio.current_task(self._loop)
        for task in self._tasks:
            if task is not current:
                task.cancel()
        if not self.opened.done():
            self.opened.set_exception(error)
            self.opened.exception()  # a server has nobody who awaits it
        if was_open:
            self._owner.on_closed(self, error)


def _for_peer(error: Exception, message: Message) -> HocketError:
    """What the peer is told when an answer fails."""
    if isinstance(error, HocketError):
        return error
    log.error("a bug while answering %s", type(message).__name__, exc_info=error)
    return HocketError("the node stumbled over a bug; its log tells more", code=ErrorCode.BUG)


def _address(name: tuple[Any, ...] | None) -> HostPort:
    return HostPort(name[0], name[1]) if name else HostPort("?", 0)


def hello(role: Role, node: NodeId, software: str = "hocket") -> Hello:
    """A HELLO of ours with a fresh nonce."""
    return Hello(PROTOCOL_OLDEST, PROTOCOL_NEWEST, role, node, random_bytes(NONCE_BYTES), software)


async def connect(
    address: HostPort,
    context: ssl.SSLContext | None,
    mine: Hello,
    owner: Owner,
    *,
    expect: tuple[Role, NodeId | None],
    believe: bool = False,
    timeout_s: float = limits.HELLO_TIMEOUT_S,
    sock: socket.socket | None = None,
) -> Link:
    """Connect, shake hands, exchange HELLOs. `expect` is the role, and the id if known, that must answer.

    `context` None: a plain connection. `believe`: see `hocket.wire.hello.Opening`. `sock`: connected there already.
    Raises NotReachable, ProtocolError (version, wrong peer), Refused (the peer's reason).
    """
    loop = asyncio.get_running_loop()
    link = Link(mine, owner, believe=believe)
    tls_options: dict[str, Any] = {}
    if context is not None:
        tls_options = {
            "ssl": context,
            "server_hostname": "",
            "ssl_handshake_timeout": timeout_s,
            "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT_S,
        }
    try:
        async with asyncio.timeout(timeout_s):
            if sock is not None:
                await loop.create_connection(lambda: link, sock=sock, **tls_options)
            else:
                await loop.create_connection(lambda: link, address.host, address.port, **tls_options)
            await asyncio.shield(link.opened)
        check_peer(link, expect, address)
    except BaseException as error:
        await link.give_up()
        if (reason := _why_not(error, address, timeout_s)) is not None:
            raise reason from None
        raise
    return link


def _why_not(error: BaseException, address: HostPort, timeout_s: float) -> HocketError | None:
    """What a failure to connect means, if that is not plain from it."""
    match error:
        case TimeoutError():
            return NotReachable(f"{address} did not answer within {timeout_s:g} s", code=ErrorCode.TIMED_OUT)
        case ssl.SSLCertVerificationError():
            return HocketError(
                f"{address} shows a certificate of another cluster ({error.verify_message})",
                code=ErrorCode.CERTIFICATE_REFUSED,
            )
        case OSError():
            return NotReachable(f"{address} cannot be reached: {_reason(error)}", hint="is it running there?")
        case ValueError():  # of the resolver: no name has such letters, or so many
            return NotReachable(f"{str(address)!r} is no address", hint="write HOST:PORT, as in 192.168.1.5:50001")
    return None


def _reason(error: OSError) -> str:
    """asyncio words the usual errors as "Connect call failed (...)"; the system's words are for people."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)


def check_peer(link: Link, expect: tuple[Role, NodeId | None], address: HostPort) -> None:
    """Raises ProtocolError and closes unless the certified peer is the one that was meant."""
    role, node = expect
    peer = link.peer
    if peer.role is role and node in (None, peer.node):
        return
    error = ProtocolError(
        f"{address} is {peer.role.value} {peer.node}, not {role.value} {node or ''}".rstrip(),
        code=ErrorCode.CERTIFICATE_REFUSED,
    )
    link.close(error)
    raise error
