"""How much one friend, and all strangers together, may ask of a host; each with its reason. Times in ns."""

from collections.abc import Hashable
from enum import Enum, auto
from typing import NamedTuple

from hocket.core.clock import NS_PER_S

MAX_FRAME_BYTES = 64 * 1024
"""Between friends nothing is larger: leaves have 16 KiB, the longest queue and lineage fit. Cut at the header."""

MAX_SILENCE_NS = 2 * NS_PER_S
"""A connection that has not said HELLO by then is closed: honest ones do so with their first packet."""

MAX_BACKLOG_BYTES = 512 * 1024
MAX_BACKLOG_NS = 2 * NS_PER_S
"""More unsent bytes for longer than this: the friend's line does not carry the stream. Cut; it may come back."""


class Allowance(NamedTuple):
    """So many a second, and so many at once after a pause."""

    per_s: int
    burst: int


JOINS = Allowance(per_s=20, burst=40)
"""From everywhere: a handshake costs about a millisecond of processor, so a flood takes 2 % of it."""

JOINS_PER_ADDRESS = Allowance(per_s=2, burst=8)
"""A household behind one address that comes at once, and clients that retry."""

TIME_QUESTIONS = Allowance(per_s=100, burst=200)
"""Twice the pace of ExchangeSchedule; its opening burst of 100 passes."""

COMMANDS = Allowance(per_s=4, burst=12)
"""Faster than people press keys; with it at most timeline.MAX_LINES lines fall within timeline.KEEP_NS."""

CHUNKS = Allowance(per_s=200, burst=64)
"""3 MB/s: hi-res music at several times its own speed, to fill a buffer."""

OFFENCES = Allowance(per_s=10, burst=100)
"""Refused requests of any sort. Whoever exceeds this does not listen to refusals: cut."""


class TokenBucket:
    """An allowance as it is used up and grows back; exact in integers (the generic cell rate algorithm)."""

    __slots__ = ("_empty_ns", "_full_at_ns", "_step_ns")

    def __init__(self, allowance: Allowance) -> None:
        self._step_ns = NS_PER_S // allowance.per_s
        self._empty_ns = self._step_ns * allowance.burst
        self._full_at_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        """Use one up; False if there is none."""
        # A clock that went back must not lock anybody out for longer than an empty bucket does.
        full_in_ns = min(max(0, (self._full_at_ns or now_ns) - now_ns), self._empty_ns)
        if full_in_ns + self._step_ns > self._empty_ns:
            self._full_at_ns = now_ns + full_in_ns
            return False
        self._full_at_ns = now_ns + full_in_ns + self._step_ns
        return True

    def is_full(self, now_ns: int) -> bool:
        """Whether it can be forgotten: a new one would be the same."""
        return self._full_at_ns is None or self._full_at_ns <= now_ns


class Buckets:
    """One bucket per key, for at most `most` keys at a time."""

    def __init__(self, allowance: Allowance, most: int) -> None:
        self._allowance = allowance
        self._most = most
        self._buckets: dict[Hashable, TokenBucket] = {}

    def take(self, key: Hashable, now_ns: int) -> bool:
        """Use one up of this key's; False if there is none, or too many keys are in use."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._buckets = {one: kept for one, kept in self._buckets.items() if not kept.is_full(now_ns)}
                if len(self._buckets) >= self._most:
                    return False
            bucket = self._buckets[key] = TokenBucket(self._allowance)
        return bucket.take(now_ns)

    def __len__(self) -> int:
        return len(self._buckets)


class Verdict(Enum):
    """What to do with one request."""

    SERVE = auto()
    REFUSE = auto()
    CUT = auto()


class Patience:
    """What one friend has used up of its allowances, and how long it has been behind."""

    __slots__ = ("_behind_since_ns", "_chunks", "_commands", "_offences", "_time")

    def __init__(self) -> None:
        self._time = TokenBucket(TIME_QUESTIONS)
        self._commands = TokenBucket(COMMANDS)
        self._chunks = TokenBucket(CHUNKS)
        self._offences = TokenBucket(OFFENCES)
        self._behind_since_ns: int | None = None

    def time_question(self, now_ns: int) -> Verdict:
        """It asks for the time."""
        return self._judge(self._time, now_ns)

    def command(self, now_ns: int) -> Verdict:
        """It wants to pause, seek, skip or change the queue."""
        return self._judge(self._commands, now_ns)

    def chunk(self, now_ns: int) -> Verdict:
        """It asks for a leaf, a page or a manifest."""
        return self._judge(self._chunks, now_ns)

    def offence(self, now_ns: int) -> Verdict:
        """It did something else that it may not do."""
        return Verdict.REFUSE if self._offences.take(now_ns) else Verdict.CUT

    def is_too_slow(self, backlog_bytes: int, now_ns: int) -> bool:
        """Whether to cut it, given what waits for it now. Call it at least once a second."""
        if backlog_bytes <= MAX_BACKLOG_BYTES:
            self._behind_since_ns = None
            return False
        if self._behind_since_ns is None:
            self._behind_since_ns = now_ns
        return now_ns - self._behind_since_ns > MAX_BACKLOG_NS

    def _judge(self, bucket: TokenBucket, now_ns: int) -> Verdict:
        return Verdict.SERVE if bucket.take(now_ns) else self.offence(now_ns)
