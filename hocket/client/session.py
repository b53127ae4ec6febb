"""A session at an authentication node: log in, keep it with heartbeats, take it elsewhere when the node is lost."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.adapters.link import Link
from hocket.client import events
from hocket.client.prime import PrimeLine
from hocket.client.tickets import Wallet
from hocket.control.backoff import BackoffRule
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, ProtocolError, Refused
from hocket.core.ids import SESSION_ID_RANDOM_BYTES, NodeId, Role, SeatId, SessionId, UserName
from hocket.core.settings import SESSION_GRACE_S
from hocket.wire.message import Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.login import (
    AuthAt,
    FindLogin,
    FreshTicket,
    LoggedIn,
    Login,
    LoginAt,
    LogOut,
    Resume,
    SessionEnded,
    SessionHeartbeat,
)
from hocket.wire.messages.tracks import NodeDraining

log = logging.getLogger(__name__)

LOGIN_TRIES = 4
"""Nodes may die or fill up between the prime's word and our log-in; more often than this is no accident."""

FIND_TIMEOUT_S = 30.0
"""The prime may have to start an authentication node first."""

LOGIN_TIMEOUT_S = 30.0
"""A hundred log-ins at once queue for the password check."""

RESUME = BackoffRule(base_s=0.2, cap_s=3.0)

_TRY_ANOTHER = frozenset({ErrorCode.NODE_FULL, ErrorCode.DRAINING, ErrorCode.SESSION_ENDED})
_FINAL = frozenset({ErrorCode.TICKET_REFUSED, ErrorCode.SESSION_ENDED, ErrorCode.LOGIN_REFUSED, ErrorCode.NOT_ALLOWED})


class _Lost(msgspec.Struct, frozen=True):
    """Why the session has to go elsewhere. `avoid` the node, if it is of no use any more."""

    why: str
    avoid: bool


class SessionOver(HocketError):
    """The session ended and cannot be resumed."""

    code = ErrorCode.SESSION_ENDED


class Session:
    """One user's session. `on_over` is called once if it ends against this side's will."""

    def __init__(
        self,
        prime: PrimeLine,
        wallet: Wallet,
        tell: Callable[[events.Event], None],
        on_over: Callable[[HocketError], None],
    ) -> None:
        self._prime = prime
        self._wallet = wallet
        self._tell = tell
        self._on_over = on_over
        self._link: Link | None = None
        self._heartbeat_s = 0.0
        self._lost: asyncio.Future[_Lost] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._over = False
        self._at: AuthAt | None = None
        self._others: tuple[AuthAt, ...] = ()
        self.id = SessionId("")
        self.user = UserName("")

    @property
    def node(self) -> str:
        """The authentication node that keeps the session; empty while there is none."""
        return self._link.peer.node if self._link is not None and self._link.is_open else ""

    async def log_in(self, user: str, password: str) -> None:
        """Open the session. Raises Refused (LOGIN_REFUSED, TOO_MANY_ATTEMPTS, CLUSTER_FULL ...), NotReachable."""
        avoid: tuple[NodeId, ...] = ()
        for tries_left in reversed(range(LOGIN_TRIES)):
            at = await self._prime.ask(FindLogin(avoid), LoginAt, FIND_TIMEOUT_S)
            try:
                link, reply = await self._log_in_at(at, user, password)
            except HocketError as error:
                if not tries_left or (isinstance(error, Refused) and error.code not in _TRY_ANOTHER):
                    raise
                log.info("no log-in at %s: %s", at.node, error)
                avoid = (*avoid, at.node)
            else:
                break
        self._wallet.put(reply.ticket, reply.ticket_life_s)
        self.id, self.user = reply.session, reply.user
        self._settle(link, reply, at)
        self._keeper = asyncio.create_task(self._keep(), name="session")

    async def log_out(self) -> None:
        """End the session here and there. Never raises; safe to call twice."""
        self._over = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        link, self._link = self._link, None
        if link is not None:
            if link.is_open:
                with contextlib.suppress(HocketError):
                    await link.request(LogOut(), Done, timeout_s=1.0)
            link.close()
            await link.wait_closed()

    def end(self, code: str, text: str) -> None:
        """Some node said that the session is over."""
        self._finish(ended_error(code, text))

    # -- the link's owner

    async def on_message(self, link: Link, message: Message) -> Message | None:
        if isinstance(message, SessionEnded):
            self.end(message.code, message.text)
        elif isinstance(message, NodeDraining) and link is self._link:
            self._lose(_Lost(f"{link.peer.node} is going away: {message.why}", avoid=True))
        return None

    def on_closed(self, link: Link, error: HocketError) -> None:
        if link is self._link:
            self._lose(_Lost(error.text, avoid=True))

    # -- inside

    async def _log_in_at(self, at: LoginAt, user: str, password: str) -> tuple[Link, LoggedIn]:
        link = await self._prime.connect_node(Role.AUTH, at.node, at.address, self)
        try:
            login = Login(user, password, at.seat, self._wallet.public_key)
            return link, await link.request(login, LoggedIn, LOGIN_TIMEOUT_S)
        except BaseException:
            await link.give_up()
            raise

    def _settle(self, link: Link, reply: LoggedIn, at: LoginAt) -> None:
        self._link = link
        self._at = AuthAt(at.node, at.address)
        self._heartbeat_s = reply.heartbeat_s
        self._lost = asyncio.get_running_loop().create_future()
        if not link.is_open:
            self._lose(_Lost("the connection broke at once", avoid=True))

    def _lose(self, lost: _Lost) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(lost)

    def _finish(self, error: HocketError) -> None:
        if self._over:
            return
        self._over = True
        self._on_over(error)

    async def _keep(self) -> None:
        while not self._over:
            lost = await self._beat()
            try:
                await self._move(lost)
            except HocketError as error:
                self._finish(error)

    async def _beat(self) -> _Lost:
        assert self._lost is not None
        assert self._link is not None
        while True:
            await asyncio.wait({self._lost}, timeout=self._heartbeat_s)
            if self._lost.done():
                return self._lost.result()
            try:
                fresh = await self._link.request(SessionHeartbeat(), FreshTicket, max(2.0, self._heartbeat_s))
            except Refused as error:
                return _Lost(error.text, avoid=False)  # after a long sleep of this machine it may be resumed
            except HocketError as error:
                return _Lost(error.text, avoid=True)
            self._wallet.put(fresh.ticket)
            if fresh.others is not None:
                self._others = fresh.others

    async def _move(self, lost: _Lost) -> None:
        """Resume at another node. Raises SessionOver when that is refused, or the grace is over."""
        assert self._link is not None
        old = self._link
        log.info("the session moves: %s", lost.why)
        avoid = (old.peer.node,) if lost.avoid else ()
        failures = 1
        while not self._over and self._wallet.left_s + SESSION_GRACE_S > 0:
            await asyncio.sleep(RESUME.delay_s(failures, random.random()))
            try:
                link, reply, at = await self._resume(avoid, failures - 1)
            except Refused as error:
                if error.code in _FINAL:
                    raise SessionOver(f"the session is over: {error.text}", hint=error.hint) from None
                log.info("not resumed: %s", error)
            except HocketError as error:
                log.info("not resumed: %s", error)
            else:
                self._wallet.put(reply.ticket, reply.ticket_life_s)
                self._settle(link, reply, at)
                await old.give_up()
                self._tell(events.SessionMoved(old.peer.node, at.node, lost.why))
                return
            failures += 1
            if failures > 2:
                avoid = ()  # perhaps only the way to it was broken
        raise SessionOver("the session is over: no authentication node could be reached in time", hint="log in again")

    async def _resume(self, avoid: tuple[NodeId, ...], turn: int) -> tuple[Link, LoggedIn, LoginAt]:
        at = await self._find_resumption(avoid, turn)
        link = await self._prime.connect_node(Role.AUTH, at.node, at.address, self)
        try:
            resume = Resume(self._wallet.ticket, self._wallet.proof_for(link), at.seat)
            return link, await link.request(resume, LoggedIn, LOGIN_TIMEOUT_S), at
        except BaseException:
            await link.give_up()
            raise

    async def _find_resumption(self, avoid: tuple[NodeId, ...], turn: int) -> LoginAt:
        try:
            return await self._prime.ask(FindLogin(avoid), LoginAt, FIND_TIMEOUT_S)
        except (NotReachable, ProtocolError):
            known = self._known_places(avoid)
            if not known:
                raise
        # Without the prime: the node that had the session may be there still, and others may; they take seats unasked.
        at = known[turn % len(known)]
        return LoginAt(at.node, at.address, SeatId(random_bytes(SESSION_ID_RANDOM_BYTES).hex()), 0.0)

    def _known_places(self, avoid: tuple[NodeId, ...]) -> list[AuthAt]:
        """Authentication nodes that can be tried unasked; those to avoid only where there is no other."""
        host = self._prime.address.at.host
        others = [
            AuthAt(each.node, HostPort(host, each.address.port)) if each.address.is_wildcard else each
            for each in self._others
        ]
        known = [self._at, *others] if self._at is not None else others
        return [each for each in known if each.node not in avoid] or known


def ended_error(code: str, text: str) -> HocketError:
    """What a SessionEnded message means on this side."""
    return SessionOver(f"the session was ended: {text}" if text else f"the session was ended ({code})")
