"""Which chunk to ask whom for, so that some seconds of music are always there.

Pure: it is told what arrived, failed or went missing, and answers with requests. Friends come first;
streaming nodes help where no friend holds a leaf or the lead grows short. Who sent bytes that did not
match is never asked again; who does not answer in time gets less to do and rests for a while.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hocket.core.clock import NS_PER_S
from hocket.relay.chunks import LEAF_BYTES

LEAD_NS = 5 * NS_PER_S
LEAST_LEAD_NS = 3 * NS_PER_S
"""Below this the streaming nodes are asked as well; and a parent that pushes has lost what is missing here."""

HOP_NS = NS_PER_S
"""What the way to a friend takes over a thin line that several share."""

CALM_NS = NS_PER_S // 4
CALM_ANSWERS = 3
CALM_LEAVES = 2
"""While the clock is being learnt no more is fetched than this, or than is played until so many answers have come, and
so many leaves at a time: what is on its way holds up every answer about the time. Fetching all at once hid the host's
clock for 300 ms."""

FIRST_WINDOW = 2
MAX_WINDOW = 16
"""Requests to one source at a time: 256 KiB, the bandwidth-delay product of 20 Mbit/s at 100 ms."""

SWIFT_NS = NS_PER_S
LEAST_PATIENCE_NS = NS_PER_S // 2
MAX_PATIENCE_NS = 2 * NS_PER_S
REST_NS = NS_PER_S
MAX_REST_NS = 16 * NS_PER_S
FIRST_GUESS_NS = NS_PER_S // 5
"""How long an answer takes before the first one came."""


class Request(NamedTuple):
    """Ask this source for this leaf."""

    source: str
    leaf: int


@dataclass(slots=True)
class _Source:
    """What is known of one peer or node."""

    is_node: bool
    first: int = 0
    past: int = 0
    window: int = FIRST_WINDOW
    answer_ns: int = FIRST_GUESS_NS
    has_answered: bool = False
    rest_until_ns: int = 0
    rest_ns: int = REST_NS
    lacks: dict[int, int] = field(default_factory=dict)  # leaf -> until when it need not be asked again
    sent: dict[int, int] = field(default_factory=dict)  # leaf -> when it was asked for

    @property
    def patience_ns(self) -> int:
        return min(MAX_PATIENCE_NS, max(LEAST_PATIENCE_NS, 4 * self.answer_ns))

    @property
    def cost_ns(self) -> int:
        """When a further answer may be expected."""
        return self.answer_ns * (1 + len(self.sent))

    def holds(self, leaf: int, now_ns: int) -> bool:
        """Whether it can be asked for a leaf, now or when it has answered others."""
        return (
            self.first <= leaf < self.past
            and self.rest_until_ns <= now_ns
            and self.lacks.get(leaf, 0) <= now_ns
            and leaf not in self.sent
        )


def least_lead_ns(depth: int, is_relay: bool) -> int:
    """How much has to be there of what is pushed; nearer to the host a relay keeps more, for those below it."""
    return LEAST_LEAD_NS + (HOP_NS * max(1, 3 - depth) if is_relay else 0)


class FetchPlan:
    """What one listener has of a track, what is under way, and whom to ask next."""

    def __init__(self, leaves: int, bytes_per_second: int, start: int = 0) -> None:
        """`leaves` of LEAF_BYTES each make up the track; `start` is the leaf that is played first."""
        self.leaves = leaves
        self.position = start
        self.is_pushed = False
        self.least_lead_ns = LEAST_LEAD_NS
        self.is_calm = False  # no more than CALM_NS are wanted for now
        self._bytes_per_second = bytes_per_second
        self._sources: dict[str, _Source] = {}
        self._banned: set[str] = set()
        self._have: set[int] = set()

    # sources

    def add(self, source: str, is_node: bool = False, first: int = 0, past: int | None = None) -> bool:
        """Somebody who holds leaves [first, past) (None: all); False for one who has lied before.

        `is_node`: a streaming node, or anybody else who shall be spared while others are in time.
        """
        if source in self._banned:
            return False
        known = self._sources.setdefault(source, _Source(is_node))
        known.is_node = is_node
        known.first, known.past = first, self.leaves if past is None else past
        return True

    def remove(self, source: str) -> None:
        """Its connection is gone; what it was asked for is asked elsewhere."""
        self._sources.pop(source, None)

    @property
    def banned(self) -> frozenset[str]:
        return frozenset(self._banned)

    # what happened

    def seek(self, leaf: int) -> None:
        """Another leaf is played from now on, in the ordinary course or by a jump."""
        if leaf < self.position:
            self._have.clear()  # what was played is no longer kept
        self.position = leaf
        self._have = {held for held in self._have if held >= leaf}

    def arrived(self, source: str, leaf: int, now_ns: int) -> None:
        """A leaf came and was checked: asked for, or pushed by a parent."""
        if leaf >= self.position:
            self._have.add(leaf)
        known = self._sources.get(source)
        if known is None:
            return
        known.rest_until_ns, known.rest_ns = 0, REST_NS
        sent_ns = known.sent.pop(leaf, None)
        if sent_ns is not None:
            known.answer_ns += (now_ns - sent_ns - known.answer_ns) // (4 if known.has_answered else 1)
            known.has_answered = True
            # More requests than are answered in a second only make the later ones late.
            known.window = min(MAX_WINDOW, known.window + 1) if known.answer_ns < SWIFT_NS else max(1, known.window - 1)

    def mismatched(self, source: str) -> None:
        """It sent bytes that are not those of the track: drop it."""
        self._banned.add(source)
        self.remove(source)

    def missing(self, source: str, leaf: int, now_ns: int) -> None:
        """It answered that it does not hold a leaf (yet)."""
        known = self._sources.get(source)
        if known is not None:
            known.sent.pop(leaf, None)
            known.lacks = {one: until_ns for one, until_ns in known.lacks.items() if until_ns > now_ns}
            known.lacks[leaf] = now_ns + REST_NS

    def refused(self, source: str, leaf: int, now_ns: int) -> None:
        """It has too much to do for others: leave it alone for a while, ever longer until it gives something."""
        known = self._sources.get(source)
        if known is not None:
            known.sent.pop(leaf, None)
            self._rest(known, now_ns)

    # what to do

    @property
    def lead_ns(self) -> int:
        """How long the music lasts that is there without a gap."""
        leaf = self.position
        while leaf in self._have:
            leaf += 1
        return LEAD_NS if leaf >= self.leaves else (leaf - self.position) * self._leaf_ns

    def plan(self, now_ns: int) -> list[Request]:
        """What to ask for now. Call it after every event, and every 50 ms or so."""
        self._lose_patience(now_ns)
        short = self.lead_ns < (CALM_NS // 2 if self.is_calm else LEAST_LEAD_NS)
        requests = []
        for leaf in self._wanted():
            if all(len(source.sent) >= source.window for source in self._sources.values()):
                break
            request = self._ask(leaf, short, now_ns)
            if request is not None:
                self._sources[request.source].sent[leaf] = now_ns
                requests.append(request)
        return requests

    @property
    def _leaf_ns(self) -> int:
        return max(1, LEAF_BYTES * NS_PER_S // self._bytes_per_second)

    def _wanted(self) -> Iterator[int]:
        """Leaves of the next seconds that are not there. What a parent will push is left to it."""
        if self.is_calm:
            return self._wanted_calmly()
        ahead = self.least_lead_ns // self._leaf_ns + 1 if self.is_pushed else LEAD_NS // self._leaf_ns + 2
        return self._lacking(ahead)

    def _wanted_calmly(self) -> Iterator[int]:
        slowest_ns = max((source.answer_ns for source in self._sources.values() if source.has_answered), default=0)
        ahead = max(CALM_NS, CALM_ANSWERS * slowest_ns) // self._leaf_ns + 2
        lacking = list(self._lacking(ahead))
        is_worth_it = len(lacking) >= CALM_LEAVES or self._leaf_ns > CALM_NS
        return iter(lacking if is_worth_it else ())

    def _lacking(self, ahead: int) -> Iterator[int]:
        past = min(self.leaves, self.position + ahead)
        return (leaf for leaf in range(self.position, past) if leaf not in self._have)

    def _ask(self, leaf: int, short: bool, now_ns: int) -> Request | None:
        left_ns = (leaf - self.position) * self._leaf_ns
        asked = [source for source in self._sources.values() if leaf in source.sent]
        if asked and not _may_ask_twice(leaf, left_ns, asked, now_ns):
            return None
        holders = {name: source for name, source in self._sources.items() if source.holds(leaf, now_ns)}
        if not short:
            # A friend that is in time, if only after what it was asked for already, spares the node.
            friends = {name: one for name, one in holders.items() if not one.is_node}
            in_time = {name: one for name, one in friends.items() if self.is_calm or 2 * one.cost_ns < left_ns}
            holders = in_time or holders
        able = [name for name, source in holders.items() if len(source.sent) < source.window]
        if not able:
            return None
        return Request(min(able, key=lambda name: (holders[name].cost_ns, holders[name].is_node, name)), leaf)

    def _lose_patience(self, now_ns: int) -> None:
        for source in self._sources.values():
            late = [leaf for leaf, sent_ns in source.sent.items() if now_ns - sent_ns >= source.patience_ns]
            if late:
                for leaf in late:
                    del source.sent[leaf]
                self._rest(source, now_ns)

    @staticmethod
    def _rest(source: _Source, now_ns: int) -> None:
        source.window = 1
        if source.rest_until_ns <= now_ns:
            source.rest_until_ns = now_ns + source.rest_ns
            source.rest_ns = min(MAX_REST_NS, 2 * source.rest_ns)


def _may_ask_twice(leaf: int, left_ns: int, asked: list[_Source], now_ns: int) -> bool:
    """Played soon, asked of one alone, who takes longer than usual."""
    return len(asked) == 1 and left_ns < LEAST_LEAD_NS and now_ns - asked[0].sent[leaf] > asked[0].answer_ns
