"""The prime's part in the common library: knows what every machine holds, and has it copied, renamed and removed.

What to do is decided by `hocket.media.replication`; here are the machines, the orders that are under way, and
what is not tried again for a while because it failed.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from hocket.adapters.clocks import SystemClock
from hocket.adapters.datafolder import DataFolder
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, TrackMissing
from hocket.core.ids import NodeId, TrackId, role_of
from hocket.core.track import Track
from hocket.media.catalogue import Catalogue
from hocket.media.manifest import ManifestChange, StaleManifest
from hocket.media.replication import Census, Limits, Removal, Rename, Replication, Transfer
from hocket.nodes.prime.removals import Removals, load_removals, save_removals
from hocket.wire import limits
from hocket.wire.message import Message
from hocket.wire.messages import library
from hocket.wire.messages.common import Done
from hocket.wire.pages import that_fit

log = logging.getLogger(__name__)

TICK_S = 1.0
GATHER_S = 0.02
"""What comes together is planned together."""

PER_MACHINE = 4
"""Orders that a machine has at once: the next ones wait in its queue, so that it need not wait for the prime."""

LOST_S = 10.0
"""An order that a machine shows no sign of after so long is forgotten."""

REPEAT_S = 30.0
"""A rename or a removal that had no effect is ordered again after this."""

FOLDER_RETRY_S = 30.0
"""A folder that could not be written may be mended by now."""

RETRY_S = 2.0
MAX_RETRY_S = 600.0
LIES_RETRY_S = 3600.0
LATE_S = 15.0
"""After its start the prime waits so long for machines of before to tell what they hold."""

MAX_TRACKS = 2_000_000
MAX_REFUSED_SHOWN = 3

Send = Callable[[NodeId, Message], None]
OnList = Callable[[NodeId, int, int], None]
OnNews = Callable[[frozenset[TrackId]], None]
M = TypeVar("M", bound=Message)


class Machine:
    """What is known of one control node beside its list."""

    def __init__(self) -> None:
        self.state = library.ReplicaState(HostPort("?", 0))
        self.heard_s = 0.0
        self.here = False
        self.paused = False
        self.listed: set[TrackId] = set()  # by the pages of its list that came so far
        self.refused: list[str] = []


class Order(msgspec.Struct, frozen=True):
    """A transfer that was ordered."""

    transfer: Transfer
    since_s: float


class Librarian:
    """Messages in by `take`, orders out by `send`; `run` keeps them going. All methods are for the event loop."""

    def __init__(
        self,
        folder: DataFolder,
        replicas: int,
        send: Send,
        on_list: OnList,
        crowded: Callable[[], frozenset[NodeId]] = frozenset,
        *,
        plain: bool = False,
        on_news: OnNews = lambda tracks: None,
    ) -> None:
        """`send` drops what cannot be sent. `on_list(machine, revision, tracks)`: it holds something else now.
        `crowded`: machines whose listeners need all that they have. `plain`: copies go without TLS.
        `on_news(tracks)`: people may have to be told of them otherwise (see `beside`).

        Raises DataBroken.
        """
        self._folder = folder
        self._send = send
        self._on_list = on_list
        self._crowded = crowded
        self._plain = plain
        self._on_news = on_news
        self._kept = load_removals(folder)
        self._removed = dict(self._kept.tracks)
        self._replication = Replication(replicas, self._kept.tombstones)
        self._machines: dict[NodeId, Machine] = {}
        self._orders: dict[tuple[TrackId, NodeId], Order] = {}
        self._changes: dict[Rename | Removal, float] = {}  # ordered, at that time
        self._tries: dict[tuple[TrackId, NodeId], int] = {}
        self._retries: list[tuple[float, TrackId, NodeId]] = []
        self._idle: dict[NodeId, float] = {}  # folders that cannot be written, until then
        self._sizes: dict[TrackId, int] = {}
        self._other_sizes: dict[tuple[TrackId, NodeId], int] = {}
        self._clock = SystemClock()
        self._wake = asyncio.Event()
        for node, label in self._kept.machines.items():
            self._replication.join(node, label)
            self._replication.away(node)
            self._machines[node] = Machine()
        self._late = set(self._kept.machines)
        self._late_until_s = self._clock.monotonic_s() + LATE_S

    # -- machines

    def away(self, node: NodeId, *, lost: bool = False) -> None:
        """A machine cannot be reached; `lost`: for so long that others take over its copies."""
        machine = self._machines.get(node)
        if machine is None:
            return
        machine.here = False
        machine.listed = set()
        self._replication.away(node)
        if lost:
            self._replication.lost(node)
        for track, target in list(self._orders):
            if target == node:
                del self._orders[track, target]
        self._wake.set()

    def leave(self, node: NodeId) -> None:
        """A machine was put out of the cluster for good."""
        self.away(node)
        self._late.discard(node)
        if self._machines.pop(node, None) is not None:
            self._replication.leave(node)
            self._wake.set()

    def take(self, node: NodeId, message: Message, peer_host: str = "") -> bool:
        """A control node's message; whether it was one for the librarian. `peer_host`: where it comes from.

        Raises HocketError (PROTOCOL: the whole list is needed).
        """
        match message:
            case library.ReplicaState():
                self._take_state(node, message, peer_host)
            case library.HoldsPage():
                self._take_page(node, message)
            case library.HoldsChanged():
                self._take_change(node, message)
            case library.FetchEnded():
                self._take_end(node, message)
            case library.Discarded():
                self._take_discarded(node, message)
            case _:
                return False
        self._wake.set()
        return True

    def _take_state(self, node: NodeId, message: library.ReplicaState, peer_host: str) -> None:
        machine = self._machines.setdefault(node, Machine())
        if not machine.here:
            machine.here, machine.paused = True, False
        if message.address.is_wildcard and peer_host:
            message = msgspec.structs.replace(message, address=HostPort(peer_host, message.address.port))
        if message.problem != machine.state.problem:
            log.warning("%s: %s", node, message.problem or "its music folder is in order again")
        machine.state = message
        machine.heard_s = self._clock.monotonic_s()

    def _take_page(self, node: NodeId, message: library.HoldsPage) -> None:
        machine = self._here(node)
        if message.first:
            machine.listed = set()
            self._replication.expect(node, machine.state.label)
        if len(machine.listed) + len(message.tracks) > MAX_TRACKS:
            machine.listed = set()
            raise HocketError(f"more than {MAX_TRACKS} tracks in one folder", code=ErrorCode.TOO_LARGE)
        machine.listed.update(track.id for track in message.tracks)
        self._note_sizes(node, message.tracks)
        self._note_refused(node, self._replication.take_part(node, message.tracks))
        if message.last:
            self._replication.take_rest(node, message.revision, machine.listed)
            machine.listed = set()
            # Not before it told what it has: it would be sent everything.
            self._replication.join(node, machine.state.label)
            self._late.discard(node)
            self._on_list(node, message.revision, message.total)

    def _take_change(self, node: NodeId, message: library.HoldsChanged) -> None:
        self._here(node)
        self._note_sizes(node, message.added)
        change = ManifestChange(node, message.base_revision, message.revision, message.added, message.removed)
        self._note_refused(node, self._replication.change(change))
        self._on_list(node, message.revision, message.total)

    def _here(self, node: NodeId) -> Machine:
        machine = self._machines.get(node)
        if machine is None or not machine.here:
            raise StaleManifest(f"{node} has not told where it is", hint="send its state first")
        return machine

    def _note_sizes(self, node: NodeId, tracks: tuple[Track, ...]) -> None:
        """Who lies about a size must not spoil what others offer: each is held to its own word."""
        for track in tracks:
            if self._sizes.setdefault(track.id, track.size_bytes) != track.size_bytes:
                self._other_sizes[track.id, node] = track.size_bytes
            else:
                self._other_sizes.pop((track.id, node), None)

    def _note_refused(self, node: NodeId, refused: list[str]) -> None:
        for text in refused:
            log.warning("refused: %s", text)
        machine = self._machines[node]
        machine.refused = (machine.refused + refused)[-MAX_REFUSED_SHOWN:]

    # -- how orders ended

    def _take_end(self, node: NodeId, message: library.FetchEnded) -> None:
        self._orders.pop((message.track, node), None)
        match message.code:
            case "":
                self._tries.pop((message.track, node), None)
            case ErrorCode.SOURCE_LIES.value:
                log.warning("%s: %s", node, message.text)
                self._set_aside(message.track, message.source, LIES_RETRY_S)
            case ErrorCode.MUSIC_UNWRITABLE.value:
                self._idle[node] = self._clock.monotonic_s() + FOLDER_RETRY_S
            case ErrorCode.TRACK_MISSING.value:
                self._set_aside(message.track, message.source, RETRY_S)
            case ErrorCode.DISK_FULL.value | ErrorCode.BAD_NAME.value | ErrorCode.BACKING_OFF.value:
                self._set_aside(message.track, node, FOLDER_RETRY_S)
            case _:
                self._set_aside(message.track, message.source, self._backoff_s(message.track, node))

    def _backoff_s(self, track: TrackId, node: NodeId) -> float:
        tries = self._tries[track, node] = self._tries.get((track, node), 0) + 1
        return float(min(MAX_RETRY_S, RETRY_S * 2 ** min(tries - 1, 10)))

    def _set_aside(self, track: TrackId, node: NodeId, for_s: float) -> None:
        self._replication.set_aside(track, node)
        heapq.heappush(self._retries, (self._clock.monotonic_s() + for_s, track, node))

    def _take_discarded(self, node: NodeId, message: library.Discarded) -> None:
        if message.problem:
            self._changes[Removal(node, message.track)] = self._clock.monotonic_s()
            return
        self._changes.pop(Removal(node, message.track), None)
        self._replication.acknowledge(node, message.track)

    # -- what there is

    def holders(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and can be reached."""
        return self._replication.holders(track)

    def track(self, track: TrackId) -> Track | None:
        """A track of the library under its agreed name."""
        return self._replication.track(track) if track in self._replication else None

    def is_removed(self, track: TrackId) -> bool:
        """Whether the operator took it out of the library."""
        return track in self._removed

    def out_of_reach(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and may be back at any moment."""
        return self._replication.out_of_reach(track)

    def late(self) -> frozenset[NodeId]:
        """Machines that were known at the start and have not told yet what they hold, while that may still come."""
        if self._clock.monotonic_s() >= self._late_until_s:
            self._late.clear()
        return frozenset(self._late)

    def elsewhere(self, machine: NodeId) -> list[TrackId]:
        """Tracks of the cluster that a machine does not hold."""
        return self._replication.elsewhere(machine)

    def beside(self, machine: NodeId, track: TrackId) -> Track | None:
        """A track as the listeners of a machine without it see it; None if it holds it, or nobody is to see it."""
        return self._replication.beside(machine, track)

    @property
    def census(self) -> Census:
        """How many tracks and copies there are."""
        return self._replication.census()

    @property
    def missing_copies(self) -> int:
        """Copies that are still to be made."""
        held_up = sum(1 for _, track, node in self._retries if node not in self._replication.holders(track))
        return self._replication.missing_copies + held_up

    def transfers(self) -> list[tuple[NodeId, library.TransferState]]:
        """(machine that receives, how far it is) of every copy that is under way."""
        return [
            (node, transfer)
            for node, machine in self._machines.items()
            if machine.here
            for transfer in machine.state.transfers
        ]

    def problems(self) -> list[str]:
        """What a person has to look at."""
        found: list[str] = []
        for node, machine in self._machines.items():
            if machine.here and machine.state.problem:
                found.append(f"{node}: {machine.state.problem}")
            found += (f"refused: {text}" for text in machine.refused)
        return found

    # -- what the operator asks

    def copies(self, asked: library.CopiesList) -> library.Copies:
        """A page of all tracks with their holders; the removed ones last."""
        held, removed = self._replication.by_name(), sorted(self._removed.values(), key=lambda track: track.name)
        rows = [self._replication.track(track) for track in held[asked.offset : asked.offset + limits.MAX_PAGE]]
        rows += removed[max(0, asked.offset - len(held)) : max(0, asked.offset + limits.MAX_PAGE - len(held))]
        page = that_fit(rows)
        return library.Copies(
            tuple(
                library.CopyRow(track, tuple(sorted(self.holders(track.id))), track.id in self._removed)
                for track in page
            ),
            asked.offset + len(page) < len(held) + len(removed),
        )

    async def remove(self, text: str) -> library.TrackChanged:
        """Take a track out of the library everywhere. Raises TrackMissing, AmbiguousTrack."""
        track = await _meant(text, list(self._replication.tracks()))
        if track.id not in self._replication:
            raise TrackMissing(f"'{track.name}' went while it was looked for", hint="`tracks list` shows what there is")
        self._removed[track.id] = track
        self._replication.remove(track.id)
        log.info("'%s' was removed by the operator", track.name)
        self._wake.set()
        return library.TrackChanged(track.id, track.name)

    async def restore(self, text: str) -> library.TrackChanged:
        """Bring a removed track back from the trash. Raises TrackMissing, AmbiguousTrack."""
        if not self._removed:
            raise TrackMissing("no track was removed", hint="`tracks list` shows all there are")
        track = await _meant(text, list(self._removed.values()))
        if self._removed.pop(track.id, None) is None:
            raise TrackMissing(f"'{track.name}' is back already", hint="`tracks list` shows what there is")
        self._replication.restore(track.id)
        for node, machine in self._machines.items():
            if machine.here:
                self._send(node, library.PutBack(track.id))
        log.info("'%s' was restored by the operator", track.name)
        self._wake.set()
        return library.TrackChanged(track.id, track.name)

    # -- time

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            while self._replication.settle():  # noqa: ASYNC110 - the rest has its turn between two slices
                await asyncio.sleep(0)
            self._step(self._clock.monotonic_s())

    def _step(self, now_s: float) -> None:
        while self._retries and self._retries[0][0] <= now_s:
            _, track, node = heapq.heappop(self._retries)
            self._replication.take_up(track, node)
        self._idle = {node: until_s for node, until_s in self._idle.items() if until_s > now_s}
        self._forget_lost(now_s)
        self._pause()
        self._keep()
        busy = [order.transfer for order in self._orders.values()]
        plan = self._replication.plan(busy, Limits(PER_MACHINE, PER_MACHINE, frozenset(self._idle)))
        for transfer in plan.transfers:
            self._order(transfer, now_s)
        for rename in plan.renames:
            message = library.RenameCopy(rename.track, rename.old_name, rename.new_name)
            self._order_once(rename, message, now_s)
        for removal in plan.removals:
            self._order_once(removal, library.Discard(removal.track), now_s)
        if news := self._replication.take_news():
            self._on_news(news)

    def _order(self, transfer: Transfer, now_s: float) -> None:
        track, source = transfer.track, transfer.source
        size_bytes = self._other_sizes.get((track, source)) or self._sizes[track]
        address = self._machines[source].state.address
        order = library.FetchOrder(track, transfer.name, size_bytes, source, role_of(source), address, self._plain)
        self._orders[track, transfer.target] = Order(transfer, now_s)
        self._send(transfer.target, order)

    def _order_once(self, change: Rename | Removal, message: Message, now_s: float) -> None:
        if now_s - self._changes.get(change, -REPEAT_S) >= REPEAT_S:
            self._changes[change] = now_s
            self._send(change.machine, message)

    def _forget_lost(self, now_s: float) -> None:
        for key, order in list(self._orders.items()):
            state = self._machines[key[1]].state
            shown = any(transfer.track == key[0] for transfer in state.transfers)
            if not shown and now_s - order.since_s > LOST_S:
                del self._orders[key]
        self._changes = {change: at_s for change, at_s in self._changes.items() if now_s - at_s < REPEAT_S}

    def _pause(self) -> None:
        """Copies wait where listeners need all that a machine has."""
        crowded = self._crowded()
        for node, machine in self._machines.items():
            if machine.here and machine.paused != (node in crowded):
                machine.paused = node in crowded
                log.info("copies to %s %s", node, "wait for its listeners" if machine.paused else "go on")
                self._send(node, library.SyncPause(machine.paused))

    def _keep(self) -> None:
        stones = self._replication.removed
        if len(stones) < len(self._removed):
            alive = {stone.track for stone in stones}
            self._removed = {track: what for track, what in self._removed.items() if track in alive}
        now = Removals(self._replication.labels, stones, self._removed.copy())
        if now != self._kept:
            save_removals(self._folder, now)
            self._kept = now


class AtHome:
    """The prime's own way to its librarian (`hocket.nodes.replica.Head`)."""

    def __init__(self, librarian: Librarian, node: NodeId) -> None:
        self._librarian = librarian
        self._node = node

    async def request(self, message: Message, reply: type[M]) -> M:
        """Answered at once, but others have their turn between the pages of a long list."""
        await asyncio.sleep(0)
        self._librarian.take(self._node, message)
        return cast(M, Done())

    def notify(self, message: Message) -> None:
        """Taken at once."""
        self._librarian.take(self._node, message)


async def _meant(text: str, tracks: list[Track]) -> Track:
    """The one track that text means. Beside the loop, which a whole library would hold up for a second."""
    return await asyncio.to_thread(lambda: Catalogue(tracks).resolve(text))
