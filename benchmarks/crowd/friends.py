"""A process of friends: `python -m benchmarks.crowd.friends`, with a Crowd as JSON on the first line of stdin.

Then commands, one a line: `join N` (as many more), `report`, `forget` (count from here on); each is answered
with one line of JSON. Needs no sound libraries; ends with stdin.
"""

import asyncio
import contextvars
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import msgspec

from benchmarks.crowd import listening, places
from benchmarks.crowd.lean import Lean
from benchmarks.crowd.story import Crowd, Seat, Story
from hocket.adapters.clocks import SystemClock
from hocket.adapters.peers import PeerLink
from hocket.adapters.trust import KnownClusters, meet
from hocket.client.cluster import Cluster
from hocket.client.together import follower as following
from hocket.client.together.follower import Follower
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.errors import HocketError
from hocket.core.ids import NODE_ID_RANDOM_BYTES, Role, TrackId, node_id
from hocket.relay.chunks import LEAF_BYTES
from hocket.relay.invites import JoinAddress
from hocket.wire.messages.together import TimeIs

log = logging.getLogger(__name__)

MOST_LEADS = 100_000
SAMPLE_S = 0.5
JOIN_TRIES = 20
RETRY_S = 0.5


class Friend(Follower):
    """A follower that notes when each leaf came."""

    def __init__(self, cluster: Cluster, seat: int) -> None:
        super().__init__(cluster, listening.nothing, None, self._gone, listening.nothing)  # type: ignore[arg-type]
        self.seat = seat
        self.over = ""
        self.leads_s: list[float] = []
        self.clock_us: list[float] = []
        self.node_leaves = 0
        self.timed_ns = 0
        self.begun_ns = time.monotonic_ns()
        self._read_node = self.store.nodes.read
        self.store.nodes.read = self._counted  # type: ignore[method-assign]
        self._sampler = asyncio.create_task(self._sample())

    @property
    def ear(self) -> listening.Ear:
        return cast(listening.Ear, self.timed)

    def on_leaf(self, track: TrackId, leaf: int, data: bytes) -> None:
        super().on_leaf(track, leaf, data)
        book = self.store.library.get(track)
        if book is None or not self.ear.is_sounding or len(self.leads_s) >= MOST_LEADS:
            return
        lead_s = listening.lead_s(self.timeline, self.clock, book.track, leaf * LEAF_BYTES)
        if lead_s is not None and self.ear.needed(leaf, book.track):
            self.leads_s.append(lead_s)

    async def _counted(self, track: TrackId, offset_bytes: int, length_bytes: int) -> bytes:
        self.node_leaves += 1
        return await self._read_node(track, offset_bytes, length_bytes)

    def take_time(self, link: PeerLink, answer: TimeIs, at_ns: int) -> None:
        self.timed_ns = time.monotonic_ns()
        super().take_time(link, answer, at_ns)

    def forget(self) -> None:
        self.node_leaves = 0
        self.leads_s.clear()
        self.clock_us.clear()
        self.ear.forget()

    def claimed(self) -> None:
        quiet_s = (time.monotonic_ns() - self.timed_ns) / 1e9
        log.warning(
            "seat %d claims to host; %.1f s since its host told the time, path %d", self.seat, quiet_s, len(self.path)
        )
        super().claimed()

    def story(self) -> Story:
        leads = self.leads_s
        ear = self.ear
        first_s = (ear.first_ns - self.begun_ns) / 1e9 if ear.first_ns else -1.0
        return Story(
            seat=self.seat,
            depth=len(self.path) - 1,
            sounding=ear.is_sounding,
            stalls=ear.stalls,
            late_leaves=sum(lead < 0 for lead in leads),
            leaves=len(leads),
            least_lead_s=min(leads, default=-1.0),
            least_buffer_s=ear.least_buffer_s if ear.least_buffer_s < 1e9 else -1.0,
            first_sound_s=first_s,
            node_leaves=self.node_leaves,
            parent=str(self._music.peer_address) if self._music is not None else "",
            clock_us=self.clock_us,
            over=self.over,
        )

    async def close(self) -> None:
        self._sampler.cancel()
        await asyncio.gather(self._sampler, return_exceptions=True)
        await super().close()

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            line, now_ns = self.clock.line, time.monotonic_ns()
            if line is not None:
                self.clock_us.append((line.group(now_ns) - now_ns) / 1000)

    def _gone(self, error: HocketError | None) -> None:
        self.over = error.text if error is not None else "over"


async def logged_in(crowd: Crowd, known: KnownClusters) -> Cluster:
    """One more session. Raises HocketError."""
    at = ClusterAddress.parse(crowd.prime).at
    met = await meet(at, node_id(Role.LISTENER, os.urandom(NODE_ID_RANDOM_BYTES)))
    cluster = Cluster(
        ClusterAddress(at, met.fingerprint),
        known,
        SystemClock(),
        tell=listening.nothing,
        on_over=listening.nothing,
        on_lines_changed=lambda: None,
    )
    await cluster.prime.open()
    await cluster.session.log_in(crowd.user, crowd.password)
    return cluster


class Process:
    """All friends here."""

    def __init__(self, crowd: Crowd, folder: Path) -> None:
        self._crowd = crowd
        self._known = KnownClusters(folder)
        self._friends: list[Friend | Lean] = []

    async def join(self, count: int) -> dict[str, Any]:
        """So many more, one after the other."""
        for _ in range(count):
            number = len(self._friends)
            seat = self._crowd.seats[number]
            namespace = os.open(seat.namespace, os.O_RDONLY) if seat.namespace else None
            context = contextvars.copy_context()
            context.run(places.here.set, places.Place(namespace, seat.source))
            self._friends.append(await asyncio.create_task(self._one(number, seat), context=context))
        return {"friends": len(self._friends)}

    async def _one(self, number: int, seat: Seat) -> Friend | Lean:
        cluster = await logged_in(self._crowd, self._known)
        for last in range(JOIN_TRIES):
            friend = Lean(cluster, number) if seat.lean else Friend(cluster, number)
            try:
                await self._come_in(friend, seat)
            except (HocketError, TimeoutError):
                await friend.close()
                if last == JOIN_TRIES - 1:
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                break
        return friend

    async def _come_in(self, friend: Friend | Lean, seat: Seat) -> None:
        at = HostPort.parse(self._crowd.host)
        if isinstance(friend, Lean):
            await friend.join(at)
        else:
            friend.upload_bps = seat.upload_bps
            await friend.join(JoinAddress(at), HostPort.parse(seat.serve) if seat.serve else None)

    def forget(self) -> dict[str, Any]:
        for friend in self._friends:
            friend.forget()
        return {}

    def report(self) -> list[Story]:
        return [friend.story() for friend in self._friends]

    async def close(self) -> None:
        await asyncio.gather(*(friend.close() for friend in self._friends), return_exceptions=True)
        await asyncio.gather(*(friend.cluster.close() for friend in self._friends), return_exceptions=True)

    async def run(self) -> None:
        """Until the end of stdin."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 24)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            match line.decode().split():
                case ["join", count]:
                    answer: Any = await self.join(int(count))
                case ["report"]:
                    answer = self.report()
                case ["forget"]:
                    answer = self.forget()
                case _:
                    answer = {"error": "no such command"}
            sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
            sys.stdout.flush()
        await self.close()


def _first_line() -> bytes:
    """Without reading ahead: what follows is for the event loop."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 1) or b"\n"
    return line


def main() -> None:
    following.TimedPlayer = listening.Ear  # type: ignore[assignment, attr-defined]
    places.install()
    crowd = msgspec.json.decode(_first_line(), type=Crowd)
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder:

        async def run() -> None:
            await Process(crowd, Path(folder)).run()

        asyncio.run(run())


if __name__ == "__main__":
    main()
