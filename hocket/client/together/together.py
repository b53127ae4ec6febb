"""What the engine and its views use: play alone, host friends, or follow one; one set of commands for all three."""

import asyncio
import importlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from hocket.adapters.peers import PeerIdentity
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.player import Player
from hocket.client.playing import State as PlayerState
from hocket.client.queue import Entry
from hocket.client.together.circle import fresh_identity
from hocket.client.together.clockmemory import ClockMemory
from hocket.client.together.device import OpenOutput
from hocket.client.together.door import Door
from hocket.client.together.follower import Follower
from hocket.client.together.host import Host
from hocket.client.together.reach import OwnAddress, Reach
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import TrackId
from hocket.core.settings import P2PPORT
from hocket.core.track import Track
from hocket.relay.invites import JoinAddress, Scope
from hocket.relay.nearby import Neighbour
from hocket.wire.messages.together import Wish

log = logging.getLogger(__name__)

INVITE_LIFE_S = 24 * 3600


class TogetherOptions(msgspec.Struct, frozen=True):
    """`host`: where to let friends in while playing, None: nowhere. `upload_bps`: of this line, 0: not limited.

    `advertise`: what friends are told instead of this machine's own addresses (port 0: the one that is listened on).
    `mdns`: tell who is in the same network, and hear who hosts there. `map_port`: ask the router for a port.
    """

    host: HostPort | None = None
    invite_only: bool = False
    upload_bps: int = 0
    advertise: HostPort | None = None
    mdns: bool = False
    map_port: bool = False


class Member(msgspec.Struct, frozen=True):
    """Somebody in the group."""

    name: str
    address: str
    offset_ms: float
    buffer_s: float
    round_trip_ms: float
    jitter_ms: float = 0.0
    lost_percent: float = 0.0  # of what its host sends it; only where the host's system tells


class TogetherState(msgspec.Struct, frozen=True):
    """What a view shows. `address`: where friends can join; `following`: whom, "" if nobody.

    `reach`: by which way whom one follows is reached, see `reach.How`.
    """

    hosting: bool = False
    address: str = ""
    following: str = ""
    offset_ms: float = 0.0
    correcting: bool = False
    members: tuple[Member, ...] = ()
    reach: Reach | None = None


class Together:
    """Made by the engine. `advance(forward)` plays the next track of its queue."""

    def __init__(
        self,
        options: TogetherOptions,
        player: Player,
        open_output: OpenOutput,
        tell: Callable[[events.Event], None],
        advance: Callable[[], Coroutine[Any, Any, object]],
        queue_up: Callable[[str], Coroutine[Any, Any, object]],
    ) -> None:
        """`advance` goes to the queue's next track, `queue_up` takes a track's id to its end."""
        self._options = options
        self._player = player
        self._open_output = open_output
        self._tell = tell
        self._advance = advance
        self._queue_up = queue_up
        self._cluster: Cluster | None = None
        self._host: Host | None = None
        self._follower: Follower | None = None
        self._successor_at: str | None = None  # who hosts in our place, while we go there
        self._door = Door(tell, advertise=options.advertise, mdns=options.mdns, map_port=options.map_port)
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[HocketError | None] | None = None
        self._identity: asyncio.Future[PeerIdentity] | None = None
        self._clocks = ClockMemory()

    # -- reading

    @property
    def is_following(self) -> bool:
        return self._follower is not None

    @property
    def is_going_over(self) -> bool:
        """Whether it follows, or is about to as another one hosts."""
        return self.is_following or (self._over is not None and not self._over.done())

    @property
    def state(self) -> TogetherState:
        """For a view."""
        party = self._follower or self._host
        if party is None:
            return TogetherState()
        members = tuple(
            Member(
                one.name,
                one.address,
                one.offset_us / 1000,
                one.buffer_ms / 1000,
                one.round_trip_us / 1000,
                one.jitter_us / 1000,
                one.lost_ppm / 10_000,
            )
            for one in party.members.values()
        )
        timed = self._follower.timed if self._follower is not None else None
        following = str(self._follower.host_name) if self._follower is not None else ""
        offset_ms = 1000 * timed.error_s if timed is not None else 0.0
        return TogetherState(
            party.is_hosting,
            self._door.address,
            following,
            offset_ms,
            timed is not None and timed.is_correcting,
            members,
            self._follower.reach if self._follower is not None and not party.is_hosting else None,
        )

    @property
    def turned_away(self) -> int:
        """Connections that were closed at the door: a flood, if they are many."""
        return self._host.server.turned_away if self._host is not None else 0

    def heard(self) -> tuple[Track, int] | None:
        """While following: the track and its frame that is heard."""
        return self._follower.timed.heard() if self._follower is not None else None

    # -- the session

    def warm(self) -> None:
        """Have ready what the first friend would wait for; while somebody logs in there is time."""
        if self._identity is None:
            self._identity = asyncio.ensure_future(asyncio.to_thread(fresh_identity))

    def attach(self, cluster: Cluster) -> None:
        """There is a session."""
        self._cluster = cluster
        self._door.nearby.attach(cluster.prime.address.fingerprint)

    async def detach(self) -> None:
        """The session ends: hand over to friends and go. Safe to call twice."""
        await self.leave()
        await self._stop_hosting()
        await self._door.nearby.close()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._identity is not None:
            await asyncio.gather(self._identity, return_exceptions=True)
            self._identity = None  # the next session shows another certificate
        self._cluster = None

    # -- commands

    async def play(self, entry: Entry, *, start_frame: int = 0, limit_frames: int | None = None) -> None:
        """Play this now; whom one follows is left."""
        await self.leave()
        await self._begin_hosting()
        host = self._host
        if host is not None and host.has_friends:
            await host.play(entry, start_frame, limit_frames)
        else:
            await self._player.play(entry, start_frame=start_frame, limit_frames=limit_frames)

    async def pause(self) -> None:
        if self._follower is not None:
            await self._follower.command("pause")
        elif self._host is not None and self._host.has_friends:
            await self._host.pause()
        else:
            await self._player.pause()

    async def resume(self) -> None:
        if self._follower is not None:
            await self._follower.command("resume")
        elif self._host is not None and self._host.has_friends:
            await self._host.resume()
        else:
            await self._player.resume()

    async def seek(self, seconds: float) -> None:
        if self._follower is not None:
            await self._follower.command("seek", seconds)
        elif self._host is not None and self._host.has_friends:
            await self._host.seek(seconds)
        else:
            await self._player.seek(seconds)

    async def stop(self) -> None:
        """Stop; a follower leaves."""
        if self._follower is not None:
            await self.leave()
        elif self._host is not None and self._host.has_friends:
            await self._host.stop()
        else:
            await self._player.stop()

    async def skip(self) -> None:
        """While following: ask for the next track. Raises HocketError."""
        await self._following().command("skip")

    async def suggest(self, track: TrackId) -> None:
        """While following: ask for a track. Raises HocketError."""
        await self._following().command("suggest", text=track)

    # -- friends

    async def set_hosting(self, at: HostPort | None) -> None:
        """Where to let friends in while playing, from now on. None: nowhere; who is here goes on without us."""
        self._options = msgspec.structs.replace(self._options, host=at)
        if at is not None:
            if self._player.state is not PlayerState.STOPPED:
                await self._begin_hosting()
            return
        await self._stop_hosting()

    async def join(self, text: str) -> None:
        """Follow whoever plays at HOST:PORT, or made this invite. Raises HocketError."""
        address = JoinAddress.parse(text, P2PPORT)
        if self._cluster is None:
            raise HocketError("there is no session", code=ErrorCode.SESSION_ENDED, hint="log in first")
        await asyncio.to_thread(importlib.import_module, "hocket.client.together.passage")  # numpy takes its time
        await self.leave()
        own = next(filter(self._door.leads_to, address.places), None)
        if own is not None:
            raise OwnAddress(own)
        await self._stop_hosting()
        await self._player.release()
        await self._follow(address)

    async def leave(self) -> None:
        """Follow nobody any more. Nothing happens if one does not."""
        follower, self._follower = self._follower, None
        if follower is not None:
            await follower.leave()
            await self._door.close()
            self._end(None)

    async def wait_over(self) -> HocketError | None:
        """Until nobody is followed any more; why, if that was not wanted."""
        return None if self._over is None else await asyncio.shield(self._over)

    def kick(self, name: str, *, ban: bool = False) -> bool:
        """As host: send somebody away, for a day if so wished. False where nobody has this name."""
        return self._hosting().kick(name, ban=ban)

    def invite(self, *, life_s: int = INVITE_LIFE_S, uses: int = 1, may_control: bool = False) -> str:
        """As host: an invite to paste. Raises HocketError."""
        scope = Scope.CONTROL if may_control else Scope.LISTEN
        made = self._hosting().steward.invite(self._door.places, life_s, uses, scope)
        self._tell(events.Invited(made.terms.id.hex(), str(made), uses, scope.value, life_s))
        return str(made)

    def invites(self) -> tuple[events.InviteState, ...]:
        """As host: all that have not expired, those of hosts before me included. Raises HocketError."""
        return self._hosting().steward.invites()

    def tell_invites(self) -> None:
        """The same as an event. Raises HocketError."""
        self._tell(events.Invites(self.invites(), is_asked=True))

    def revoke(self, invite_id: str) -> events.InviteState:
        """As host: nobody comes in by this invite any more; who is in stays, `kick` sends away. Raises HocketError."""
        revoked = self._hosting().steward.revoke(invite_id)
        self._tell(events.Revoked(revoked.id, revoked.friends))
        return revoked

    # -- friends nearby

    @property
    def nearby(self) -> tuple[Neighbour, ...]:
        """Who hosts in this network, as far as they say so; `watch_nearby` keeps it up to date."""
        return self._door.nearby.listed

    @property
    def nearby_problem(self) -> str:
        """Why nobody can be found nearby; "" where that is not so."""
        return self._door.nearby.problem

    def watch_nearby(self) -> None:
        """Tell who is nearby, now and whenever it changes. Raises HocketError without a session."""
        if self._cluster is None:
            raise HocketError("there is no session", code=ErrorCode.SESSION_ENDED, hint="log in first")
        self._door.nearby.watch()

    # -- what the engine tells

    def tap(self, track: TrackId) -> Callable[[int, bytes], None] | None:
        """Where the player's bytes of a track go for friends."""
        return self._host.tap(track) if self._host is not None else None

    def queue_changed(self, entries: tuple[Entry, ...], current: Entry | None) -> None:
        """A successor goes on with these."""
        if self._host is not None and self._host.has_friends:
            self._host.show_queue(entries, current)

    # -- inside

    def _following(self) -> Follower:
        if self._follower is None:
            raise HocketError("you follow nobody", code=ErrorCode.USAGE)
        return self._follower

    def _hosting(self) -> Host | Follower:
        party = self._follower or self._host
        if party is None or not party.is_hosting or not self._door.is_open:
            raise HocketError("nothing is hosted", code=ErrorCode.USAGE, hint="play something first")
        return party

    def _open_door(self, party: Host | Follower, at: HostPort) -> None:
        self._door.open(at, party.name, invite_only=party.guests.invite_only)

    async def _stop_hosting(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            await host.leave()
            await self._door.close()

    def _follower_hosts(self, hosts: bool) -> None:
        """Whom we followed is gone and it is our turn; or it is not any more."""
        party = self._follower
        if hosts and party is not None and party.server.address is not None:
            self._open_door(party, party.server.address)
        elif not hosts:
            self._start(self._door.close())

    async def _begin_hosting(self) -> None:
        async with self._starting:
            if self._options.host is None or self._host is not None or self._cluster is None:
                return
            host = Host(
                self._cluster,
                self._tell,
                self._player,
                invite_only=self._options.invite_only,
                upload_bps=self._options.upload_bps,
                on_wish=self._grant,
                on_yield=self._yield,
                identity=await self._own_identity(),
            )
            host.beacon.places = lambda: self._door.places
            try:
                taken = await host.serve(self._options.host)
            except HocketError as error:
                await host.close()
                log.warning("nobody can listen along: %s", error)
                self._tell(events.Error.of(error))
                return
            self._host = host
            self._open_door(host, taken)

    async def _own_identity(self) -> PeerIdentity:
        self.warm()
        assert self._identity is not None
        return await asyncio.shield(self._identity)

    async def _follow(self, address: JoinAddress) -> None:
        assert self._cluster is not None
        identity = await self._own_identity()
        follower = Follower(self._cluster, self._tell, self._open_output, self._lost, self._follower_hosts, identity)
        follower.upload_bps = self._options.upload_bps
        follower.memory = self._clocks
        follower.beacon.places = lambda: self._door.places
        if self._over is None or self._over.done():
            self._over = asyncio.get_running_loop().create_future()
        try:
            await follower.join(address, self._options.host)
        except BaseException as error:
            await follower.close()
            self._end(error if isinstance(error, HocketError) else None)
            raise
        self._follower = follower

    def _lost(self, error: HocketError | None) -> None:
        """The one that was followed is gone for good, or has nothing more to play."""
        if error is not None:
            self._tell(events.Error.of(error))
        self._start(self._leave_because(error))

    async def _leave_because(self, error: HocketError | None) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            await self._door.close()
            await follower.close()
            self._end(error)

    def _end(self, error: HocketError | None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(error)

    def _grant(self, wish: Wish) -> None:
        match wish.what:
            case "pause":
                self._start(self._quietly(self.pause()))
            case "resume":
                self._start(self._quietly(self.resume()))
            case "seek":
                self._start(self._quietly(self.seek(wish.value)))
            case "skip":
                self._start(self._quietly(self._advance()))
            case "suggest":
                self._start(self._quietly(self._queue_up(wish.text)))

    def _yield(self, address: str) -> None:
        """Another one hosts the group now: follow it. Of several that claim it at once the last named has won."""
        is_under_way, self._successor_at = self._successor_at is not None, address
        if not is_under_way:
            self._over = asyncio.get_running_loop().create_future()
            self._start(self._quietly(self._follow_successor()))

    async def _follow_successor(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            await self._door.close()
            await host.close()
        if self._player.state is not PlayerState.STOPPED:
            await self._player.release()
        try:
            while True:
                address = self._successor_at or ""
                self._tell(events.Moved("me", address, "a friend hosts by now"))
                try:
                    await self._follow(JoinAddress(HostPort.parse(address)))
                except HocketError:
                    if address == self._successor_at:
                        raise
                else:
                    return
        finally:
            self._successor_at = None

    async def _quietly(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except HocketError as error:
            self._tell(events.Error.of(error))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
