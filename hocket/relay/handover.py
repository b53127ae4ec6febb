"""Who takes over when the host leaves or falls silent, and who gives way when two have.

The successors on the host's roster wait their turn: the first claims at once, each further one
STAGGER_NS later if it has heard of no claim. Higher epoch wins, in the same epoch the lower id; so
after any split and healing one host remains, whatever order the news travels in.
"""

from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from hocket.core.clock import NS_PER_S
from hocket.core.machine import Machine
from hocket.relay.keys import GroupId, Sign, canonical, is_signed_by
from hocket.relay.lineage import (
    MAX_SUCCESSORS,
    Reign,
    Roster,
    SignedRoster,
    accept,
    is_roster_of,
    sign_roster,
    succeed,
)

SILENCE_NS = NS_PER_S
"""A host that was not heard for this long is taken for dead; buffers last for five times as long."""

THIN_SILENCE_NS = 3 * NS_PER_S
"""Over a line that is shared out: a sign of life may stand behind pieces of music, each a second over 150 kbit/s."""

STAGGER_NS = NS_PER_S // 2
"""Head start of each successor over the next: a claim crosses the world in half of it."""

HOPELESS_NS = 10 * NS_PER_S
"""Who stands on no roster gives up after this: every successor has had its turn."""

ANNOUNCE_NS = NS_PER_S
MAX_ANNOUNCE_NS = 8 * NS_PER_S
"""A host tries those that it lost this long after its claim, then ever more rarely: so a healed split finds out."""


class State(Enum):
    FOLLOWING = auto()
    WAITING = auto()  # the host is silent or gone: whoever is first claims
    HOSTING = auto()
    LOST = auto()  # nobody took over; a claim may still come
    LEFT = auto()


class Event(Enum):
    HEARD = auto()
    SILENT = auto()
    HANDED = auto()  # the host has said that it leaves
    TURN = auto()
    BETTER = auto()  # somebody's claim beats the one I know
    WORSE = auto()
    HOPELESS = auto()
    LEAVE = auto()


class Command(Enum):
    NOTHING = auto()
    WATCH = auto()
    CLAIM = auto()
    FOLLOW = auto()
    TELL = auto()
    GIVE_UP = auto()
    HAND_OVER = auto()


_NEXT = {
    (State.FOLLOWING, Event.HEARD): (State.FOLLOWING, Command.NOTHING),
    (State.FOLLOWING, Event.SILENT): (State.WAITING, Command.WATCH),
    (State.FOLLOWING, Event.HANDED): (State.WAITING, Command.WATCH),
    (State.FOLLOWING, Event.BETTER): (State.FOLLOWING, Command.FOLLOW),
    (State.FOLLOWING, Event.WORSE): (State.FOLLOWING, Command.TELL),
    (State.FOLLOWING, Event.LEAVE): (State.LEFT, Command.NOTHING),
    (State.WAITING, Event.HEARD): (State.FOLLOWING, Command.NOTHING),
    (State.WAITING, Event.HANDED): (State.WAITING, Command.WATCH),
    (State.WAITING, Event.TURN): (State.HOSTING, Command.CLAIM),
    (State.WAITING, Event.BETTER): (State.FOLLOWING, Command.FOLLOW),
    (State.WAITING, Event.WORSE): (State.WAITING, Command.TELL),
    (State.WAITING, Event.HOPELESS): (State.LOST, Command.GIVE_UP),
    (State.WAITING, Event.LEAVE): (State.LEFT, Command.NOTHING),
    (State.HOSTING, Event.BETTER): (State.FOLLOWING, Command.FOLLOW),
    (State.HOSTING, Event.WORSE): (State.HOSTING, Command.TELL),
    (State.HOSTING, Event.LEAVE): (State.LEFT, Command.HAND_OVER),
    (State.LOST, Event.HEARD): (State.FOLLOWING, Command.NOTHING),
    (State.LOST, Event.HANDED): (State.LOST, Command.NOTHING),
    (State.LOST, Event.BETTER): (State.FOLLOWING, Command.FOLLOW),
    (State.LOST, Event.WORSE): (State.LOST, Command.TELL),
    (State.LOST, Event.LEAVE): (State.LEFT, Command.NOTHING),
    # No way out of LEFT: who comes back joins anew.
}


class Handover(msgspec.Struct, frozen=True, array_like=True):
    """The host of an epoch leaves; `to` claims at once, the roster stands behind it."""

    group: GroupId
    epoch: int
    to: bytes


class SignedHandover(msgspec.Struct, frozen=True, array_like=True):
    """A hand-over under the leaving host's signature."""

    handover: Handover
    signature: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """I host from now on: go on with the group's clock, lines and queue, and show everybody this reign."""

    reign: Reign


@dataclass(frozen=True, slots=True)
class Follow:
    """Another host is right: pass its reign on to all I am connected with, then connect to it.

    Who does not hear it in time would hold the group for orphaned and claim it. `yielded`: I was hosting myself.
    """

    reign: Reign
    yielded: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Whoever showed that claim is behind: show it this reign."""

    reign: Reign


@dataclass(frozen=True, slots=True)
class Announce:
    """Time to try everybody I ever knew in this group and have no connection with, and to show them my reign."""

    reign: Reign


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Nobody took over. Play what is buffered, then say that the host is gone."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """That claim is forged: drop who showed it."""


Decision = Claimed | Follow | Tell | Announce | GaveUp | Refuse


class Succession:
    """One peer's view of who hosts. Feed it what is heard and the time; do what it decides."""

    def __init__(self, key: bytes, sign: Sign, reign: Reign, now_ns: int) -> None:
        """`reign`: my own (found) or, for a follower, the one that its host showed and that was checked."""
        self.key = key
        self.reign = reign
        self._sign = sign
        hosting = reign.claim.host_key == key
        self._machine: Machine[State, Event, Command] = Machine(_NEXT, State.HOSTING if hosting else State.FOLLOWING)
        self.silence_ns = SILENCE_NS
        self._heard_ns = now_ns
        self._waiting_since_ns = now_ns
        self._announce_every_ns = ANNOUNCE_NS
        self._next_announce_ns = now_ns + ANNOUNCE_NS
        self._handed_to: bytes | None = None

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def is_hosting(self) -> bool:
        return self.state is State.HOSTING

    # the host's side

    def name_successors(self, keys: tuple[bytes, ...]) -> SignedRoster:
        """A new roster of mine, first successor first (at most MAX_SUCCESSORS). Only while hosting."""
        assert self.is_hosting, "only the host names successors"
        before = self.reign.roster.roster
        successors = tuple(key for key in keys if key != self.key)[:MAX_SUCCESSORS]
        if successors != before.successors:
            roster = Roster(before.group, before.epoch, before.version + 1, successors)
            self.reign = msgspec.structs.replace(self.reign, roster=sign_roster(roster, self._sign))
        return self.reign.roster

    def leave(self) -> SignedHandover | None:
        """I leave. A host with successors gets the message to send them first."""
        command = self._machine.feed(Event.LEAVE)
        successors = self.reign.roster.roster.successors
        if command is not Command.HAND_OVER or not successors:
            return None
        handover = Handover(self.reign.claim.group, self.reign.claim.epoch, successors[0])
        return SignedHandover(handover, self._sign(canonical(handover)))

    # everybody's side

    def heard(self, now_ns: int) -> None:
        """The host was heard: any message of its own, directly or through a relay."""
        if self.state not in (State.HOSTING, State.LEFT) and self._handed_to is None:
            self._heard_ns = now_ns
            self._machine.feed(Event.HEARD)

    def bear(self, silence_ns: int) -> None:
        """The host says how long its line may keep it silent; nobody waits longer than buffers last."""
        self.silence_ns = max(SILENCE_NS, min(silence_ns, THIN_SILENCE_NS))

    def slept(self, asleep_ns: int, now_ns: int) -> None:
        """This machine was held up for so long: what the host said meanwhile is still to be read."""
        self._heard_ns = min(now_ns, self._heard_ns + asleep_ns)
        self._waiting_since_ns = min(now_ns, self._waiting_since_ns + asleep_ns)

    def quiet_ns(self, now_ns: int) -> int:
        """How long a host that is followed has not been heard."""
        return now_ns - self._heard_ns if self.state is State.FOLLOWING else 0

    def on_roster(self, signed: SignedRoster) -> bool:
        """A roster came; True if it is the host's and newer (pass it on)."""
        known = self.reign.roster.roster
        if signed.roster.version <= known.version or not is_roster_of(signed, self.reign.claim):
            return False
        self.reign = msgspec.structs.replace(self.reign, roster=signed)
        return True

    def on_handover(self, signed: SignedHandover, now_ns: int) -> bool:
        """The host says that it leaves; True if that is so (pass it on). `tick` decides what follows."""
        claim = self.reign.claim
        handover = signed.handover
        if (
            self.state in (State.HOSTING, State.LEFT)
            or (handover.group, handover.epoch) != (claim.group, claim.epoch)
            or self._handed_to is not None
            or not is_signed_by(claim.host_key, signed.signature, handover)
        ):
            return False
        self._handed_to = handover.to
        self._waiting_since_ns = now_ns
        self._machine.feed(Event.HANDED)
        return True

    def on_claim(self, theirs: Reign, now_ns: int) -> Decision | None:
        """Somebody shows a reign; None: it is the one I know."""
        if self.state is State.LEFT or not theirs.links:
            return None
        mine = self.reign
        same = (theirs.claim.epoch, theirs.claim.host_key) == (mine.claim.epoch, mine.claim.host_key)
        if same:
            self.on_roster(theirs.roster)
            return None
        trusted = accept(theirs, mine)
        if trusted is None:
            return Refuse()
        if not theirs.claim.beats(mine.claim):
            self._machine.feed(Event.WORSE)
            return Tell(mine)
        yielded = self.is_hosting
        self._machine.feed(Event.BETTER)
        self.reign = trusted
        self._heard_ns = now_ns
        self._handed_to = None
        return Follow(trusted, yielded)

    def tick(self, now_ns: int) -> Decision | None:
        """What time alone brings about; call it at `next_ns`, or every 50 ms or so."""
        if self.state is State.FOLLOWING and now_ns >= self._heard_ns + self.silence_ns:
            self._waiting_since_ns = now_ns
            self._machine.feed(Event.SILENT)
        if self.state is State.WAITING:
            turn_ns = self._turn_ns()
            if turn_ns is None and now_ns >= self._waiting_since_ns + HOPELESS_NS:
                self._machine.feed(Event.HOPELESS)
                return GaveUp()
            if turn_ns is not None and now_ns >= turn_ns:
                return self._claim(now_ns)
        if self.is_hosting and now_ns >= self._next_announce_ns:
            self._announce_every_ns = min(MAX_ANNOUNCE_NS, 2 * self._announce_every_ns)
            self._next_announce_ns = now_ns + self._announce_every_ns
            return Announce(self.reign)
        return None

    @property
    def next_ns(self) -> int | None:
        """When `tick` may have something to say; None: not before something else happens."""
        if self.state is State.FOLLOWING:
            return self._heard_ns + self.silence_ns
        if self.state is State.WAITING:
            turn_ns = self._turn_ns()
            return self._waiting_since_ns + HOPELESS_NS if turn_ns is None else turn_ns
        return self._next_announce_ns if self.is_hosting else None

    def _turn_ns(self) -> int | None:
        """When it is my turn to claim; None: I stand on no roster."""
        order = list(self.reign.roster.roster.successors)
        if self._handed_to in order:
            order.remove(self._handed_to)
            order.insert(0, self._handed_to)
        return self._waiting_since_ns + order.index(self.key) * STAGGER_NS if self.key in order else None

    def _claim(self, now_ns: int) -> Claimed:
        old_host = self.reign.claim.host_key
        successors = [key for key in self.reign.roster.roster.successors if key != self.key]
        if self._handed_to is None:
            successors.append(old_host)  # silent, not gone: when it comes back it may host again
        self._machine.feed(Event.TURN)
        self.reign = succeed(self.reign, self.key, self._sign, tuple(successors))
        self._handed_to = None
        self._announce_every_ns = ANNOUNCE_NS
        self._next_announce_ns = now_ns + ANNOUNCE_NS
        return Claimed(self.reign)
