"""Where a listener logs in and streams: books a place, orders what has to be spawned, waits for it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.control.booking import Booking, Bookings, Order
from hocket.control.scheduler import WORKERS, Full, NoHolder
from hocket.control.view import NodeRecord, NodeState
from hocket.core import settings
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, HocketError, NotReachable, TrackMissing
from hocket.core.ids import NODE_ID_RANDOM_BYTES, NodeId, SeatId, TrackId
from hocket.nodes.prime.config import PrimeConfig
from hocket.nodes.prime.members import Members
from hocket.wire.messages.login import FindLogin, FindStream, LoginAt, StreamAt
from hocket.wire.messages.nodes import SeatReserve, SeatReserved
from hocket.wire.messages.operator import Spawned, SpawnNode

log = logging.getLogger(__name__)

PLACE_TIMEOUT_S = 25.0
"""A listener waits this long for a node to start: longer than a slow machine takes, shorter than patience."""

PATIENCE_S = 2.0
"""Nodes that keep crashing are tried again later and later; a listener is told so rather than kept waiting."""

SEAT_TIMEOUT_S = 3.0
SEAT_BYTES = 16
RETRY_S = 0.2
AWAY_RETRY_S = 1.0

_TRY_ANOTHER = frozenset({ErrorCode.NODE_FULL, ErrorCode.DRAINING})


class Holders(Protocol):
    """Who knows where tracks are: the librarian."""

    def holders(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and can be reached."""
        ...

    def out_of_reach(self, track: TrackId) -> frozenset[NodeId]:
        """Machines that hold a track and may be back at any moment."""
        ...

    def late(self) -> frozenset[NodeId]:
        """Machines that the prime knows from before its start and that have not told yet what they hold."""
        ...


class Caller(msgspec.Struct, frozen=True):
    """A listener: the host by which it reached the prime, and whether it runs on the prime's machine."""

    reached_at: str
    is_at_home: bool


class Placing:
    """Answers FindLogin and FindStream. `order` has a node spawned and returns at once."""

    def __init__(
        self,
        config: PrimeConfig,
        members: Members,
        bookings: Bookings,
        order: Callable[[Order], None],
        holders: Holders,
    ) -> None:
        self._config = config
        self._members = members
        self._bookings = bookings
        self._order = order
        self._holders = holders

    async def find_login(self, asked: FindLogin, who: Caller) -> LoginAt:
        """A seat on an authentication node.

        Raises HocketError (CLUSTER_FULL, TIMED_OUT).
        """
        self._warm_up()
        avoid = set(asked.avoid)
        deadline_s = self._members.now_s() + PLACE_TIMEOUT_S
        while True:
            booking = self._bookings.login(random_bytes(NODE_ID_RANDOM_BYTES), self._members.now_s(), avoid)
            node = await self._ready(booking, deadline_s)
            if node is None or isinstance(booking, Full):
                continue
            try:
                return await self._seat(node, booking, who)
            except HocketError as error:
                if error.code not in _TRY_ANOTHER and not isinstance(error, NotReachable):
                    raise
                avoid.add(node.node_id)

    async def find_stream(self, asked: FindStream, who: Caller) -> StreamAt:
        """A streaming node on a machine that holds the track.

        Raises HocketError (CLUSTER_FULL, TRACK_MISSING, TIMED_OUT; NOT_REACHABLE: its machines may be back soon).
        """
        deadline_s = self._members.now_s() + PLACE_TIMEOUT_S
        while True:
            holders = self._holders.holders(asked.track) if asked.track else None
            randomness = random_bytes(NODE_ID_RANDOM_BYTES)
            booking = self._bookings.play(holders, randomness, self._members.now_s(), asked.avoid)
            if isinstance(booking, NoHolder):
                raise self._no_holder(asked.track)
            node = await self._ready(booking, deadline_s)
            if node is not None and isinstance(booking, Booking):
                self._bookings.sent(booking, self._members.now_s())
                return StreamAt(node.node_id, self._told(node, who), self._config.policy.audio_plain)

    def spawn(self, asked: SpawnNode) -> Spawned:
        """One more node because the operator wants it. Raises HocketError (CLUSTER_FULL, NOT_ALLOWED)."""
        if asked.role not in WORKERS:
            raise HocketError(f"a {asked.role.value} is not spawned", code=ErrorCode.NOT_ALLOWED)
        order = self._bookings.one_more(asked.role, random_bytes(NODE_ID_RANDOM_BYTES), self._members.now_s())
        if isinstance(order, Full):
            raise order.error()
        self._order(order)
        return Spawned(order.node_id)

    def _no_holder(self, track: TrackId) -> HocketError:
        """Gone for good, or on machines that may be back in a moment: then it is worth waiting."""
        away = self._holders.out_of_reach(track) | self._holders.holders(track)
        if away:
            text = f"{track} is only on {', '.join(sorted(away))}, which is away or being drained"
            return NotReachable(text, hint="try again in a moment", retry_s=AWAY_RETRY_S)
        if late := self._holders.late():
            text = f"{track} is not known yet: {', '.join(sorted(late))} may hold it"
            return NotReachable(text, hint="try again in a moment", retry_s=AWAY_RETRY_S)
        return TrackMissing(f"no machine of the cluster holds {track}", hint="list the tracks again")

    def _warm_up(self) -> None:
        """Whoever logs in is about to play."""
        order = self._bookings.warm(random_bytes(NODE_ID_RANDOM_BYTES), self._members.now_s())
        if order is not None:
            self._order(order)

    async def _seat(self, node: NodeRecord, booking: Booking, who: Caller) -> LoginAt:
        seat = SeatId(random_bytes(SEAT_BYTES).hex())
        try:
            link = self._members.link(node.node_id)
            reserved = await link.request(SeatReserve(seat, settings.SEAT_S), SeatReserved, SEAT_TIMEOUT_S)
        except BaseException:
            self._bookings.cancel(booking, self._members.now_s())
            raise
        self._bookings.seated(booking, node.capacity - reserved.free, self._members.now_s())
        return LoginAt(node.node_id, self._told(node, who), seat, settings.SEAT_S)

    async def _ready(self, booking: Booking | Full, deadline_s: float) -> NodeRecord | None:
        """The booked node once it is up; None where the scheduler must be asked again."""
        left_s = deadline_s - self._members.now_s()
        if left_s <= 0:
            if isinstance(booking, Booking):
                self._bookings.cancel(booking, self._members.now_s())
            raise HocketError(
                "the cluster found no room in time",
                code=ErrorCode.TIMED_OUT,
                hint="try again; `controlNODE.py status` shows what its nodes are doing",
            )
        if isinstance(booking, Full):
            if not 0 < booking.retry_s < min(left_s, PATIENCE_S):
                raise booking.error()
            await self._members.wait_change(booking.retry_s)
            return None
        return await self._up(booking, left_s)

    async def _up(self, booking: Booking, timeout_s: float) -> NodeRecord | None:
        try:
            if booking.order is not None:
                self._order(booking.order)
            up = booking.ready or await self._members.wait_ready(booking.node_id, timeout_s)
        except BaseException:
            self._bookings.cancel(booking, self._members.now_s())
            raise
        record = self._members.record(booking.node_id)
        if up and record is not None and record.state is NodeState.READY:
            return record
        self._bookings.cancel(booking, self._members.now_s())
        await asyncio.sleep(RETRY_S)  # what failed just now fails again just now
        return None

    def _told(self, node: NodeRecord, who: Caller) -> HostPort:
        """Where a listener connects to for a node.

        One that listens on every interface is told under the host that led the listener to the prime.
        """
        address = node.address if who.is_at_home else self._config.told(node.address)
        return HostPort(who.reached_at, address.port) if address.is_wildcard else address
