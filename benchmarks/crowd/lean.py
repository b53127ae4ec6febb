"""A friend that costs next to nothing: it joins, asks for the time, checks every leaf, and notes what came late.

It estimates no clock and passes nothing on, so hundreds fit into one process. It takes this machine's clock for the
group's: the host has to run on the same machine.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from benchmarks.crowd.story import Story
from hocket.adapters.clocks import random_bytes
from hocket.adapters.peers import PeerLink, connect, new_identity
from hocket.client.cluster import Cluster
from hocket.client.together.passport import Passport
from hocket.client.together.values import decode
from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import HocketError
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, node_id
from hocket.core.track import Track
from hocket.relay.chunks import LEAF_BYTES, LEAVES_PER_PAGE, TrackCheck
from hocket.relay.clocksync import ExchangeSchedule
from hocket.relay.timeline import Line, SignedLine, State
from hocket.relay.vouched import read_vouched
from hocket.wire.message import Message
from hocket.wire.messages.together import (
    Admitted,
    AskPage,
    AskTime,
    JoinFriend,
    LeafNews,
    LineNews,
    PageIs,
    Report,
    TimePace,
    TrackNews,
)

REPORT_S = 1.0


class Lean:
    """See the module. `join` first."""

    def __init__(self, cluster: Cluster, seat: int) -> None:
        self.cluster = cluster
        self.seat = seat
        self.passport = Passport(cluster.wallet, cluster.prime.authority_pem)
        self._link: PeerLink | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._schedule = ExchangeSchedule(time.monotonic_ns())
        self._question = 0
        self._line: Line | None = None
        self._track: Track | None = None
        self._check: TrackCheck | None = None
        self._asked: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun_ns = time.monotonic_ns()
        self._first_ns = 0
        self._next_leaf = -1
        self._over = ""
        self.forget()

    async def join(self, at: HostPort) -> None:
        """Come in and listen. Raises HocketError."""
        identity = new_identity(node_id(Role.LISTENER, random_bytes(NODE_ID_RANDOM_BYTES)))
        link = self._link = await connect(at, self, identity)
        async with asyncio.timeout(5):
            await self._opened
        ticket, proof = self.passport.show(link)
        admitted = await link.request(JoinFriend(ticket, proof), Admitted)
        self.passport.check(link, admitted.ticket, admitted.proof)
        for blob in admitted.lines:
            self._take_line(blob)
        self._schedule.restart(time.monotonic_ns())
        self._start(self._keep_time(link))

    def forget(self) -> None:
        self.leaves = self.late = self.missed = self.answers = 0
        self.least_lead_s = float("inf")

    def story(self) -> Story:
        return Story(
            seat=self.seat,
            depth=1,
            sounding=self._first_ns > 0 and not self._over,
            stalls=self.missed,
            late_leaves=self.late,
            leaves=self.leaves,
            least_lead_s=self.least_lead_s if self.leaves else -1.0,
            least_buffer_s=self.least_lead_s if self.leaves else -1.0,
            first_sound_s=(self._first_ns - self._begun_ns) / NS_PER_S,
            over=self._over,
        )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._link is not None:
            self._link.close()

    # -- peers.Owner

    def secured(self, link: PeerLink) -> None:
        pass

    def opened(self, link: PeerLink) -> None:
        self._opened.set_result(None)

    def took(self, link: PeerLink, message: Message, correlation: int, at_ns: int) -> Message | None:
        match message:
            case LeafNews():
                self._take_leaf(link, message)
            case LineNews():
                self._take_line(message.line)
            case TrackNews():
                self._track, self._check = read_vouched(message.vouched, self.passport.cluster_key)
                self._check.add_page(message.number, message.page)
            case TimePace():
                self._schedule.least_ns = message.question_ms * NS_PER_S // 1000
        return None

    def closed(self, link: PeerLink, error: HocketError) -> None:
        self._over = error.text

    # -- inside

    async def _keep_time(self, link: PeerLink) -> None:
        next_report_s = 0.0
        while not link.is_closed:
            now_ns = time.monotonic_ns()
            if self._schedule.due(now_ns):
                self._question += 1
                link.send_time(AskTime(self._question))
            if time.monotonic() > next_report_s:
                next_report_s = time.monotonic() + REPORT_S
                link.send(Report("", "", "", 0, 0, 0))
            await asyncio.sleep(max(0.0, (self._schedule.next_ns - time.monotonic_ns()) / NS_PER_S))

    def _take_line(self, blob: bytes) -> None:
        line = decode(blob, SignedLine).line
        if self._line is None or line.order > self._line.order:
            self._line = line

    def _take_leaf(self, link: PeerLink, news: LeafNews) -> None:
        check, track, line = self._check, self._track, self._line
        if check is None or track is None or track.format is None or line is None or line.state is not State.PLAYING:
            return
        if not check.has_page_for(news.leaf):
            page = news.leaf // LEAVES_PER_PAGE
            if page not in self._asked:
                self._asked.add(page)
                self._start(self._get_page(link, check, page))
            return
        check.check(news.leaf, news.data)
        frame = max(0, news.leaf * LEAF_BYTES - track.data_offset_bytes) // track.format.bytes_per_frame
        lead_s = (line.when_ns(frame) - time.monotonic_ns()) / NS_PER_S
        if self._next_leaf < 0 and lead_s < 0:
            return  # what was heard before it came
        self.missed += max(0, news.leaf - self._next_leaf) if self._next_leaf >= 0 else 0
        self._next_leaf = max(self._next_leaf, news.leaf + 1)
        self._first_ns = self._first_ns or time.monotonic_ns()
        self.leaves += 1
        self.late += lead_s < 0
        self.least_lead_s = min(self.least_lead_s, lead_s)

    async def _get_page(self, link: PeerLink, check: TrackCheck, page: int) -> None:
        assert self._track is not None
        check.add_page(page, (await link.request(AskPage(self._track.id, page), PageIs)).page)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
