"""Those who listen here: let in, told the news, given the music; each in its own time."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from hocket.adapters.peers import PeerLink, PeerServer
from hocket.client.together.books import Book
from hocket.client.together.supply import Store, missing
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_MS, NS_PER_S
from hocket.core.errors import ErrorCode, HocketError, ProtocolError
from hocket.core.ids import TrackId, UserName
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.relay.allotment import Purse, pulses_fit, spare_bps
from hocket.relay.chunks import LEAF_BYTES, LEAVES_PER_PAGE
from hocket.relay.fetchplan import LEAD_NS
from hocket.relay.handover import SILENCE_NS, THIN_SILENCE_NS
from hocket.relay.invites import Scope
from hocket.relay.keys import PeerId
from hocket.relay.limits import Verdict
from hocket.relay.losses import Losses
from hocket.relay.ring import Bursts, Ring
from hocket.relay.timeline import State, Timeline
from hocket.wire import codec
from hocket.wire.message import Message
from hocket.wire.messages.together import (
    MAX_HELD,
    AskLeaf,
    AskManifest,
    AskPage,
    Held,
    LeafIs,
    LeafNews,
    ManifestIs,
    PageIs,
    Report,
    TrackNews,
)

log = logging.getLogger(__name__)

RING_BYTES = 4 * 1024 * 1024
BEHIND_BYTES = 400 * 1024
"""What a newcomer is given at once over a thin line, at most: two seconds of CD music, and less than would count as a
backlog. Where there is room it asks for what is heard next itself, as calmly as it learns the clock."""

THIN_LEAD_NS = 7 * NS_PER_S
"""Over lines that are shared out every hop takes up to a second; LEAD_NS is to be left at the last one."""

PRESSED_BYTES = 2 * LEAF_BYTES
"""Over a thin line there is always a piece under way; more that wait are too many."""

MAX_BRIEF_BYTES = 24 * 1024
REMEMBER_NS = 12 * NS_PER_S
"""A leaf is not pushed again within this; who missed it asks."""

MAX_WAITING = 8
"""Leaves that are being fetched for friends at a time."""


@dataclass(slots=True, eq=False)
class Friend:
    """One who listens here."""

    link: PeerLink
    name: UserName
    key: bytes
    id: PeerId
    scope: Scope
    serves: HostPort | None
    listens: bool
    upload_bps: int
    report: Report | None = None
    losses: Losses = field(default_factory=Losses)
    elsewhere: deque[tuple[TrackId, int]] = field(default_factory=lambda: deque(maxlen=MAX_HELD))  # what it gets there
    answered_ns: int = 0  # when it was last told the time
    is_told: bool = False  # its coming was told, so is its going; who only shows a claim is no listener

    @property
    def introduction(self) -> Report:
        """What others need to know of it."""
        return Report(self.id, str(self.name), str(self.serves) if self.serves else "", 0, 0, 0, self.key)


class Hall:
    """Serves friends from a store, along a timeline. `now_ns`: group time, None while it is unknown."""

    def __init__(self, server: PeerServer, store: Store, now_ns: Callable[[], int | None]) -> None:
        self.server = server
        self.timeline: Timeline | None = None
        self.fetches = True  # what friends need and is not here is got from a streaming node
        self.upload_bps = 0  # what this line sends; 0: no limit is known
        self._store = store
        self.now_ns = now_ns
        self._ring = Ring(RING_BYTES)
        self._bursts = Bursts(time.monotonic_ns())
        self._purse = Purse(time.monotonic_ns())
        self._friends: dict[PeerId, Friend] = {}
        self._turns: deque[Friend] = deque()
        self._pushed: OrderedDict[tuple[TrackId, int], tuple[int, int]] = OrderedDict()  # when; the frame in the ring
        self._fetching: dict[tuple[TrackId, int], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def friends(self) -> tuple[Friend, ...]:
        return tuple(self._friends.values())

    @property
    def feeds(self) -> bool:
        """Whether anybody gets music here."""
        return any(friend.listens for friend in self._friends.values())

    def friend(self, peer: PeerId) -> Friend | None:
        return self._friends.get(peer)

    def admit(self, friend: Friend) -> None:
        """Somebody who may; an earlier connection of the same login gives way."""
        old = self._friends.pop(friend.id, None)
        if old is not None:
            self._turns.remove(old)
            old.link.user_data = None
            old.link.close(ProtocolError("you have connected anew"))
        self._friends[friend.id] = friend
        self._turns.append(friend)
        if self.upload_bps:
            friend.link.deal(self.upload_bps)
        friend.link.user_data = friend
        self.server.admitted(friend.link)

    def brief(self, friend: Friend) -> None:
        """Tell a newcomer all that it needs to check the first sounds, before it asks."""
        group_ns = self.now_ns()
        line = self.timeline.at(group_ns) if self.timeline is not None and group_ns is not None else None
        book = self._store.library.get(line.track) if line is not None else None
        if line is None or group_ns is None or book is None or book.check is None or book.track.format is None:
            return
        due = leaves_of(book.track, book.track.format, line.position_frames(group_ns), self.lead_ns)
        number = due.start // LEAVES_PER_PAGE
        page = book.check.page(number)
        if page is not None and len(book.vouched) <= MAX_BRIEF_BYTES:
            friend.link.send(TrackNews(book.vouched, number, page))

    def listen(self, friend: Friend, listens: bool) -> None:
        """Push it music from now on, or no longer; never through the prime."""
        friend.listens = listens = listens and not friend.link.is_carried
        if listens:
            friend.link.attach(self._ring, self._behind_bytes() if self.upload_bps else 0)
            for key in friend.elsewhere:
                if pushed := self._pushed.get(key):
                    friend.link.leave_out(pushed[1])
            friend.link.flush()
        else:
            friend.link.detach()

    def turn(self, friend: Friend, listens: bool) -> None:
        """It wants music from here, or no longer, in the middle of it: what it lacks it will ask for."""
        if listens != friend.listens:
            self.listen(friend, listens)

    def left(self, friend: Friend) -> bool:
        """Its connection is gone; False if a newer one took its place."""
        if self._friends.get(friend.id) is not friend:
            return False
        del self._friends[friend.id]
        self._turns.remove(friend)
        return True

    def broadcast(self, message: Message, but: PeerLink | None = None) -> None:
        """Tell all friends."""
        frame = codec.encode(message)
        for friend in self.friends:
            if friend.link is not but:
                friend.link.send_frame(frame)

    def pulse(self, message: Message, every_ns: int) -> None:
        """A sign of life; where the line is too thin for all, those who get music elsewhere have it from their parents.

        Where nobody passes it on, an answer about the time is sign enough.
        """
        frame, now_ns = codec.encode(message), time.monotonic_ns()
        to_all = pulses_fit(self.spare_bps, len(self._friends), every_ns)
        for friend in self.friends:
            if (friend.listens or to_all) and (self.upload_bps or friend.answered_ns < now_ns - every_ns):
                friend.link.send_frame(frame)

    def format_of(self, track: TrackId) -> AudioFormat | None:
        """None while it is unknown."""
        book = self._store.library.get(track)
        return None if book is None else book.track.format

    def stream_bps(self, otherwise: int) -> int:
        """Of what plays now, or will be next."""
        group_ns = self.now_ns()
        line = self.timeline.at(group_ns) if self.timeline is not None and group_ns is not None else None
        form = self.format_of(line.track) if line is not None else None
        return otherwise if form is None else 8 * form.bytes_per_second

    @property
    def spare_bps(self) -> int:
        """What music leaves of the line; 0: it is not limited."""
        return spare_bps(self.upload_bps, sum(friend.listens for friend in self.friends), self.stream_bps(0))

    @property
    def lead_ns(self) -> int:
        """How long before it is heard music goes out."""
        return THIN_LEAD_NS if self.upload_bps else LEAD_NS

    @property
    def silence_ms(self) -> int:
        """How long this line may keep a sign of life back."""
        return (THIN_SILENCE_NS if self.upload_bps else SILENCE_NS) // NS_PER_MS

    def _behind_bytes(self) -> int:
        """From what is heard now on; a reader that is far behind would count as too slow."""
        due = [self._pushed[key] for book, leaf in self._due() if (key := (book.track.id, leaf)) in self._pushed]
        return min([BEHIND_BYTES, *(self._ring.behind_bytes(number) for _, number in due[:1])]) if due else 0

    def asked(self, friend: Friend, message: Message, correlation: int, at_ns: int) -> Message | None:
        """A friend asks for a manifest, a page or a leaf. Raises HocketError; ProtocolError cuts it off."""
        if friend.link.is_carried:
            raise HocketError("no music goes through the prime", code=ErrorCode.NOT_ALLOWED)
        verdict = friend.link.patience.chunk(at_ns)
        if verdict is Verdict.CUT:
            raise ProtocolError("too many requests", code=ErrorCode.TOO_MANY_REQUESTS)
        if verdict is Verdict.REFUSE:
            raise HocketError("too many requests", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=0.2)
        match message:
            case AskManifest():
                self._later(self._manifest(friend.link, correlation, message.track))
            case AskPage():
                self._later(self._page(friend.link, correlation, message))
            case AskLeaf():
                book = self._known(message.track)
                data = book.leaf(message.leaf)
                if self._is_coming(friend, message):
                    friend.link.refuse(correlation, missing(message.track))  # no offence: it could not know
                elif self._is_pressed and not friend.listens:
                    friend.link.refuse(correlation, HocketError("my line is full", code=ErrorCode.TOO_MANY_REQUESTS))
                elif data is not None:
                    friend.link.reply_bulk(correlation, LeafIs(data))
                elif not self.fetches:
                    raise missing(message.track)
                else:
                    self._later(self._leaf(friend.link, correlation, book, message.leaf))
        return None

    def held(self, friend: Friend, message: Held) -> None:
        """It gets some of the music elsewhere: that need not be pushed."""
        for leaf in message.leaves:
            friend.elsewhere.append((message.track, leaf))
            if pushed := self._pushed.get((message.track, leaf)):
                friend.link.leave_out(pushed[1])

    def _is_coming(self, friend: Friend, asked: AskLeaf) -> bool:
        """Whether it is on its way over a line that must not carry it twice."""
        pushed = self._pushed.get((asked.track, asked.leaf))
        return self.upload_bps > 0 and pushed is not None and friend.link.will_push(pushed[1])

    @property
    def _is_pressed(self) -> bool:
        """Whether those who are fed here wait longer than they should: who is fed elsewhere must not add to it."""
        return self.upload_bps > 0 and any(
            friend.listens and friend.link.behind_bytes > PRESSED_BYTES for friend in self.friends
        )

    def _known(self, track: TrackId) -> Book:
        book = self._store.library.get(track)
        if book is None or book.check is None:
            raise missing(track)
        return book

    def _is_played(self, track: TrackId) -> bool:
        return self.timeline is not None and any(line.track == track for line in self.timeline.lines)

    async def _manifest(self, link: PeerLink, correlation: int, track: TrackId) -> None:
        try:
            if not self._is_played(track):
                raise missing(track)
            book = await self._store.open(track)
            if book is None or not book.vouched:
                raise missing(track)
            link.reply(correlation, ManifestIs(book.vouched))
        except HocketError as error:
            link.refuse(correlation, error)

    async def _page(self, link: PeerLink, correlation: int, asked: AskPage) -> None:
        try:
            page = await self._store.page(self._known(asked.track), asked.number)
            link.reply_bulk(correlation, PageIs(page))
        except HocketError as error:
            link.refuse(correlation, error)

    async def _leaf(self, link: PeerLink, correlation: int, book: Book, leaf: int) -> None:
        try:
            if not 0 <= leaf < book.leaf_count or len(self._tasks) > 4 * MAX_WAITING:
                raise missing(book.track.id)
            data = await self._store.leaf(book, leaf)
            link.reply_bulk(correlation, LeafIs(data))
        except HocketError as error:
            link.refuse(correlation, error)

    # -- pushing

    def tick(self) -> None:
        """Push what will be played within the next seconds, in bursts."""
        now_ns = time.monotonic_ns()
        if self._friends:
            self._push(now_ns)
        if self.upload_bps:
            self._ring.release()
            self._deal(now_ns)
        elif self._bursts.due(now_ns):
            self._ring.release()
            for friend in self.friends:
                friend.link.flush()

    def _deal(self, now_ns: int) -> None:
        """Share the line out, a piece a friend in turn: all at once would hold up every clock."""
        self._purse.fill(self.upload_bps, self.server.wire_bytes, now_ns)
        idle = 0
        while self._purse.has_some and idle < len(self._turns):
            friend = self._turns[0]
            self._turns.rotate(-1)
            size_bytes = friend.link.send_music()
            self._purse.spend(size_bytes)
            idle = 0 if size_bytes else idle + 1

    def _push(self, now_ns: int) -> None:
        while self._pushed and next(iter(self._pushed.values()))[0] < now_ns - REMEMBER_NS:
            self._pushed.popitem(last=False)
        if not self.feeds:
            return
        for book, leaf in self._due():
            key = (book.track.id, leaf)
            if key in self._pushed:
                continue
            data = book.leaf(leaf)
            if data is None:
                if self.fetches and key not in self._fetching and len(self._fetching) < MAX_WAITING:
                    self._fetch(book, leaf)
                continue
            number = self._ring.push(codec.encode(LeafNews(book.track.id, leaf, data)))
            self._pushed[key] = now_ns, number
            for friend in self.friends:
                if key in friend.elsewhere:
                    friend.link.leave_out(number)

    def _due(self) -> Iterable[tuple[Book, int]]:
        """Leaves from what is heard now to lead_ns later."""
        group_ns = self.now_ns()
        if self.timeline is None or group_ns is None:
            return
        at_ns, until_ns = group_ns, group_ns + self.lead_ns
        while at_ns < until_ns:
            line, following = self.timeline.at(at_ns), self.timeline.after(at_ns)
            end_ns = until_ns if following is None else min(until_ns, following.t0_ns)
            if line is not None and line.state is not State.STOPPED:
                book = self._store.library.get(line.track)
                if book is None:
                    self._later(self._open(line.track))
                elif book.track.format is not None and book.check is not None:
                    first = line.position_frames(at_ns)
                    span_ns = (end_ns - at_ns) if line.state is State.PLAYING else self.lead_ns
                    form = book.track.format
                    yield from ((book, leaf) for leaf in leaves_of(book.track, form, first, span_ns))
            at_ns = end_ns + 1

    async def _open(self, track: TrackId) -> None:
        await self._store.open(track)

    def _fetch(self, book: Book, leaf: int) -> None:
        key = (book.track.id, leaf)
        task = asyncio.create_task(self._get(book, leaf))
        self._fetching[key] = task
        task.add_done_callback(lambda done: self._fetching.pop(key, None) and None)

    async def _get(self, book: Book, leaf: int) -> None:
        try:
            await self._store.leaf_soon(book, leaf)
        except HocketError as error:
            log.info("leaf %d of %s: %s", leaf, book.track.name, error)
            await asyncio.sleep(0.5)

    # -- ending

    async def close(self, error: HocketError | None = None) -> None:
        """Say good-bye to everybody."""
        self.server.stop(error)
        tasks = [*self._tasks, *self._fetching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def leaves_of(track: Track, form: AudioFormat, first_frame: int, span_ns: int) -> range:
    """The leaves that hold so much music from a frame on."""
    start = track.data_offset_bytes + first_frame * form.bytes_per_frame
    end = min(track.data_offset_bytes + track.data_bytes, start + span_ns * form.bytes_per_second // NS_PER_S)
    return range(start // LEAF_BYTES, -(-end // LEAF_BYTES)) if end > start else range(0)
