"""The client without a face: one object that logs in, lists, plays and tells what happens.

It lives on one asyncio loop. The terminal client runs it there; a window runs it on another thread
(`hocket.client.thread`). Commands raise HocketError; what goes wrong by itself is an `Error` event.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from hocket.adapters.clocks import SystemClock, random_bytes
from hocket.adapters.folders import ClientFolders
from hocket.adapters.trackcache import DEFAULT_LIMIT_BYTES, TrackCache
from hocket.adapters.trust import KnownClusters, meet
from hocket.auth.accounts import Rights
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.fetch import Fetch
from hocket.client.keeper import Keeper
from hocket.client.listing import whole_list
from hocket.client.player import Player
from hocket.client.playing import Reading, State
from hocket.client.queue import Entry, PlayQueue, Repeat
from hocket.client.sound import Sound
from hocket.client.together.together import Together, TogetherOptions
from hocket.core.address import ClusterAddress
from hocket.core.errors import ErrorCode, HocketError, TrackUnplayable
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, node_id
from hocket.core.sound import AudioFormat
from hocket.core.track import Sort, Track
from hocket.wire import limits
from hocket.wire.message import Message
from hocket.wire.messages.tracks import FindTrack, ListTracks, TrackFound, TrackPage, Waveform, WaveformGet

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

RESTART_S = 3.0
"""`previous` goes to the start of a track that has played for longer than this."""


class EngineOptions(msgspec.Struct, frozen=True):
    """What an engine is made with. `output`: speakers, null or wav:PATH; `fast`: null and wav do not wait."""

    folders: ClientFolders
    output: str = "speakers"
    device: str = ""
    fast: bool = False
    cache_limit_bytes: int = DEFAULT_LIMIT_BYTES  # 0: no cache
    together: TogetherOptions = TogetherOptions()


class Capability(StrEnum):
    """What this engine can do beyond playing: a view shows no button for what is not among `capabilities`."""

    OPERATE = "operate"  # the account may look after the cluster
    TOGETHER = "together"  # friends can listen along


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that a view shows at one moment. Empty texts: there is none."""

    user: str
    prime: str
    prime_reachable: bool
    auth_node: str
    stream_node: str
    state: State
    entry: Entry | None
    position_frames: int
    end_frames: int
    buffer_s: float
    source: str
    output: str
    volume: float
    shuffle: bool
    repeat: Repeat
    queue_length: int

    @property
    def track(self) -> Track | None:
        return None if self.entry is None else self.entry.track


class Engine:
    """One listener. Made on the loop that it lives on; `close` it there. `on_event` is called on that loop."""

    def __init__(self, options: EngineOptions, on_event: Callable[[events.Event], None]) -> None:
        self._on_event = on_event
        self._clock = SystemClock()
        self._known = KnownClusters(options.folders.config)
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cache")
        limit_bytes = options.cache_limit_bytes
        self._cache = TrackCache(options.folders.cache, limit_bytes) if limit_bytes else None
        self._cluster: Cluster | None = None
        self._queue = PlayQueue(random.Random())
        self._sound = Sound(options.output, options.device, options.fast, self._tell)
        self._player = Player(self, self._tell, self._sound.open)
        self.together = Together(
            options.together, self._player, self._sound.open, self._tell, self.next, self._queue_up
        )
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the cluster

    async def first_contact(self, address: ClusterAddress) -> str:
        """The fingerprint of a cluster that nobody has vouched for yet, to be compared before a password is sent.

        Empty for one that is known at this address, or that the address itself vouches for. Raises as `log_in` does.
        """
        if address.fingerprint or await asyncio.to_thread(self._known.find, address.at) is not None:
            return ""
        return (await meet(address.at, node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES)))).fingerprint

    async def log_in(self, address: ClusterAddress, user: str, password: str) -> None:
        """Meet a cluster and open a session, in place of one that is open.

        Raises Refused (LOGIN_REFUSED, TOO_MANY_ATTEMPTS, CLUSTER_FULL), NotReachable, FingerprintChanged,
        ProtocolError (VERSION_TOO_OLD, VERSION_TOO_NEW ...).
        """
        await self.log_out()
        self._start(self._sound.warm())
        self.together.warm()
        cluster = Cluster(
            address,
            self._known,
            self._clock,
            tell=self._tell,
            on_over=self._session_over,
            on_lines_changed=self._player.lines_changed,
        )
        try:
            await cluster.log_in(user, password)
        except BaseException:
            await cluster.close()
            raise
        self._cluster = cluster
        self.together.attach(cluster)

    async def log_out(self) -> None:
        """Stop, end the session. Nothing happens without one."""
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await self.together.detach()
            await self._player.stop()
            await cluster.close()
            self._tell(events.LoggedOut())

    async def tracks(
        self,
        search: str = "",
        *,
        offset: int = 0,
        limit: int = limits.MAX_PAGE,
        sort: Sort = Sort.NAME,
        descending: bool = False,
    ) -> TrackPage:
        """A page of the library; it may hold fewer than `limit`. Raises HocketError."""
        asked = ListTracks(search, offset, min(limit, limits.MAX_PAGE), sort, descending)
        return await self._logged_in().ask_node(asked, TrackPage)

    async def all_tracks(self, search: str = "", *, sort: Sort = Sort.NAME) -> list[Track]:
        """Every match, in order. Raises HocketError."""
        found = await whole_list(lambda offset, limit: self.tracks(search, offset=offset, limit=limit, sort=sort))
        self._tell(events.Tracks(len(found)))
        return found

    async def find(self, text: str) -> Track:
        """The track with this name, unique part of a name, or id. Raises Refused (TRACK_MISSING, AMBIGUOUS)."""
        return (await self._logged_in().ask_node(FindTrack(text), TrackFound)).track

    async def waveform(self, track: Track) -> bytes:
        """Peaks of equal parts of a track, 0 to 255. Raises HocketError."""
        streams = self._logged_in().streams
        return (await streams.at_holder(track.id, lambda line: line.request(WaveformGet(track.id), Waveform))).peaks

    async def cover(self, track: Track) -> bytes:
        """The track's cover, a JPEG or PNG; empty where there is none. Raises HocketError."""
        return await self._logged_in().streams.at_holder(track.id, lambda line: line.cover(track.id))

    async def ask_prime(self, message: Message, reply: type[M]) -> M:
        """Ask the prime in this session's name, as its operator if the account may. Raises Refused, NotReachable."""
        return await self._logged_in().prime.ask_as_user(message, reply)

    # -- playing

    async def play(self, track: Track | str, *, start_s: float = 0.0, for_s: float | None = None) -> None:
        """Play one track, alone in the queue, from a moment on and for so many seconds of music.

        Raises HocketError (TRACK_MISSING, AMBIGUOUS, TRACK_UNPLAYABLE, SOUND_DEVICE, DATA_UNWRITABLE).
        """
        found = await self.find(track) if isinstance(track, str) else track
        await self.play_all([found], start_s=start_s, for_s=for_s)

    async def play_all(
        self, tracks: Sequence[Track], index: int = 0, *, start_s: float = 0.0, for_s: float | None = None
    ) -> None:
        """Play these from one of them on; they become the queue."""
        self._logged_in()
        entry = self._queue.replace(tracks, index)
        self._tell(events.QueueChanged())
        if entry is None:
            await self.together.stop()
            return
        rate_hz = _format(entry.track).rate_hz
        start_frame = min(round(max(0.0, start_s) * rate_hz), entry.track.frames)
        limit_frames = None if for_s is None else round(for_s * rate_hz)
        await self.together.play(entry, start_frame=start_frame, limit_frames=limit_frames)

    async def play_entry(self, entry_id: int) -> None:
        """Play what stands in the queue."""
        await self._play_from_queue(self._queue.jump(entry_id))

    async def pause(self) -> None:
        await self.together.pause()

    async def resume(self) -> None:
        """Go on after a pause; when stopped, play the queue's current track again."""
        if not self.together.is_following and self._player.state is State.STOPPED and self._queue.current is not None:
            await self._play_from_queue(self._queue.current)
        else:
            await self.together.resume()

    async def seek(self, seconds: float) -> None:
        """To this moment of the track that plays."""
        await self.together.seek(seconds)

    async def stop(self) -> None:
        await self.together.stop()

    async def next(self) -> bool:
        """The next track of the queue that can play; False (and nothing happens) at its end."""
        entry, passed_over = self._queue.forward(), set[int]()
        while entry is not None and entry.id not in passed_over:
            passed_over.add(entry.id)
            try:
                await self._play_from_queue(entry)
            except TrackUnplayable as error:
                self._tell(events.Error.of(error))
                entry = self._queue.forward()
            else:
                return True
        return False

    async def previous(self) -> None:
        """The start of the track, or, if that was just played, the track before."""
        reading = self._player.reading()
        rate_hz = reading.entry.track.format.rate_hz if reading.entry and reading.entry.track.format else 1
        entry = None if reading.position_frames > RESTART_S * rate_hz else self._queue.back()
        if entry is None:
            await self.together.seek(0.0)
        else:
            await self._play_from_queue(entry)

    def set_volume(self, gain: float) -> None:
        """Linear, from 0 to 1."""
        self._sound.set_volume(gain)

    async def wait_idle(self) -> HocketError | None:
        """Wait until nothing plays and nobody is followed; why it ended before its time, if it did."""
        if self.together.is_following:
            return await self.together.wait_over()
        await self._player.idle.wait()
        if self.together.is_going_over:
            return await self.together.wait_over()
        return self._player.failure

    # -- the queue

    @property
    def queue(self) -> tuple[Entry, ...]:
        return self._queue.entries

    async def _queue_up(self, text: str) -> None:
        """What a friend suggests. Raises Refused (TRACK_MISSING, AMBIGUOUS)."""
        await self.add([await self.find(text)])

    async def add(self, tracks: Sequence[Track], *, next: bool = False) -> None:
        """To the end of the queue, or right after what plays."""
        if next:
            self._queue.add_next(tracks)
        else:
            self._queue.add(tracks)
        await self._queue_changed()

    async def remove(self, entry_id: int) -> None:
        """Take one out; if it plays, the next one plays."""
        plays = self._queue.current is not None and self._queue.current.id == entry_id
        self._queue.remove(entry_id)
        await self._queue_changed()
        if plays and self._player.state is not State.STOPPED and not await self.next():
            await self.together.stop()

    async def move(self, entry_id: int, to_index: int) -> None:
        self._queue.move(entry_id, to_index)
        await self._queue_changed()

    async def clear(self) -> None:
        """Empty the queue; what plays stops."""
        self._queue.clear()
        await self._player.stop()
        await self._queue_changed()

    async def set_shuffle(self, on: bool) -> None:
        self._queue.set_shuffle(on)
        await self._queue_changed()

    async def set_repeat(self, repeat: Repeat) -> None:
        self._queue.repeat = repeat
        await self._queue_changed()

    # -- reading

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What can be done in this session."""
        if self._cluster is None:
            return frozenset()
        may_operate = Rights.OPERATE in self._cluster.wallet.rights
        return frozenset({Capability.TOGETHER, *((Capability.OPERATE,) if may_operate else ())})

    def reading(self) -> Reading:
        """Where the player stands."""
        return self._player.reading()

    def snapshot(self) -> Snapshot:
        """Everything that a view shows."""
        reading, cluster = self._player.reading(), self._cluster
        line = cluster.streams.line if cluster else None
        return Snapshot(
            user=cluster.session.user if cluster else "",
            prime=str(cluster.prime.address.at) if cluster else "",
            prime_reachable=cluster.prime.is_up if cluster else False,
            auth_node=cluster.session.node if cluster else "",
            stream_node=line.node if line else "",
            state=reading.state,
            entry=reading.entry,
            position_frames=reading.position_frames,
            end_frames=reading.end_frames,
            buffer_s=reading.buffer_s,
            source=reading.source,
            output=self._sound.kind,
            volume=self._sound.volume,
            shuffle=self._queue.shuffle,
            repeat=self._queue.repeat,
            queue_length=len(self._queue),
        )

    async def close(self) -> None:
        """Stop, log out, release everything. Safe to call twice."""
        await self.together.detach()
        await self._player.stop()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._player.close()
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            await cluster.close()
        await asyncio.to_thread(self._disk.shutdown)

    # -- what the player needs (feed.Source)

    async def fetch(self, entry: Entry, start_frame: int, on_change: Callable[[], None]) -> Fetch:
        """See `feed.Source`."""
        track, form = entry.track, _format(entry.track)
        cluster = self._logged_in()
        keeper = None
        if self._cache is not None:
            keeper = await Keeper.open(self._cache, self._disk, track.id, track.size_bytes)
        fetch = Fetch(
            track,
            form,
            cluster.streams,
            keeper,
            self._clock,
            start_bytes=start_frame * form.bytes_per_frame,
            on_change=on_change,
            on_moved=lambda origin, to, why: self._tell(events.Moved(origin, to, why)),
            on_damaged=lambda error: self._tell(events.Error.of(error)),
        )
        fetch.tap = self.together.tap(track.id)
        return fetch

    def peek(self) -> Entry | None:
        """See `feed.Source`."""
        return self._queue.peek()

    def advanced(self, entry: Entry) -> None:
        """See `feed.Source`."""
        self._queue.jump(entry.id)
        self._tell(events.QueueChanged())

    # -- inside

    def _tell(self, event: events.Event) -> None:
        log.debug("%s", event)
        self._on_event(event)

    def _logged_in(self) -> Cluster:
        if self._cluster is None:
            raise HocketError("there is no session", code=ErrorCode.SESSION_ENDED, hint="log in first")
        return self._cluster

    async def _play_from_queue(self, entry: Entry) -> None:
        self._tell(events.QueueChanged())
        await self.together.play(entry)

    async def _queue_changed(self) -> None:
        self._tell(events.QueueChanged())
        self.together.queue_changed(self._queue.entries, self._queue.current)
        await self._player.queue_changed()

    def _session_over(self, error: HocketError) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            self._start(self._end_session(cluster, error))

    async def _end_session(self, cluster: Cluster, error: HocketError) -> None:
        await self.together.detach()
        await self._player.fail(error)
        await cluster.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _format(track: Track) -> AudioFormat:
    """Raises TrackUnplayable."""
    if track.format is None or not track.is_playable:
        raise TrackUnplayable(f"'{track.name}' cannot be played", hint=track.problem)
    return track.format
