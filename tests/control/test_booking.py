"""Demands that come together: shared spawns, no overbooking."""

from collections import Counter

import pytest

from hocket.control.booking import STREAM_SHOWS_S, Booking, Bookings, Order
from hocket.control.scheduler import Full, NoHolder
from hocket.control.view import Limits
from hocket.core.ids import NodeId, Role, is_spawned
from tests.control.kit import PRIME, TIMING, intro, join, registry


def make(max_load: int, max_users: int = 2, max_streams: int = 3) -> Bookings:
    limits = Limits(max_users=max_users, max_streams=max_streams, idle_s=10.0)
    return Bookings(registry(max_load), limits, TIMING.ready_s)


def randomness(number: int) -> bytes:
    return number.to_bytes(6, "big")


def test_a_hundred_logins_at_once_share_fifty_nodes() -> None:
    desk = make(max_load=60, max_users=2)
    bookings = [desk.login(randomness(number), 0.0) for number in range(100)]
    taken: list[Booking] = []
    for booking in bookings:
        assert isinstance(booking, Booking)
        taken.append(booking)
    orders = [booking.order for booking in taken if booking.order]
    assert len(orders) == 50
    assert set(Counter(booking.node_id for booking in taken).values()) == {2}
    assert desk.warm(randomness(200), 0.0) is not None
    for order in orders:
        join(desk.registry, order.node_id, Role.AUTH, PRIME, capacity=2, now_s=1.0)
    loads: Counter[NodeId] = Counter()
    for booking in taken:
        loads[booking.node_id] += 1
        desk.seated(booking, loads[booking.node_id], 1.5)
    nodes = [node for node in desk.registry.view(2.0).nodes if node.role is Role.AUTH]
    assert [(node.load, node.held) for node in nodes] == [(2, 0)] * 50


@pytest.mark.parametrize("max_load", [1, 2, 3, 6])
def test_more_logins_than_fit_leave_room_to_play(max_load: int) -> None:
    desk = make(max_load, max_users=2)
    answers = [desk.login(randomness(number), 0.0) for number in range(40)]
    assert sum(isinstance(answer, Booking) for answer in answers) == 2 * (max_load - 1)
    assert sum(isinstance(answer, Full) for answer in answers) == 40 - 2 * (max_load - 1)
    assert (desk.warm(randomness(50), 0.0) is not None) == (max_load > 1)


def test_a_cancelled_demand_gives_its_place_back() -> None:
    desk = make(2)
    first, second = desk.login(randomness(1), 0.0), desk.login(randomness(2), 0.0)
    assert isinstance(first, Booking)
    assert isinstance(second, Booking)
    assert isinstance(desk.login(randomness(3), 0.0), Full)
    desk.cancel(first, 0.1)
    third = desk.login(randomness(3), 0.1)
    assert isinstance(third, Booking)
    assert (third.node_id, third.order, third.ready) == (first.node_id, None, False)


def test_a_demand_for_a_node_that_never_came_asks_again() -> None:
    desk = make(2)
    first = desk.login(randomness(1), 0.0)
    assert isinstance(first, Booking)
    desk.registry.leave(first.node_id, "its process ended", 1.0)
    desk.cancel(first, 1.0)
    again = desk.login(randomness(2), 1.0)
    assert isinstance(again, Booking)
    assert again.order is not None
    assert again.node_id != first.node_id


def test_plays_count_until_the_node_reports_them() -> None:
    desk = make(2, max_streams=3)
    number = desk.registry.register(intro("file-1", Role.FILE, PRIME, capacity=3), 0.0)
    for _ in range(3):
        booking = desk.play(None, randomness(9), 0.0)
        assert isinstance(booking, Booking)
        assert booking.ready
        desk.sent(booking, 0.0)
    assert isinstance(desk.play(None, randomness(9), 0.0), Full)
    desk.registry.heartbeat(NodeId("file-1"), number, 2, 1.0)  # one of the three never came
    desk.registry.tick(STREAM_SHOWS_S)
    assert isinstance(desk.play(None, randomness(9), STREAM_SHOWS_S), Booking)
    assert isinstance(desk.play(None, randomness(9), STREAM_SHOWS_S), Full)


def test_a_track_without_holders_is_told_apart_from_a_full_cluster() -> None:
    desk = make(2)
    assert desk.play([NodeId("plane-7")], randomness(1), 0.0) == NoHolder()


def test_a_retired_node_is_told_once_and_gets_nobody() -> None:
    desk = make(3)
    desk.registry.register(intro("auth-1", Role.AUTH, PRIME), 0.0)
    [retire] = desk.tidy(10.0)
    assert retire.node_id == "auth-1"
    assert desk.tidy(11.0) == ()
    booking = desk.login(randomness(1), 11.0)
    assert isinstance(booking, Booking)
    assert booking.order is not None


def test_what_is_ordered_gets_an_id_by_which_nobody_joins() -> None:
    desk = make(max_load=6)
    warm = desk.warm(randomness(0), 0.0)
    more = desk.one_more(Role.FILE, randomness(1), 0.0)
    login = desk.login(randomness(2), 0.0)
    assert isinstance(login, Booking)
    orders = [warm, more, login.order]
    assert all(isinstance(order, Order) and is_spawned(order.node_id) for order in orders)
