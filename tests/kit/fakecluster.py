"""A cluster inside a test: a prime, authentication and streaming nodes that do as the test says.

They speak the declared messages over real sockets and TLS, check tickets for real, and can be slow,
die, drain, lie or forget. What they decide is as simple as it can be: the first node that is not avoided.
"""

import asyncio
import random
import secrets
import ssl
import struct
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeVar

import msgspec
from blake3 import blake3

from hocket.adapters.link import Link
from hocket.adapters.linkserver import LinkServer
from hocket.adapters.tls import server_context
from hocket.auth.accounts import Rights
from hocket.auth.keys import SEED_BYTES, SigningKey
from hocket.auth.tickets import RESUME_GRACE_NS, Ticket, check_possession, sign_ticket, verify_ticket
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, TicketRefused, TrackMissing
from hocket.core.ids import NodeId, Role, SeatId, SessionId, TrackId, UserName
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.media.wav_header import wav_header
from hocket.nodes.prime.meeting import Meeting
from hocket.relay.chunks import Manifest, ManifestBuilder
from hocket.wire.message import Message
from hocket.wire.messages import common, login, reach, together, tracks
from tests.kit.heard import Heard
from tests.kit.identities import authority, credentials

N = TypeVar("N", bound="FakeNode")

USER = "Someone"
PASSWORD = "password123"
CD = AudioFormat(44100, 2, 16)


class Song(msgspec.Struct, frozen=True):
    """A track with its file."""

    track: Track
    content: bytes

    @property
    def hashes(self) -> tuple[Manifest, tuple[bytes, ...]]:
        """Manifest and pages of leaf hashes."""
        builder = ManifestBuilder(self.track.id)
        builder.feed(self.content)
        return builder.finish()

    @property
    def samples(self) -> bytes:
        start = self.track.data_offset_bytes
        return self.content[start : start + self.track.data_bytes]


def make_song(
    name: str = "one.wav", seconds: float = 2.0, form: AudioFormat = CD, *, trailer: bytes = b"", problem: str = ""
) -> Song:
    """A WAV file of noise; the same name is the same noise."""
    rng = random.Random(name)
    frames = round(seconds * form.rate_hz)
    if form.is_float:
        values = frames * form.channels
        samples = struct.pack(f"<{values}f", *(rng.uniform(-1, 1) for _ in range(values)))
    else:
        samples = rng.randbytes(frames * form.bytes_per_frame)
    header = wav_header(form, len(samples), trailer_bytes=len(trailer))
    content = header + samples + trailer
    track = Track(
        id=TrackId(blake3(content).hexdigest()),
        name=name,
        title=name.removesuffix(".wav"),
        artist="The Makers",
        format=form,
        frames=frames,
        size_bytes=len(content),
        data_offset_bytes=len(header),
        data_bytes=len(samples),
        problem=problem,
    )
    return Song(track, content)


class FakeNode:
    """What prime, auth and streaming nodes share: an id, a port, a way to die and to come back."""

    role: Role

    def __init__(self, cluster: "FakeCluster", number: int) -> None:
        self.cluster = cluster
        self.node = NodeId(f"{self.role.value}-{number:012x}")
        self.address = HostPort("127.0.0.1", 0)
        self.draining = False
        self.is_up = False
        self.asked: Heard[Message] = Heard()

    def count(self, kind: type[Message]) -> int:
        """How many messages of a kind came."""
        return sum(1 for message in self.asked if isinstance(message, kind))

    @property
    def context(self) -> ssl.SSLContext:
        return server_context(credentials(self.role, self.node, self.cluster.name))

    def verify(self, message: common.Present | login.Resume, nonce: bytes, grace_ns: int = 0) -> Ticket:
        ticket = verify_ticket(message.ticket, self.cluster.authority.public_key, self.cluster.now_ns(), None, grace_ns)
        check_possession(ticket, nonce, self.node, message.proof)
        if ticket.session in self.cluster.ended:
            raise TicketRefused("this session was ended")
        return ticket

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError


class LinkNode(FakeNode):
    """A node on a LinkServer."""

    def __init__(self, cluster: "FakeCluster", number: int) -> None:
        super().__init__(cluster, number)
        self._server: LinkServer | None = None
        self.silent = False  # hears everything, answers nothing

    async def start(self) -> None:
        self._server = LinkServer(self.context, self.role, self.node, self)
        self.address = await self._server.start(self.address)
        self.is_up = True

    async def stop(self) -> None:
        self.is_up = False
        if self._server is not None:
            await self._server.stop()

    def tell_all(self, message: Message) -> None:
        assert self._server is not None
        for link in self._server.links:
            link.notify(message)

    async def on_message(self, link: Link, message: Message) -> Message | None:
        self.asked.append(message)
        if self.silent:
            await asyncio.get_running_loop().create_future()
        return await self.answer(link, message)

    def on_closed(self, link: Link, error: HocketError) -> None: ...

    async def answer(self, link: Link, message: Message) -> Message | None:
        raise NotImplementedError


class FakePrime(LinkNode):
    """Sends everybody to the first node that is up, not draining and not avoided; friends meet as at a real one."""

    role = Role.PRIME

    def __init__(self, cluster: "FakeCluster", number: int) -> None:
        super().__init__(cluster, number)
        self._tickets: dict[Link, Ticket] = {}
        self._meeting = Meeting(self, cluster.now_ns)

    def ticket(self, link: Link) -> Ticket:
        """What was shown last on a connection."""
        if link not in self._tickets:
            raise TicketRefused("no ticket was shown here")
        return self._tickets[link]

    def on_closed(self, link: Link, error: HocketError) -> None:
        self._meeting.gone(link)
        self._tickets.pop(link, None)

    async def answer(self, link: Link, message: Message) -> Message | None:
        match message:
            case common.AuthorityGet():
                return common.Authority(self.cluster.shown_authority)
            case common.Present():
                self._tickets[link] = self.verify(message, link.my_nonce)
                return common.Presented(self.cluster.ticket_s)
            case reach.HostHere() | reach.MeetHost() | reach.Carry() | reach.CarryEnd():
                return await self._meeting.take(link, message)
            case login.FindLogin():
                auth = self._pick(self.cluster.auths, message.avoid)
                return login.LoginAt(auth.node, auth.address, SeatId(secrets.token_hex(16)), 10.0)
            case login.FindStream():
                if message.track and message.track not in self.cluster.songs:
                    raise TrackMissing(f"no machine of the cluster holds {message.track}")
                files = self.cluster.files
                if self.cluster.knows_holders:
                    files = [file for file in files if message.track not in file.lacks]
                file = self._pick(files, message.avoid)
                return login.StreamAt(file.node, file.address, self.cluster.plain)
            case together.GetManifest():
                song = self.cluster.songs[message.track]
                return together.TrackVouched(self.cluster.authority.vouch(song.track, song.hashes[0]))
            case together.GetManifestPage():
                return together.ManifestPage(self.cluster.songs[message.track].hashes[1][message.number])
        raise HocketError("not for a prime", code=ErrorCode.NOT_ALLOWED)

    def _pick(self, nodes: Sequence[N], avoid: Sequence[NodeId]) -> N:
        for node in nodes:
            if node.is_up and not node.draining and node.node not in avoid:
                return node
        raise HocketError("the cluster is full", code=ErrorCode.CLUSTER_FULL, hint="add a machine")


class FakeAuth(LinkNode):
    """Knows one user, and signs tickets."""

    role = Role.AUTH

    def __init__(self, cluster: "FakeCluster", number: int) -> None:
        super().__init__(cluster, number)
        self._key = SigningKey(secrets.token_bytes(SEED_BYTES))
        self._sessions: dict[Link, Ticket] = {}
        self.refuse_login: HocketError | None = None

    async def answer(self, link: Link, message: Message) -> Message | None:
        match message:
            case login.Login():
                if self.refuse_login is not None:
                    raise self.refuse_login
                if (message.user, message.password) != (USER, PASSWORD):
                    raise HocketError("wrong name or password", code=ErrorCode.LOGIN_REFUSED)
                return self._open(link, SessionId(secrets.token_hex(16)), message.session_key)
            case login.Resume():
                ticket = self.verify(message, link.my_nonce, RESUME_GRACE_NS)
                return self._open(link, ticket.session, ticket.session_key)
            case login.SessionHeartbeat():
                session = self._sessions.get(link)
                if session is None:
                    raise HocketError("no session", code=ErrorCode.SESSION_ENDED)
                fresh = self._ticket(session.session, session.session_key)
                others = tuple(login.AuthAt(auth.node, auth.address) for auth in self.cluster.auths if auth is not self)
                return login.FreshTicket(fresh, self.cluster.now_ns(), others)
            case login.LogOut():
                self.cluster.ended.add(self._sessions.pop(link).session)
                return common.Done()
        raise HocketError("not for an authentication node", code=ErrorCode.NOT_ALLOWED)

    def drain(self) -> None:
        """Ask everybody to go elsewhere."""
        self.draining = True
        self.tell_all(tracks.NodeDraining("maintenance"))

    def ban(self) -> None:
        """End every session here."""
        self.cluster.ended.update(ticket.session for ticket in self._sessions.values())
        self.tell_all(login.SessionEnded("NOT_ALLOWED", "this account was disabled"))

    def _open(self, link: Link, session: SessionId, key: bytes) -> login.LoggedIn:
        blob = self._ticket(session, key)
        self._sessions[link] = Ticket(session, UserName(USER), 0, key, 0, 0)
        own = self.cluster
        return login.LoggedIn(session, UserName(USER), blob, own.ticket_s, own.heartbeat_s, own.now_ns())

    def _ticket(self, session: SessionId, key: bytes) -> bytes:
        now_ns = self.cluster.now_ns()
        expires_ns = now_ns + round(self.cluster.ticket_s * NS_PER_S)
        ticket = Ticket(session, UserName(USER), int(Rights.LISTEN), key, now_ns, expires_ns)
        grant = self.cluster.authority.grant(self.node, self._key.public, now_ns + 3600 * NS_PER_S)
        return sign_ticket(ticket, grant, self._key)


class FakeCluster:
    """A context: one prime, `auths` and `files` more nodes, and songs."""

    def __init__(
        self,
        *songs: Song,
        auths: int = 1,
        files: int = 1,
        name: str = "ours",
        plain: bool = False,
        ticket_s: float = 30.0,
        heartbeat_s: float = 5.0,
    ) -> None:
        from tests.kit.fakefile import FakeFile

        self.songs = {song.track.id: song for song in songs}
        self.name = name
        self.plain = plain
        self.ticket_s = ticket_s
        self.heartbeat_s = heartbeat_s
        self.knows_holders = False  # the prime sends nobody to a node that lacks the track
        self.authority = authority(name)
        self.shown_authority = self.authority.certificate_der
        self.ended: set[SessionId] = set()
        self.prime = FakePrime(self, 0xA)
        self.auths = [FakeAuth(self, number + 1) for number in range(auths)]
        self.files = [FakeFile(self, number + 1) for number in range(files)]

    @property
    def address(self) -> ClusterAddress:
        return ClusterAddress(self.prime.address)

    @property
    def nodes(self) -> list[FakeNode]:
        return [self.prime, *self.auths, *self.files]

    def now_ns(self) -> int:
        return time.time_ns()

    async def __aenter__(self) -> Self:
        for node in self.nodes:
            await node.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            await node.stop()
