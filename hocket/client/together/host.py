"""The one who plays: friends follow its own player, sample by sample; commands are stamped ahead for them."""

import logging
import time
from collections.abc import Callable

import msgspec

from hocket.adapters.peers import PeerIdentity, PeerLink
from hocket.client import events
from hocket.client.cluster import Cluster
from hocket.client.player import Player
from hocket.client.playing import Moment
from hocket.client.playing import State as PlayerState
from hocket.client.queue import Entry
from hocket.client.together.books import PieceBox
from hocket.client.together.hall import Friend
from hocket.client.together.party import Party
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import TrackId
from hocket.relay.conductor import REOPEN_NS
from hocket.relay.handover import Follow
from hocket.relay.queue import Entry as QueueEntry
from hocket.relay.queue import Queue
from hocket.relay.timeline import Line, State
from hocket.wire.messages.together import Wish

log = logging.getLogger(__name__)

GAP_NS = 400_000_000
"""Between two places of the music: time for everybody to get the first samples of the new one."""

STEADY_S = 40e-6
"""The host's own converter drifts: a line that is off by more is measured anew."""

JUMP_S = 0.002
REMEASURE_NS = NS_PER_S
RATE_DIV = 16
LEARN_NS = 10 * NS_PER_S


class Host(Party):
    """`on_wish` does what a friend may wish for; `on_yield`: another one hosts, follow it."""

    def __init__(
        self,
        cluster: Cluster,
        tell: Callable[[events.Event], None],
        player: Player,
        *,
        invite_only: bool,
        upload_bps: int,
        on_wish: Callable[[Wish], None],
        on_yield: Callable[[str], None],
        identity: PeerIdentity | None = None,
    ) -> None:
        super().__init__(cluster, tell, identity)
        self._player = player
        self._on_wish = on_wish
        self._on_yield = on_yield
        self._boxes: dict[TrackId, PieceBox] = {}
        self._measured_ns = 0
        self._run: tuple[int, int, int] | None = None  # (output line, frame, when): where a rate is learnt from
        self._busy_until_ns = 0
        self.upload_bps = upload_bps
        self.found_group(invite_only=invite_only)

    # -- the player's bytes

    def tap(self, track: TrackId) -> Callable[[int, bytes], None]:
        """Where the player's fetch puts what it gets of a track."""
        box = self._boxes.setdefault(track, PieceBox())
        while len(self._boxes) > 3:
            del self._boxes[next(iter(self._boxes))]
        book = self.store.library.get(track)
        if book is not None:
            book.box = box
        return box.add

    def _book(self, track: TrackId) -> None:
        book = self.store.library.get(track)
        if book is None:
            self.start(self._open(track))
        elif track in self._boxes and book.box is not self._boxes[track]:
            book.box = self._boxes[track]

    async def _open(self, track: TrackId) -> None:
        book = await self.store.open(track)
        if book is not None and track in self._boxes:
            book.box = self._boxes[track]
            if book.check is not None:
                self.store.need_page(book, 0, "")

    # -- lines from the player

    def before_admission(self) -> None:
        self.observe(force=True)

    def tick(self) -> None:
        self.observe()
        super().tick()

    async def leave(self) -> None:
        self.observe(force=True)  # a successor must know whether there is anything left to play
        await super().leave()

    def observe(self, *, force: bool = False) -> None:
        """Hold the present line against what the player's device does; a new line where they differ."""
        now_ns = time.monotonic_ns()
        if now_ns < self._busy_until_ns:
            return
        moment = self._player.moment()
        line = self.timeline.at(now_ns)
        if moment is None:
            self._run = None
            self._note_silence(line, now_ns)
            return
        self._book(moment.track)
        self._announce_next(now_ns)
        if line is None or line.state is not State.PLAYING or line.track != moment.track:
            self._run = None
            self._measure(moment, now_ns)
            return
        beside_s = float(line.position(moment.at_ns) - moment.frame) / moment.rate_hz
        due = force or now_ns - self._measured_ns > REMEASURE_NS
        if abs(beside_s) > JUMP_S or (abs(beside_s) > STEADY_S and due):
            self._measure(moment, now_ns)

    def _measure(self, moment: Moment, now_ns: int) -> None:
        self._measured_ns = now_ns
        rate_hz, rate_div = moment.rate_hz, 1
        if self._run is None or self._run[0] != moment.line:
            self._run = (moment.line, moment.frame, moment.at_ns)
        elif moment.at_ns - self._run[2] > LEARN_NS:
            played = (moment.frame - self._run[1]) * NS_PER_S / (moment.at_ns - self._run[2])
            if abs(played / rate_hz - 1) < 1e-3:
                rate_div = RATE_DIV if rate_hz <= 96_000 else 1
                rate_hz = round(played * rate_div)
        line = Line(
            self.group, 0, 0, State.PLAYING, moment.track, moment.at_ns, max(0, moment.frame), rate_hz, rate_div
        )
        self.publish(self.conductor.issue(line, now_ns))

    def _note_silence(self, line: Line | None, now_ns: int) -> None:
        """The player is paused or has stopped."""
        if line is None or line.state is not State.PLAYING or self.timeline.after(now_ns) is not None:
            return
        if self._player.state is PlayerState.STOPPED:
            self.publish(self.conductor.stop(now_ns, 0))
        elif self._player.state is PlayerState.PAUSED:
            paused = msgspec.structs.replace(
                line, state=State.PAUSED, t0_ns=now_ns, m0_frames=max(0, self._player.position)
            )
            self.publish(self.conductor.issue(paused, now_ns))

    def _announce_next(self, now_ns: int) -> None:
        """What is in the output already, or has the output opened anew, and will be heard next."""
        coming = self._player.coming(REOPEN_NS if self.has_friends else None)
        if coming is None or self.timeline.after(now_ns) is not None:
            return
        self._book(coming.track)
        line = Line(self.group, 0, 0, State.PLAYING, coming.track, coming.at_ns, 0, coming.rate_hz)
        self.publish(self.conductor.issue(line, now_ns))

    # -- commands, ahead of time

    @property
    def has_friends(self) -> bool:
        return bool(self.hall.friends)

    async def pause(self) -> None:
        """Everybody at the same sample."""
        lead = self._command()
        line = self.conductor.pause(time.monotonic_ns(), lead)
        self.publish(line)
        await self._player.pause(at_ns=None if line is None else line.t0_ns)

    async def resume(self) -> None:
        """Everybody at the same sample."""
        line = self.conductor.resume(time.monotonic_ns(), self._command())
        self.publish(line)
        await self._player.resume(at_ns=None if line is None else line.t0_ns)

    async def seek(self, seconds: float) -> None:
        """Everybody falls silent at one sample, and goes on at one."""
        now_ns, lead = time.monotonic_ns(), self._command(GAP_NS)
        line = self.timeline.at(now_ns)
        if line is None or line.state is State.STOPPED:
            await self._player.seek(seconds)
            return
        to_frames = round(max(0.0, seconds) * line.rate_hz / line.rate_div)
        if line.state is State.PAUSED:
            self.publish(self.conductor.seek(now_ns, lead, to_frames))
            await self._player.seek(seconds)
            return
        silent = self.conductor.pause(now_ns, lead)
        self.publish(silent)
        again = self.conductor.play(now_ns, lead + GAP_NS, line.track, line.rate_hz, to_frames, line.rate_div)
        self.publish(again)
        await self._player.seek(seconds, pause_ns=None if silent is None else silent.t0_ns, at_ns=again.t0_ns)

    async def play(self, entry: Entry, start_frame: int, limit_frames: int | None) -> None:
        """Another track for everybody."""
        now_ns, lead = time.monotonic_ns(), self._command(GAP_NS)
        form = entry.track.format
        if form is None:
            await self._player.play(entry, start_frame=start_frame, limit_frames=limit_frames)
            return
        silent = self.conductor.pause(now_ns, lead)
        self.publish(silent)
        begin = self.conductor.play(now_ns, lead + GAP_NS, entry.track.id, form.rate_hz, start_frame)
        self.publish(begin)
        if silent is not None:
            await self._player.pause(at_ns=silent.t0_ns)
        await self._player.play(entry, start_frame=start_frame, limit_frames=limit_frames, at_ns=begin.t0_ns)

    async def stop(self) -> None:
        """The music is over for everybody."""
        line = self.conductor.stop(time.monotonic_ns(), self._command())
        self.publish(line)
        if line is not None:
            await self._player.pause(at_ns=line.t0_ns)
        await self._player.stop()

    def show_queue(self, entries: tuple[Entry, ...], current: Entry | None) -> None:
        """What comes, for a successor."""
        at = entries.index(current) if current in entries else -1
        upcoming = tuple(
            QueueEntry(entry.id, entry.track.id, self.cluster.session.user) for entry in entries[at + 1 : at + 101]
        )
        queue = Queue(self.group, self.timeline.epoch, self.queue.version + 1, 1 << 20, None, upcoming)
        self.publish_queue(queue)

    def _command(self, more_ns: int = 0) -> int:
        """The lead of a command that is given now; nothing is measured until it took effect."""
        lead = self.lead_time_ns()
        self._busy_until_ns = time.monotonic_ns() + lead + more_ns + NS_PER_S // 5
        self._run = None
        return lead

    def wish(self, friend: Friend, wish: Wish) -> None:
        if wish.what not in ("pause", "resume", "seek", "skip", "suggest"):
            raise HocketError(f"nobody knows how to {wish.what}", code=ErrorCode.USAGE)
        self._on_wish(wish)

    # -- losing it

    def follow(self, decision: Follow) -> None:
        host = self.members.get(decision.reign.claim.host)
        self._on_yield(host.address if host is not None else "")

    def lost_above(self, link: PeerLink, error: HocketError) -> None:
        log.debug("%s: %s", link.peer_address, error)
