"""The authentication node: checks passwords, keeps sessions by heartbeat, signs tickets."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable

from hocket.adapters.clocks import SystemClock, random_bytes
from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.passwords import Passwords
from hocket.adapters.tls import Credentials, reload_context, server_context
from hocket.auth.accounts import Rights, User, judge_login, judge_return
from hocket.auth.keys import SEED_BYTES, SigningKey
from hocket.auth.revocations import Revocations
from hocket.auth.sessions import Session, Sessions
from hocket.auth.tickets import Ticket, TicketVerifier, check_possession, sign_ticket
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import SESSION_ID_RANDOM_BYTES, NodeId, Role, SeatId, SessionId, UserName, session_id
from hocket.nodes.childsettings import ChildSettings
from hocket.nodes.endings import first_done
from hocket.nodes.ports import advertised, listen_on
from hocket.nodes.renewal import keep_fresh
from hocket.nodes.uplink import Uplink, Watcher
from hocket.wire.message import Message
from hocket.wire.messages.common import Done, Ping, Pong
from hocket.wire.messages.login import (
    Auths,
    FreshTicket,
    LoggedIn,
    Login,
    LogOut,
    Resume,
    SessionEnded,
    SessionHeartbeat,
)
from hocket.wire.messages.nodes import (
    Account,
    AccountGet,
    AttemptResult,
    AuthNodes,
    Drain,
    EndSessions,
    GrantRenew,
    Heartbeat,
    PasswordRehash,
    Register,
    Registered,
    Retire,
    SeatReserve,
    SeatReserved,
)
from hocket.wire.messages.planes import NodesRemoved
from hocket.wire.messages.tracks import NodeDraining

log = logging.getLogger(__name__)

SWEEP_S = 1.0
DRAIN_TIMEOUT_S = 20.0
"""Sessions that did not move by then resume elsewhere by themselves, when their connection ends."""


class AuthNode:
    """One authentication node. `run` serves until it is told to end, and returns why."""

    def __init__(
        self, own: ChildSettings, watcher: Watcher, on_renewed: Callable[[Credentials], None] | None = None
    ) -> None:
        """`on_renewed` keeps a fresh certificate where the node is to start again from."""
        self._on_renewed = on_renewed
        self._own = own
        self._clock = SystemClock()
        self._key = SigningKey(random_bytes(SEED_BYTES))
        self._grant = b""
        self._sessions = Sessions(own.capacity, silence_s=own.policy.ticket_s)
        self._revoked = Revocations.lasting(own.policy.ticket_s, own.policy.session_grace_s)
        self._verifier = TicketVerifier(own.authority_key, self._revoked)
        self._links: dict[SessionId, Link] = {}
        self._sessions_on: dict[Link, SessionId] = {}
        self._passwords = Passwords()
        self._context = server_context(own.standing.credentials)
        self._server = LinkServer(self._context, Role.AUTH, own.node, self)
        self._uplink = Uplink(
            own.standing,
            describe=self._describe,
            load=self._load,
            on_registered=self._on_registered,
            on_message=self._on_prime,
            watcher=watcher,
        )
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._drain_due_s = float("inf")
        self._others: Auths = ()
        self._news = 0  # counts what the prime told of other authentication nodes
        self._news_told: dict[Link, int] = {}
        self.registered = asyncio.Event()
        self._came_back = asyncio.Event()

    @property
    def id(self) -> NodeId:
        return self._own.node

    async def run(self) -> str:
        """Serve. Raises HocketError (PORT_BUSY, refused by the prime)."""
        await listen_on(self._server.start, self._own)
        fresh = keep_fresh(self._own.standing, self._own.renew_in_s, self._uplink.request, self._renewed)
        lasting = (self._uplink.run(), self._sweep(), self._look_again(), fresh)
        tasks = [asyncio.create_task(work) for work in lasting]
        try:
            return await first_done(self._ended, *tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._server.stop()
            self._passwords.close()

    def end(self, why: str) -> None:
        """Make `run` return."""
        if not self._ended.done():
            self._ended.set_result(why)

    # -- listeners (link.Owner)

    async def on_message(self, link: Link, message: Message) -> Message | None:
        match message:
            case Ping():
                return Pong()
            case Login():
                return await self._login(link, message)
            case Resume():
                return await self._resume(link, message)
            case SessionHeartbeat():
                return self._heartbeat(link)
            case LogOut():
                await self._log_out(link)
                return None
        raise HocketError(f"{type(message).__name__} is not for an authentication node", code=ErrorCode.NOT_ALLOWED)

    def on_closed(self, link: Link, error: HocketError) -> None:
        """The session stays for a while: its listener may come back, or resume elsewhere.

        From a node that is being drained it has moved, so nobody is waited for.
        """
        session = self._sessions_on.get(link)
        self._detach(link)
        if session is not None and self._sessions.draining:
            self._sessions.end(session, self._now_s())
            self._uplink.load_changed()

    async def _login(self, link: Link, asked: Login) -> LoggedIn:
        self._sessions.check(asked.seat, self._now_s())
        try:
            host = link.peer_address.host
            account = await self._uplink.request(AccountGet(asked.user, host), Account)
            fits = await self._passwords.verify(account.password_hash if account.found else "", asked.password)
            self._uplink.notify(AttemptResult(asked.user, host, fits.matches))
            user = judge_login(_user(account), fits.matches)
            if fits.needs_rehash:
                new_hash = await self._passwords.hash(asked.password)
                self._uplink.notify(PasswordRehash(user.name, account.password_hash, new_hash))
        except HocketError:
            self._sessions.refuse(asked.seat, self._now_s())
            raise
        except BaseException:
            self._sessions.release(asked.seat, self._now_s())
            raise
        fresh = session_id(random_bytes(SESSION_ID_RANDOM_BYTES))
        return self._open(link, asked.seat, self._session(fresh, user, asked.session_key))

    async def _resume(self, link: Link, asked: Resume) -> LoggedIn:
        now_ns = self._uplink.cluster_ns()
        ticket = self._verifier.verify(asked.ticket, now_ns, round(self._own.policy.session_grace_s * NS_PER_S))
        check_possession(ticket, link.my_nonce, self._own.node, asked.proof)
        host = link.peer_address.host
        if (here := self._sessions.rejoin(ticket.session, asked.seat, self._now_s())) is not None:
            with contextlib.suppress(NotReachable):  # what is open here goes on without the prime
                await self._account(here.user, host, here.generation)
            return self._attach(link, self._sessions.get(here.id))
        self._sessions.check(asked.seat, self._now_s())
        try:
            user = await self._account(ticket.user, host, ticket.generation)
        except NotReachable:  # the ticket has to do; the account is looked up when a prime is back
            user = User(ticket.user, "", Rights(ticket.rights), generation=ticket.generation)
        except BaseException:
            self._sessions.release(asked.seat, self._now_s())
            raise
        return self._open(link, asked.seat, self._session(ticket.session, user, ticket.session_key))

    async def _account(self, user: UserName, host: str, generation: int) -> User:
        """Look an account up again. Raises LoginRefused, Refused (LOGIN_REFUSED), NotReachable."""
        found = await self._uplink.request(AccountGet(user, host, True), Account)
        return judge_return(_user(found), generation)

    def _session(self, session: SessionId, user: User, key: bytes) -> Session:
        return Session(session, user.name, user.rights, key, self._uplink.cluster_ns(), user.generation)

    def _open(self, link: Link, seat: SeatId, session: Session) -> LoggedIn:
        if not link.is_open:
            self._sessions.release(seat, self._now_s())
            raise NotReachable("the listener is gone")
        self._sessions.open(seat, session, self._now_s())
        return self._attach(link, session)

    def _attach(self, link: Link, session: Session) -> LoggedIn:
        """From now on this connection is the session's."""
        former = self._links.get(session.id)
        self._detach(link)
        self._links[session.id] = link
        self._sessions_on[link] = session.id
        if former is not None and former is not link:
            former.close()
        self._uplink.load_changed()
        ticket = self._ticket(session)
        own = self._own
        now_ns = self._uplink.cluster_ns()
        return LoggedIn(session.id, session.user, ticket, own.policy.ticket_s, own.policy.session_heartbeat_s, now_ns)

    def _heartbeat(self, link: Link) -> FreshTicket:
        session = self._sessions.heartbeat(self._session_of(link), self._now_s())
        is_news = self._news_told.get(link, 0) != self._news
        self._news_told[link] = self._news
        return FreshTicket(self._ticket(session), self._uplink.cluster_ns(), self._others if is_news else None)

    async def _log_out(self, link: Link) -> None:
        session = self._sessions.end(self._session_of(link), self._now_s())
        self._detach(link)
        if session is None:
            return
        self._revoked.end_session(session.id, self._uplink.cluster_ns())
        self._uplink.load_changed()
        with contextlib.suppress(NotReachable):  # then its tickets end by themselves, in seconds
            message = EndSessions(ErrorCode.SESSION_ENDED.value, "logged out", session=session.id)
            await self._uplink.request(message, Done)

    def _session_of(self, link: Link) -> SessionId:
        session = self._sessions_on.get(link)
        if session is None:
            raise HocketError(
                "no session is open on this connection", code=ErrorCode.SESSION_ENDED, hint="log in again"
            )
        return session

    def _detach(self, link: Link) -> None:
        self._news_told.pop(link, None)
        session = self._sessions_on.pop(link, None)
        if session is not None and self._links.get(session) is link:
            del self._links[session]

    def _cut(self, session: Session, code: str, text: str) -> None:
        """Tell a listener that its session is over, and close."""
        if (link := self._links.get(session.id)) is not None:
            self._detach(link)
            link.notify(SessionEnded(code, text))
            link.close()

    def _let_go(self, session: Session) -> None:
        """Hang up on a listener that was silent: one that was only cut off or asleep resumes by its last ticket."""
        if (link := self._links.get(session.id)) is not None:
            self._detach(link)
            link.close(NotReachable("no heartbeat came in time", code=ErrorCode.CONNECTION_LOST))

    def _ticket(self, session: Session) -> bytes:
        if not self._grant:
            raise NotReachable("this authentication node is not registered yet", hint="try again in a moment")
        now_ns = self._uplink.cluster_ns()
        expires_ns = now_ns + round(self._own.policy.ticket_s * NS_PER_S)
        who = (session.id, session.user, int(session.rights), session.session_key)
        ticket = Ticket(*who, now_ns, expires_ns, session.generation)
        return sign_ticket(ticket, self._grant, self._key)

    # -- the prime

    def _describe(self, boot: str) -> Register:
        own = self._own
        address = advertised(own, self._server.address)
        return Register(boot, own.parent, address, os.getpid(), own.capacity, self._used(), ticket_key=self._key.public)

    def _load(self) -> Heartbeat:
        return Heartbeat(self._used(), self._sessions.draining)

    def _used(self) -> int:
        """Places that are taken: sessions, and seats that were promised."""
        return len(self._sessions) + self._sessions.seats

    def _renewed(self, credentials: Credentials) -> None:
        reload_context(self._context, credentials)
        self._uplink.renewed(credentials)
        if self._on_renewed is not None:
            self._on_renewed(credentials)

    def _on_registered(self, registered: Registered) -> None:
        self._grant = registered.grant
        self.registered.set()
        self._came_back.set()

    async def _look_again(self) -> None:
        """While this node was cut off, or no prime ran, accounts may have been disabled, removed, or changed."""
        while True:
            await self._came_back.wait()
            self._came_back.clear()
            for session in self._sessions.all():
                link = self._links.get(session.id)
                if link is None:
                    continue  # who resumes it is looked up then
                try:
                    await self._account(session.user, link.peer_address.host, session.generation)
                except NotReachable:
                    break
                except HocketError as error:
                    if error.code is ErrorCode.LOGIN_REFUSED and self._sessions.end(session.id, self._now_s()):
                        self._revoked.end_session(session.id, self._uplink.cluster_ns())
                        self._cut(session, ErrorCode.SESSION_ENDED.value, error.text)
                        self._uplink.load_changed()

    async def _on_prime(self, message: Message) -> Message | None:
        match message:
            case SeatReserve():
                self._sessions.reserve(message.seat, self._now_s(), message.ttl_s)
                return SeatReserved(self._sessions.free)
            case NodesRemoved():
                self._revoked.remove_nodes(message.nodes)
            case EndSessions():
                self._end_sessions(message)
            case AuthNodes():
                self._others, self._news = message.others, self._news + 1
            case GrantRenew():
                self._grant = message.grant
            case Drain():
                self._drain(message.why)
            case Retire():
                self.end(message.why or "retired")
            case Ping():
                return Pong()
        return None

    def _end_sessions(self, message: EndSessions) -> None:
        now_s = self._now_s()
        when_ns = message.at_ns or self._uplink.cluster_ns()
        ended = []
        if message.session:
            self._revoked.end_session(message.session, when_ns)
            ended = [session for session in [self._sessions.end(message.session, now_s)] if session]
        if message.user:
            self._revoked.end_user(UserName(message.user), when_ns)
            ended += self._sessions.end_user(UserName(message.user), now_s, message.at_ns or None)
        for session in ended:
            self._cut(session, message.code, message.text)
        self._uplink.load_changed()

    def _drain(self, why: str) -> None:
        if self._sessions.draining:
            return
        self._sessions.draining = True
        self._drain_due_s = self._now_s() + DRAIN_TIMEOUT_S
        for link in self._links.values():
            link.notify(NodeDraining(why or "this node is being drained"))
        self._uplink.load_changed()
        if not self._used():
            self.end("drained")

    # -- inside

    async def _sweep(self) -> None:
        """Let time end seats and sessions."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = self._now_s()
            expired = self._sessions.expire(now_s)
            for session in expired.sessions:
                log.info("the session of %s ended: no heartbeat", session.user)
                self._let_go(session)
            if expired.seats or expired.sessions:
                self._uplink.load_changed()
            if self._sessions.draining and (not self._used() or now_s >= self._drain_due_s):
                self.end("drained")

    def _now_s(self) -> float:
        return self._clock.monotonic_s()


def _user(account: Account) -> User | None:
    if not account.found:
        return None
    return User(
        account.user, account.password_hash, Rights(account.rights), account.disabled, generation=account.generation
    )
