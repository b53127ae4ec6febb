"""The places of one auth node: seats kept for log-ins, and open sessions. Together never over max_users.

The auth node is the truth about its own count. The prime reserves a seat before it sends a listener
here, so that many simultaneous log-ins share the room that there is.
"""

from collections.abc import Collection

import msgspec

from hocket.auth.accounts import Rights
from hocket.auth.places import Deadline, Event, Place, State
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import SeatId, SessionId, UserName
from hocket.core.settings import SEAT_S, TICKET_S

CHECK_S = 60.0
"""A password check that takes longer than this was lost; a queue of a thousand log-ins takes less."""


class NodeFull(HocketError):
    """No place left on this auth node."""

    code = ErrorCode.NODE_FULL


class NodeDrains(HocketError):
    """This auth node takes nobody new."""

    code = ErrorCode.DRAINING


class SessionGone(HocketError):
    """No such seat or session here (any more)."""

    code = ErrorCode.SESSION_ENDED


class Session(msgspec.Struct, frozen=True):
    """One login of one user. `session_key` is the public key that its tickets carry, `generation` the account's."""

    id: SessionId
    user: UserName
    rights: Rights
    session_key: bytes
    since_ns: int = 0  # cluster time at which it came to this node
    generation: int = 0


class Expired(msgspec.Struct, frozen=True):
    """What nobody claimed or prolonged in time."""

    seats: tuple[SeatId, ...] = ()
    sessions: tuple[Session, ...] = ()


class Sessions:
    """All places of one auth node. `now_s` is monotonic seconds; nothing expires but in `expire`."""

    def __init__(self, max_users: int, *, check_s: float = CHECK_S, silence_s: float = TICKET_S) -> None:
        """`silence_s`: a session without a heartbeat ends after this; by then its last ticket has run out."""
        if max_users < 1:
            raise ValueError(f"an auth node needs at least one place, not {max_users}")
        self.max_users = max_users
        self.draining = False
        self._check_s = check_s
        self._silence_s = silence_s
        self._seats: dict[SeatId, Place] = {}
        self._open: dict[SessionId, tuple[Session, Place]] = {}

    @property
    def seats(self) -> int:
        """Places that are reserved or whose log-in is being checked."""
        return len(self._seats)

    @property
    def free(self) -> int:
        """Places left; 0 while draining."""
        return 0 if self.draining else self.max_users - len(self._seats) - len(self._open)

    def __len__(self) -> int:
        """Open sessions."""
        return len(self._open)

    def __contains__(self, session: SessionId) -> bool:
        return session in self._open

    def get(self, session: SessionId) -> Session:
        """Raises SessionGone."""
        return self._find(session)[0]

    def all(self) -> Collection[Session]:
        """Every open session."""
        return [session for session, _ in self._open.values()]

    def reserve(self, seat: SeatId, now_s: float, seat_s: float = SEAT_S) -> None:
        """Keep a place for one log-in. Asking again for the same seat changes nothing. Raises NodeFull, NodeDrains."""
        if seat in self._seats:
            return
        if self.draining:
            raise NodeDrains("this authentication node is being drained", hint="ask the prime for another one")
        if self.free < 1:
            raise NodeFull(
                f"all {self.max_users} places of this authentication node are taken",
                hint="ask the prime for another one",
            )
        self._seats[seat] = Place(now_s + seat_s)

    def check(self, seat: SeatId, now_s: float) -> None:
        """A log-in on this seat begins: it does not expire while the password is checked.

        A seat that has expired, or was never reserved, is taken now if there is room: whoever was slow or
        came without the prime's word finds a place where one is left. Raises NodeFull, NodeDrains, and
        SessionGone while another log-in is being checked on the same seat.
        """
        self.reserve(seat, now_s, 0.0)
        place = self._seats[seat]
        if place.state is State.CHECKING:
            raise SessionGone("another log-in uses this seat", hint="ask the prime for a seat of your own")
        self._feed(place, Event.LOGIN, now_s)

    def refuse(self, seat: SeatId, now_s: float) -> None:
        """The password was wrong: the seat is kept as long as it was reserved for, for another try."""
        place = self._seats.get(seat)
        if place is None or place.state is not State.CHECKING:
            return
        if place.seat_until_s <= now_s:
            self.release(seat, now_s)
        else:
            self._feed(place, Event.REFUSED, now_s)

    def rejoin(self, session: SessionId, seat: SeatId, now_s: float) -> Session | None:
        """A session is resumed: where it is open here it keeps its own place, and the seat falls free.

        None where it needs the seat: it is not open here, or this node drains and it had better go elsewhere.
        """
        found, place = self._open.get(session, (None, None))
        if found is None or place is None or self.draining:
            return None
        kept = self._seats.get(seat)
        if kept is not None and kept.state is State.RESERVED:
            self.release(seat, now_s)
        self._feed(place, Event.HEARTBEAT, now_s)
        return found

    def open(self, seat: SeatId, session: Session, now_s: float) -> None:
        """The seat under check becomes the session's place. Raises SessionGone when it is no longer kept.

        A session that is open here already (resumed on the node that it never left) goes on in the new
        place; its old one falls free.
        """
        place = self._seats.get(seat)
        if place is None or place.state is not State.CHECKING:
            raise SessionGone("the seat for this log-in is gone", hint="log in again")
        del self._seats[seat]
        self.end(session.id, now_s)
        self._feed(place, Event.ACCEPTED, now_s)
        self._open[session.id] = (session, place)

    def release(self, seat: SeatId, now_s: float) -> None:
        """The log-in went away: its place is free at once."""
        if (place := self._seats.pop(seat, None)) is not None:
            self._feed(place, Event.END, now_s)

    def heartbeat(self, session: SessionId, now_s: float) -> Session:
        """The listener is there: it gets a fresh ticket. Raises SessionGone."""
        found, place = self._find(session)
        self._feed(place, Event.HEARTBEAT, now_s)
        return found

    def expire(self, now_s: float) -> Expired:
        """Free every place whose time is over, and tell which."""
        seats = tuple(seat for seat, place in self._seats.items() if place.deadline_s <= now_s)
        sessions = tuple(session for session, place in self._open.values() if place.deadline_s <= now_s)
        for seat in seats:
            self._feed(self._seats.pop(seat), Event.TIMEOUT, now_s)
        for session in sessions:
            self._feed(self._open.pop(session.id)[1], Event.TIMEOUT, now_s)
        return Expired(seats, sessions)

    def end(self, session: SessionId, now_s: float) -> Session | None:
        """Log-out. None if it was not open here."""
        found, place = self._open.pop(session, (None, None))
        if place is not None:
            self._feed(place, Event.END, now_s)
        return found

    def end_user(self, user: UserName, now_s: float, until_ns: int | None = None) -> tuple[Session, ...]:
        """A ban, a new password, a removed account: every session of this user ends, or those until some time."""
        ended = tuple(
            session
            for session, _ in self._open.values()
            if session.user == user and (until_ns is None or session.since_ns <= until_ns)
        )
        for session in ended:
            self.end(session.id, now_s)
        return ended

    def _find(self, session: SessionId) -> tuple[Session, Place]:
        try:
            return self._open[session]
        except KeyError:
            raise SessionGone("this session is over", hint="log in again") from None

    def _feed(self, place: Place, event: Event, now_s: float) -> None:
        match place.feed(event):
            case Deadline.SEAT:
                place.deadline_s = place.seat_until_s
            case Deadline.CHECK:
                place.deadline_s = now_s + self._check_s
            case Deadline.SILENCE:
                place.deadline_s = now_s + self._silence_s
            case Deadline.NONE:
                place.deadline_s = float("inf")
