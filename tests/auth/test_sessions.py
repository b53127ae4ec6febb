"""Places of one auth node: never more than there are."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hocket.auth.accounts import Rights
from hocket.auth.sessions import CHECK_S, NodeDrains, NodeFull, Session, SessionGone, Sessions
from hocket.core.ids import SeatId, SessionId, UserName
from hocket.core.settings import SEAT_S, TICKET_S

KEY = bytes(32)


def session(name: str, user: str = "anna") -> Session:
    return Session(SessionId(name), UserName(user), Rights.LISTEN, KEY)


def seat(number: int = 1) -> SeatId:
    return SeatId(f"seat{number}")


def opened(sessions: Sessions, name: str, user: str = "anna", now_s: float = 0.0) -> Session:
    sessions.check(SeatId(f"seat of {name}"), now_s)
    made = session(name, user)
    sessions.open(SeatId(f"seat of {name}"), made, now_s)
    return made


def test_a_seat_becomes_a_session_in_the_same_place() -> None:
    sessions = Sessions(1)
    sessions.reserve(seat(), 0.0)
    assert (sessions.seats, len(sessions), sessions.free) == (1, 0, 0)
    sessions.check(seat(), 1.0)
    sessions.open(seat(), session("s"), 2.0)
    assert (sessions.seats, len(sessions), sessions.free) == (0, 1, 0)
    assert sessions.get(SessionId("s")) == session("s")
    with pytest.raises(NodeFull, match="ask the prime"):
        sessions.reserve(seat(2), 2.0)


def test_a_seat_that_nobody_takes_falls_free() -> None:
    sessions = Sessions(1)
    sessions.reserve(seat(), 0.0)
    assert sessions.expire(SEAT_S - 0.1).seats == ()
    assert sessions.expire(SEAT_S).seats == (seat(),)
    assert sessions.free == 1


def test_a_password_check_outlives_the_seat_but_not_for_ever() -> None:
    sessions = Sessions(1)
    sessions.reserve(seat(), 0.0)
    sessions.check(seat(), SEAT_S - 1)
    assert sessions.expire(SEAT_S + 1).seats == ()
    assert sessions.expire(SEAT_S + CHECK_S).seats == (seat(),)
    with pytest.raises(SessionGone, match="log in again"):
        sessions.open(seat(), session("s"), SEAT_S + CHECK_S)


def test_a_wrong_password_keeps_the_seat_for_its_own_time_only() -> None:
    sessions = Sessions(1)
    sessions.reserve(seat(), 0.0)
    for _ in range(3):
        sessions.check(seat(), 5.0)
        sessions.refuse(seat(), 6.0)
    assert sessions.seats == 1
    assert sessions.expire(SEAT_S).seats == (seat(),)


def test_a_wrong_password_without_a_reserved_seat_holds_nothing() -> None:
    """Or a stranger with wrong passwords would keep places that the prime could give to somebody."""
    sessions = Sessions(1)
    sessions.check(seat(), 0.0)
    sessions.refuse(seat(), 0.0)
    assert sessions.free == 1
    sessions.check(seat(), 1.0)
    assert sessions.seats == 1


def test_whoever_comes_late_or_without_a_seat_takes_what_is_free() -> None:
    sessions = Sessions(1)
    opened(sessions, "a")
    with pytest.raises(NodeFull):
        sessions.check(seat(), 0.0)
    sessions.end(SessionId("a"), 0.0)
    sessions.check(seat(), 0.0)
    assert sessions.seats == 1


def test_two_log_ins_on_one_seat() -> None:
    sessions = Sessions(2)
    sessions.reserve(seat(), 0.0)
    sessions.check(seat(), 0.0)
    with pytest.raises(SessionGone, match="another log-in"):
        sessions.check(seat(), 0.0)
    assert sessions.seats == 1


def test_heartbeats_hold_a_session_and_silence_ends_it() -> None:
    sessions = Sessions(2)
    kept, silent = opened(sessions, "kept"), opened(sessions, "silent")
    assert sessions.heartbeat(kept.id, TICKET_S - 1) == kept
    assert sessions.expire(TICKET_S).sessions == (silent,)
    assert kept.id in sessions
    assert silent.id not in sessions
    with pytest.raises(SessionGone):
        sessions.heartbeat(silent.id, TICKET_S)
    with pytest.raises(SessionGone):
        sessions.get(silent.id)


def test_log_out_frees_at_once_and_only_once() -> None:
    sessions = Sessions(1)
    made = opened(sessions, "a")
    assert sessions.end(made.id, 1.0) == made
    assert sessions.end(made.id, 1.0) is None
    assert sessions.free == 1


def test_a_ban_ends_every_session_of_the_user_and_no_other() -> None:
    sessions = Sessions(4)
    banned = {opened(sessions, "a", "mallory"), opened(sessions, "b", "mallory")}
    kept = opened(sessions, "c", "anna")
    assert set(sessions.end_user(UserName("mallory"), 1.0)) == banned
    assert list(sessions.all()) == [kept]
    assert sessions.free == 3


def test_a_ban_that_is_told_late_spares_who_came_after_it() -> None:
    sessions = Sessions(4)
    for number, since_ns in enumerate((10, 20, 30)):
        sessions.check(seat(number), 0.0)
        made = Session(SessionId(f"s{since_ns}"), UserName("anna"), Rights.LISTEN, KEY, since_ns)
        sessions.open(seat(number), made, 0.0)
    assert [ended.since_ns for ended in sessions.end_user(UserName("anna"), 1.0, until_ns=20)] == [10, 20]
    assert [kept.since_ns for kept in sessions.all()] == [30]


def test_a_session_resumed_where_it_is_open_takes_no_second_place() -> None:
    sessions = Sessions(2)
    opened(sessions, "a")
    opened(sessions, "a", now_s=5.0)
    assert len(sessions) == 1
    assert sessions.free == 1
    assert sessions.expire(5.0 + TICKET_S - 1).sessions == ()


def test_a_full_node_takes_its_own_session_back() -> None:
    sessions = Sessions(2)
    made = opened(sessions, "a")
    opened(sessions, "b")
    assert sessions.rejoin(made.id, seat(), TICKET_S - 1) == made
    assert sessions.free == 0
    assert {gone.id for gone in sessions.expire(TICKET_S).sessions} == {SessionId("b")}


def test_a_seat_reserved_for_a_session_that_is_here_falls_free() -> None:
    sessions = Sessions(2)
    made = opened(sessions, "a")
    sessions.reserve(seat(), 0.0)
    assert sessions.rejoin(made.id, seat(), 1.0) == made
    assert (sessions.seats, sessions.free) == (0, 1)
    sessions.check(seat(), 1.0)
    assert sessions.rejoin(made.id, seat(), 1.0) == made
    assert sessions.seats == 1, "somebody's log-in is under way on it"


def test_a_session_from_elsewhere_or_on_a_draining_node_needs_a_seat() -> None:
    sessions = Sessions(2)
    made = opened(sessions, "a")
    assert sessions.rejoin(SessionId("elsewhere"), seat(), 0.0) is None
    sessions.draining = True
    assert sessions.rejoin(made.id, seat(), 0.0) is None


def test_draining_keeps_whom_it_has_and_whom_it_promised() -> None:
    sessions = Sessions(3)
    kept = opened(sessions, "a")
    sessions.reserve(seat(1), 0.0)
    sessions.draining = True
    assert sessions.free == 0
    for take in (sessions.reserve, sessions.check):
        with pytest.raises(NodeDrains):
            take(seat(2), 0.0)
    sessions.check(seat(1), 0.0)
    sessions.open(seat(1), session("b"), 0.0)
    assert sessions.heartbeat(kept.id, 1.0) == kept


def test_a_login_that_went_away_frees_its_seat() -> None:
    sessions = Sessions(1)
    sessions.check(seat(), 0.0)
    sessions.release(seat(), 0.0)
    sessions.release(seat(), 0.0)
    assert sessions.free == 1


def test_no_places_is_no_auth_node() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Sessions(0)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: never overbooked, nothing lost, places come back."""

    seats = st.integers(0, 7).map(seat)
    names = st.integers(0, 7).map(lambda n: SessionId(f"s{n}"))

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.sessions = Sessions(3)
        self.heard_s: dict[SessionId, float] = {}

    @rule(pause_s=st.floats(0, 40))
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s

    @rule(seat=seats)
    def reserve(self, seat: SeatId) -> None:
        try:
            self.sessions.reserve(seat, self.now_s)
        except NodeFull:
            assert self.sessions.free == 0

    @rule(seat=seats)
    def check(self, seat: SeatId) -> None:
        try:
            self.sessions.check(seat, self.now_s)
        except NodeFull:
            assert self.sessions.free == 0
        except SessionGone:
            assert self.sessions.seats > 0

    @rule(seat=seats)
    def refuse(self, seat: SeatId) -> None:
        self.sessions.refuse(seat, self.now_s)

    @rule(seat=seats)
    def release(self, seat: SeatId) -> None:
        self.sessions.release(seat, self.now_s)

    @rule(seat=seats, name=names, user=st.sampled_from(["anna", "bert"]))
    def open(self, seat: SeatId, name: SessionId, user: str) -> None:
        try:
            self.sessions.open(seat, session(name, user), self.now_s)
        except SessionGone:
            return
        self.heard_s[name] = self.now_s

    @rule(name=names)
    def heartbeat(self, name: SessionId) -> None:
        try:
            self.sessions.heartbeat(name, self.now_s)
        except SessionGone:
            assert name not in self.heard_s
        else:
            self.heard_s[name] = self.now_s

    @rule(name=names, seat=seats)
    def rejoin(self, name: SessionId, seat: SeatId) -> None:
        assert (self.sessions.rejoin(name, seat, self.now_s) is not None) == (name in self.heard_s)
        if name in self.heard_s:
            self.heard_s[name] = self.now_s

    @rule(name=names)
    def end(self, name: SessionId) -> None:
        ended = self.sessions.end(name, self.now_s)
        assert (ended is not None) == (self.heard_s.pop(name, None) is not None)

    @rule(user=st.sampled_from(["anna", "bert"]))
    def end_user(self, user: str) -> None:
        for ended in self.sessions.end_user(UserName(user), self.now_s):
            del self.heard_s[ended.id]

    @rule()
    def expire(self) -> None:
        silent = {name for name, heard_s in self.heard_s.items() if heard_s + TICKET_S <= self.now_s}
        assert {gone.id for gone in self.sessions.expire(self.now_s).sessions} == silent
        for name in silent:
            del self.heard_s[name]

    @precondition(lambda self: self.sessions.seats + len(self.sessions) > 0)
    @rule()
    def all_go(self) -> None:
        self.now_s += CHECK_S + TICKET_S + SEAT_S
        self.sessions.expire(self.now_s)
        self.heard_s.clear()
        assert self.sessions.free == self.sessions.max_users

    @invariant()
    def never_overbooked(self) -> None:
        assert self.sessions.seats + len(self.sessions) <= self.sessions.max_users
        assert self.sessions.free == self.sessions.max_users - self.sessions.seats - len(self.sessions)
        assert {open_session.id for open_session in self.sessions.all()} == set(self.heard_s)


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
