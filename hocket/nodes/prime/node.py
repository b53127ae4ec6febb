"""The prime itself: starts its parts in order, hands them the messages, stops them in reverse."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from typing import Any

from hocket.adapters.authority import Authority
from hocket.adapters.clocks import SystemClock
from hocket.adapters.datafolder import DataFolder
from hocket.adapters.hosts import own_hosts, reachable
from hocket.adapters.link import AtOnce, Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.manifestfiles import ManifestFiles
from hocket.adapters.passwords import Passwords
from hocket.adapters.primefiles import (
    keep_address,
    keep_advertised,
    keep_music_folder,
    keep_records_url,
    last_address,
)
from hocket.adapters.records import Records
from hocket.adapters.tls import node_client_context, reload_context, server_context
from hocket.auth.revocations import Revocations
from hocket.control.actions import Introduction
from hocket.control.booking import Bookings
from hocket.control.scheduler import Retire as RetireAction
from hocket.control.view import NodeRecord
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.clustertime import ClusterTime
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, UserName
from hocket.nodes.endings import cancelled, first_done
from hocket.nodes.leaves import LeafHashes
from hocket.nodes.prime.accounts import Accounts
from hocket.nodes.prime.admission import Admission
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.desk import Desk
from hocket.nodes.prime.kin import Kin
from hocket.nodes.prime.librarian import AtHome, Librarian
from hocket.nodes.prime.lists import Lists
from hocket.nodes.prime.manifests import Manifests
from hocket.nodes.prime.meeting import Meeting
from hocket.nodes.prime.members import Members
from hocket.nodes.prime.nursery import Nursery
from hocket.nodes.prime.placing import Caller, Placing
from hocket.nodes.prime.visitors import Visitors
from hocket.nodes.raising import READY_TIMEOUT_S, Home
from hocket.nodes.renewal import RENEW_FRESH_S, sleep_by_wall_clock
from hocket.nodes.replica import Contexts, Replica
from hocket.nodes.shelf import Shelf
from hocket.wire.message import Message
from hocket.wire.messages import common, library, login, nodes, operator, planes, reach, together

log = logging.getLogger(__name__)

TIDY_S = 1.0
GRANT_S = 24 * 3600.0
"""An auth node's leave to sign tickets: outlasts a night without the prime."""

GRANT_RENEW_S = 3600.0
RETIRE_ASK_S = 1.0
CROWDED_SHARE = 0.9
"""From this share of its listeners on a streaming node's machine copies nothing."""


class Prime:
    """One prime. `start`, then `run` until told to `end`, then `stop`; `stop` is safe after a failed start."""

    def __init__(self, config: PrimeConfig) -> None:
        self._config = config
        self._clock = SystemClock()
        self._time = ClusterTime()
        self._stack = contextlib.AsyncExitStack()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._lasting: list[asyncio.Task[None]] = []  # run as long as the prime
        self._errands: set[asyncio.Task[None]] = set()
        self._own_hosts = own_hosts()
        self._at_once: AtOnce = {nodes.Heartbeat: self._heartbeat}
        self.address = HostPort("?", 0)

    async def start(self) -> HostPort:
        """Serve. Raises HocketError (DATA_IN_USE, DATA_UNWRITABLE, RECORDS_BROKEN, PORT_BUSY, MUSIC_UNREADABLE)."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def run(self) -> str:
        """Until `end`, or until a background task fails; returns why."""
        return await first_done(self._ended, *self._lasting)

    def end(self, why: str) -> None:
        """Make `run` return."""
        if not self._ended.done():
            self._ended.set_result(why)

    async def stop(self) -> None:
        """Everything in reverse order of its start. Safe to call twice."""
        await self._stack.aclose()

    # -- start

    async def _start(self) -> HostPort:
        config, stack = self._config, self._stack
        self._time.set(self._clock.wall_ns(), self._clock.monotonic_s())
        folder = stack.enter_context(DataFolder.open(config.data))
        authority = Authority.load_or_create(folder)
        authority.ensure_operator(folder)
        node = folder.node_id(Role.PRIME)
        credentials = authority.issue(Role.PRIME, node)
        records = await Records.open(config.records, folder.path)
        stack.push_async_callback(records.close)
        keep_records_url(folder, config.records)
        keep_music_folder(folder, config.music)
        keep_advertised(folder, config.advertise)
        passwords = Passwords()
        stack.callback(passwords.close)
        own = Introduction(node, Role.PRIME, node, "", config.listen, os.getpid(), config.max_load)
        self._authority = authority
        self._contexts = (server_context(credentials), node_client_context(credentials))
        self._members = Members(config, own, self._contexts[1], self._on_removed)
        self._revoked = Revocations.lasting(config.policy.ticket_s, config.policy.session_grace_s)
        self._visitors = Visitors(node, authority.public_key, self._revoked, self.cluster_ns)
        self._meeting = Meeting(self._visitors, self.cluster_ns)
        self._make_library(folder, node)
        self._admission = Admission(
            authority, records, self._members, self._revoked, config.policy, self._addresses, self._clock
        )
        await self._admission.load()
        self._accounts = Accounts(records, passwords, self._own_hosts, config.demo, self._end_user)
        self._bookings = Bookings(self._members.registry, config.limits, READY_TIMEOUT_S)
        self._nursery = Nursery(self._members, self._home, config.max_load, config.policy, authority.issue)
        stack.push_async_callback(self._nursery.stop)
        self._placing = Placing(config, self._members, self._bookings, self._nursery.spawn, self._librarian)
        self._kin = Kin(config, self._members)
        self._desk = Desk(
            self._members,
            self._shelf,
            self._librarian,
            self._nursery.status,
            self._addresses,
            authority.fingerprint,
        )
        await self._listen(folder, LinkServer(self._contexts[0], Role.PRIME, node, self, self._admit, self._at_once))
        stack.push_async_callback(self._replica.stop)
        await self._replica.start(self.address.host, config.node_ports, config.advertise)
        work = (self._members.run, self._tidy, self._renew_grants, self._renew_own, self._librarian.run)
        self._lasting = [asyncio.create_task(each()) for each in work]
        stack.push_async_callback(self._stop_background)
        stack.push_async_callback(self._retire_adopted)
        return self.address

    def _make_library(self, folder: DataFolder, node: NodeId) -> None:
        config = self._config
        self._shelf = Shelf(config.music, folder.path, self._on_catalogue)
        self._librarian = Librarian(
            folder,
            config.replicas,
            self._order_copies,
            self._on_list,
            self._crowded,
            plain=config.policy.audio_plain,
            on_news=lambda tracks: self._lists.news(tracks),
        )
        self._lists = Lists(self._librarian)
        self._stack.push_async_callback(self._lists.stop)
        self._replica = Replica(
            (Role.PRIME, node),
            self._shelf,
            AtHome(self._librarian, node),
            Contexts(*self._contexts),
            is_member=lambda who: not self._revoked.covers_node(who),
            rate_bytes_per_s=config.sync_rate_bytes_per_s,
        )
        self._shelf.start()
        self._stack.push_async_callback(self._shelf.stop)
        leaves = LeafHashes(self._shelf)
        self._stack.callback(leaves.close)
        self._manifests = Manifests(
            self._authority, self._librarian, (node, leaves), self._members.link, ManifestFiles(folder.path)
        )
        self._stack.push_async_callback(self._manifests.stop)

    def _home(self) -> Home:
        config = self._config
        return Home(
            control=self._members.own_id,
            prime=self.address.on_this_machine,
            prime_node=self._members.own_id,
            authority_key=self._authority.public_key,
            listen_host=self.address.host,
            ports=config.node_ports,
            advertise="",
            music=config.music,
            index=self._shelf.index,
            log_level=config.log_level,
        )

    def _admit(self, link: Link) -> None:
        """A link opened."""
        try:
            self._admission.check(link)
        except HocketError as error:
            link.close(error)

    async def _listen(self, folder: DataFolder, server: LinkServer) -> None:
        """The configured port; for port 0 the one of last time if it is free, or any."""
        self._stack.push_async_callback(server.stop)
        wanted = self._config.listen
        last = last_address(folder) or wanted
        if wanted.port == 0 and last.host == wanted.host:
            with contextlib.suppress(HocketError):
                self.address = await server.start(last)
        if not server.is_listening:
            self.address = await server.start(wanted)
        keep_address(folder, self.address)

    def _send(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _stop_background(self) -> None:
        await cancelled(*self._lasting, *self._errands)

    async def _retire_adopted(self) -> None:
        """Nodes that an earlier prime spawned are no processes of ours: they are told by message."""
        links = self._members.links(Role.AUTH, Role.FILE)
        await asyncio.gather(*(self._ask_to_retire(link, "the prime stops") for link in links))

    async def _ask_to_retire(self, link: Link, why: str) -> None:
        try:
            await link.request(nodes.Retire(why), common.Done, RETIRE_ASK_S)
        except HocketError as error:
            log.debug("%s: %s", link.peer.node, error)

    # -- messages (link.Owner)

    def cluster_ns(self) -> int:
        """The cluster's time."""
        return self._time.now_ns(self._clock.monotonic_s())

    def _heartbeat(self, link: Link, message: nodes.Heartbeat) -> nodes.HeartbeatHeard:
        return self._members.heartbeat(link, message, self.cluster_ns())

    async def on_message(self, link: Link, message: Message) -> Message | None:
        """Hand a message to the part that answers it."""
        match message:
            case common.Ping():
                return common.Pong()
            case common.AuthorityGet():
                return common.Authority(self._authority.certificate_der)
            case common.Present():
                return self._visitors.present(link, message)
            case planes.Join():
                self._visitors.admit_join(link, self._members.now_s())
                return await self._admission.join(message)
            case login.FindLogin():
                self._visitors.admit_log_in(link, self._members.now_s())
                return await self._placing.find_login(message, self._caller(link))
            case login.FindStream():
                self._visitors.check(link)
                return await self._placing.find_stream(message, self._caller(link))
            case together.GetManifest():
                self._visitors.check(link)
                return await self._manifests.manifest(message)
            case together.GetManifestPage():
                self._visitors.check(link)
                return await self._manifests.page(message)
            case reach.HostHere() | reach.MeetHost() | reach.Carry() | reach.CarryEnd():
                return await self._meeting.take(link, message)
        if link.sender_role is Role.OPERATOR:
            self._visitors.check(link)
            return await self._for_operator(message)
        return await self._for_node(link, message)

    def on_closed(self, link: Link, error: HocketError) -> None:
        self._visitors.forget(link)
        self._meeting.gone(link)
        if link.peer.role in nodes.REGISTERING:
            self._lists.forget(link)
            if self._members.is_current(link):
                self._librarian.away(link.peer.node)
            self._members.closed(link)

    async def _for_node(self, link: Link, message: Message) -> Message | None:
        match message:
            case nodes.Register():
                return self._register(link, message)
            case nodes.AccountGet():
                at_home = self._is_at_home(link)
                return await self._accounts.account(message, at_home, self._members.now_s())
            case nodes.AttemptResult():
                self._accounts.attempted(message, self._members.now_s())
            case nodes.PasswordRehash():
                await self._accounts.rehash(message)
            case nodes.EndSessions():
                self._end_sessions(message)
            case planes.Certify():
                return self._admission.certify(link, message)
            case planes.ChildGone():
                self._nursery.child_gone(link.peer.node, message)
            case _ if self._members.is_current(link) and self._librarian.take(
                link.peer.node, message, link.peer_address.host
            ):
                pass
            case _:
                raise HocketError(f"{type(message).__name__} is not for a prime", code=ErrorCode.NOT_ALLOWED)
        return None

    async def _for_operator(self, message: Message) -> Message | None:
        match message:
            case operator.StatusGet():
                return self._desk.status()
            case operator.InviteGet():
                return self._desk.invite()
            case operator.SpawnNode():
                return self._placing.spawn(message)
            case operator.DrainNode():
                await self._desk.drain(message)
            case planes.TokenMake():
                return await self._admission.token(message)
            case planes.NodeRemove():
                await self._admission.remove(message)
                self._librarian.leave(message.node)
            case operator.UsersList():
                return await self._accounts.users(message)
            case operator.UserAdd() | operator.UserPassword() | operator.UserDisable() | operator.UserRemove():
                await self._accounts.change(message)
            case library.CopiesList():
                return self._librarian.copies(message)
            case library.TrackRemove():
                return await self._librarian.remove(message.text)
            case library.TrackRestore():
                return await self._librarian.restore(message.text)
            case _:
                raise HocketError(f"{type(message).__name__} is not for a prime", code=ErrorCode.NOT_ALLOWED)
        return None

    def _register(self, link: Link, message: nodes.Register) -> nodes.Registered:
        self._members.register(link, message)
        for removed in self._admission.removed():
            link.notify(removed)
        if link.peer.role is Role.PLANE:
            for child in self._members.children_links(link.peer.node):
                child.notify(planes.Supervised(link.peer.node))
        elif message.parent != self._members.own_id:
            link.notify(planes.Supervised(message.parent))  # it is registered, or this child would not be
        if link.peer.role is not Role.PLANE:
            self._send(self._tell_ended(link))
        self._send(self._desk.remind(link.peer.node))
        if link.peer.role is Role.FILE:
            self._lists.tell(link, NodeId(message.holds or message.parent))
        grant = b""
        if link.peer.role is Role.AUTH:
            grant = self._grant(link.peer.node, message.ticket_key)
        return nodes.Registered(
            self._config.lease_s, self._config.heartbeat_s, self.cluster_ns(), grant, self._shelf.revision
        )

    def _is_at_home(self, link: Link) -> bool:
        """Whether who is at the other end runs on this machine, so that a loopback peer of it is one of ours."""
        return link.peer_address.host in self._own_hosts

    def _caller(self, link: Link) -> Caller:
        return Caller(link.own_address.host, self._is_at_home(link))

    def _addresses(self) -> list[HostPort]:
        """Where others reach this prime, the best first."""
        return reachable(self.address, self._config.advertise)

    # -- what the parts report

    def _on_removed(self, record: NodeRecord, why: str) -> None:
        log.debug("%s left: %s", record.node_id, why)
        self._librarian.away(record.node_id, lost=True)

    def _on_catalogue(self, revision: int, count: int) -> None:
        self._on_list(self._members.own_id, revision, count)
        self._replica.library_changed()

    def _on_list(self, machine: NodeId, revision: int, count: int) -> None:
        """A control node's folder holds something else: the streaming nodes under it load its index anew."""
        self._members.registry.note_tracks(machine, count, self._members.now_s())
        for link in self._members.children_links(machine):
            if link.peer.role is Role.FILE:
                link.notify(nodes.CatalogueRefresh(revision))

    def _order_copies(self, machine: NodeId, message: Message) -> None:
        if machine == self._members.own_id:
            self._replica.take(message)
            return
        with contextlib.suppress(HocketError):
            self._members.link(machine).notify(message)

    def _crowded(self) -> frozenset[NodeId]:
        """Machines with a streaming node that is nearly full."""
        return frozenset(
            node.parent
            for node in self._members.view().nodes
            if node.role is Role.FILE and node.load >= CROWDED_SHARE * node.capacity
        )

    def _end_user(self, user: str, why: str) -> None:
        self._end_sessions(nodes.EndSessions(ErrorCode.SESSION_ENDED.value, why, user=user))

    def _end_sessions(self, message: nodes.EndSessions) -> None:
        """Pushed at once to every node that might let the listener go on."""
        now_ns = self.cluster_ns()
        if message.session:
            self._revoked.end_session(message.session, now_ns)
        if message.user:
            self._revoked.end_user(UserName(message.user), now_ns)
        for link in self._members.links(Role.AUTH, Role.FILE):
            self._send(self._push(link, message))

    async def _tell_ended(self, link: Link) -> None:
        """What ended while a node was not here to be told, one by one: they may be many."""
        code, why = ErrorCode.SESSION_ENDED.value, "it was ended elsewhere"
        told = [nodes.EndSessions(code, why, session=ended, at_ns=ns) for ended, ns in self._revoked.sessions.items()]
        told += [nodes.EndSessions(code, why, user=user, at_ns=ns) for user, ns in self._revoked.users.items()]
        for message in told:
            if link.is_open:
                await self._push(link, message)

    async def _push(self, link: Link, message: nodes.EndSessions) -> None:
        try:
            await link.request(message, common.Done)
        except HocketError as error:
            log.warning("%s was not told that a session ended: %s", link.peer.node, error)

    # -- time

    async def _tidy(self) -> None:
        """Retire what is idle or drained; tell who keeps sessions of one another."""
        while True:
            await asyncio.sleep(TIDY_S)
            self._kin.tell()
            for retire in self._bookings.tidy(self._members.now_s()):
                self._send(self._retire(retire))

    async def _retire(self, retire: RetireAction) -> None:
        log.info("%s retires: %s", retire.node_id, retire.why)
        with contextlib.suppress(HocketError):
            await self._ask_to_retire(self._members.link(retire.node_id), retire.why)

    async def _renew_own(self) -> None:
        """The prime's own certificate, two thirds through its life."""
        while True:
            await sleep_by_wall_clock(RENEW_FRESH_S)
            fresh = self._authority.issue(Role.PRIME, self._members.own_id)
            for context in self._contexts:
                reload_context(context, fresh)

    async def _renew_grants(self) -> None:
        """Auth nodes get a newer licence to sign long before the old one runs out."""
        while True:
            await asyncio.sleep(GRANT_RENEW_S)
            for link in self._members.links(Role.AUTH):
                key = self._members.ticket_key(link.peer.node)
                link.notify(nodes.GrantRenew(self._grant(link.peer.node, key)))

    def _grant(self, node: NodeId, ticket_key: bytes) -> bytes:
        return self._authority.grant(node, ticket_key, self.cluster_ns() + round(GRANT_S * NS_PER_S))
