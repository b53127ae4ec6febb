"""Decide and book in one step, so that no two demands are given the same place.

The life of a login: `login` books a place; its order, if there is one, goes to the control node; once
the node is up a seat is reserved there by a message; `seated` turns the promise into the node's own
count. A play needs no message to the streaming node: `sent` lets the promise last just until the
node's next heartbeats tell of the stream.
"""

from collections.abc import Collection

import msgspec

from hocket.control.actions import HoldId
from hocket.control.registry import Registry
from hocket.control.scheduler import (
    Answer,
    Full,
    NoHolder,
    Retire,
    Spawn,
    Wait,
    one_more,
    place_login,
    place_play,
    tidy,
    warm_play,
)
from hocket.control.view import Limits
from hocket.core.ids import NodeId, Role, node_id

SEAT_ASK_S = 10.0
"""An auth node that has not answered a reservation by then is a matter for its lease."""

STREAM_SHOWS_S = 3.0
"""A listener that was sent to a streaming node is part of its reported load by then, or never came."""


class Order(msgspec.Struct, frozen=True):
    """For a control node: spawn this."""

    node_id: NodeId
    role: Role
    control_id: NodeId
    capacity: int


class Booking(msgspec.Struct, frozen=True):
    """A promised place. Not `ready`: wait for the node first. `order` is for whoever asked first."""

    node_id: NodeId
    hold: HoldId
    ready: bool
    order: Order | None = None


class Bookings:
    """The scheduler's answers, booked in the registry."""

    def __init__(self, registry: Registry, limits: Limits, ready_s: float) -> None:
        self.registry = registry
        self.limits = limits
        self._ready_s = ready_s

    def login(self, randomness: bytes, now_s: float, avoid: Collection[NodeId] = ()) -> Booking | Full:
        """A place on an authentication node; `randomness` names the node if a new one is needed."""
        return self._book(place_login(self.registry.view(now_s), self.limits, avoid), randomness, now_s)

    def play(
        self, holders: Collection[NodeId] | None, randomness: bytes, now_s: float, avoid: Collection[NodeId] = ()
    ) -> Booking | Full | NoHolder:
        """A place on a streaming node of one of the control nodes `holders` (None: of any)."""
        answer = place_play(self.registry.view(now_s), self.limits, holders, avoid)
        return answer if isinstance(answer, NoHolder) else self._book(answer, randomness, now_s)

    def warm(self, randomness: bytes, now_s: float) -> Order | None:
        """Somebody logs in: the streaming node to order for the play that follows, if none has room."""
        spawn = warm_play(self.registry.view(now_s), self.limits)
        return self._order(spawn, randomness, now_s) if spawn else None

    def one_more(self, role: Role, randomness: bytes, now_s: float) -> Order | Full:
        """The operator wants another node of a role."""
        answer = one_more(self.registry.view(now_s), self.limits, role)
        return answer if isinstance(answer, Full) else self._order(answer, randomness, now_s)

    def seated(self, booking: Booking, load: int, now_s: float) -> None:
        """The auth node keeps the seat and told its load."""
        self.registry.release(booking.hold, now_s, load=load)

    def sent(self, booking: Booking, now_s: float) -> None:
        """The listener was told to stream from there."""
        self.registry.extend_hold(booking.hold, now_s + STREAM_SHOWS_S)

    def cancel(self, booking: Booking, now_s: float) -> None:
        """The demand is gone, or the node failed it."""
        self.registry.release(booking.hold, now_s)

    def tidy(self, now_s: float) -> tuple[Retire, ...]:
        """Nodes to tell that they end; from now on nobody is sent there."""
        retired = tidy(self.registry.view(now_s), self.limits)
        for retire in retired:
            self.registry.retire(retire.node_id, now_s)
        return retired

    def _book(self, answer: Answer, randomness: bytes, now_s: float) -> Booking | Full:
        if isinstance(answer, Full):
            return answer
        if isinstance(answer, Spawn):
            order = self._order(answer, randomness, now_s)
            return Booking(order.node_id, self._hold_starting(order.node_id, now_s), ready=False, order=order)
        if isinstance(answer, Wait):
            return Booking(answer.node_id, self._hold_starting(answer.node_id, now_s), ready=False)
        hold = self.registry.hold(answer.node_id, now_s + SEAT_ASK_S, now_s)
        return Booking(answer.node_id, hold, ready=True)

    def _hold_starting(self, chosen: NodeId, now_s: float) -> HoldId:
        return self.registry.hold(chosen, now_s + self._ready_s + SEAT_ASK_S, now_s)

    def _order(self, spawn: Spawn, randomness: bytes, now_s: float) -> Order:
        fresh = node_id(spawn.role, randomness, spawned=True)
        self.registry.expect(fresh, spawn.role, spawn.control_id, spawn.capacity, now_s)
        return Order(fresh, spawn.role, spawn.control_id, spawn.capacity)
