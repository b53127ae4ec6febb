"""How a host's line and processor are shared by its friends, beside the music that `tree` plans for.

Clocks come first: each friend may ask for the time so often that all answers together fit into what the music
leaves. What friends are told of one another comes in turns.
"""

from hocket.core.clock import NS_PER_S
from hocket.relay.ring import BURST_NS

LINE_PERCENT = 88
"""Of the line, headers included. The rest is for what else this machine says: a line filled to the brim queues."""

HEADERS_PERCENT = 5
"""What TLS, TCP and IP add to music."""

TIME_PERCENT = 35
NEWS_PERCENT = 10
NEWCOMERS_PERCENT = 20
"""Of what the music leaves."""

ANSWER_BYTES = 112
"""One answer to a question about the time, with TLS, TCP and IP."""

REPORT_BYTES = 190
"""What one friend is told of one other, likewise."""

PULSE_BYTES = 130
PULSE_PERCENT = 35

MAX_ANSWERS_PER_S = 500
"""Whatever the line carries: a thousand cost a fifth of a core, and clocks were no better for it."""

MAX_REPORTS_PER_S = 256

MAX_QUESTION_NS = 2 * NS_PER_S
"""More seldom is no clock."""


def spare_bps(upload_bps: int, fed: int, stream_bps: int) -> int:
    """What the music of so many friends leaves of a line; 0: it is not limited."""
    if not upload_bps:
        return 0
    music_bps = fed * stream_bps * (100 + HEADERS_PERCENT) // 100
    return max(upload_bps // 50, upload_bps * LINE_PERCENT // 100 - music_bps)


def question_ns(spare: int, friends: int) -> int:
    """How long each of so many friends is to wait between questions about the time."""
    answers_per_s = MAX_ANSWERS_PER_S
    if spare:
        answers_per_s = max(1, min(answers_per_s, spare * TIME_PERCENT // (100 * 8 * ANSWER_BYTES)))
    return min(MAX_QUESTION_NS, friends * NS_PER_S // answers_per_s)


def pulses_fit(spare: int, friends: int, every_ns: int) -> bool:
    """Whether all of so many friends can be told so often that the host lives."""
    return not spare or friends * 8 * PULSE_BYTES * NS_PER_S <= spare * PULSE_PERCENT // 100 * every_ns


def reports_per_s(spare: int, friends: int) -> float:
    """How many measurements of others each of so many friends can be told in a second."""
    reports = float(MAX_REPORTS_PER_S)
    if spare:
        reports = min(reports, spare * NEWS_PERCENT / (100 * 8 * REPORT_BYTES))
    return reports / max(1, friends)


def newcomers(spare: int, friends: int, passed_s: float) -> float:
    """How many more newcomers all of so many friends can be told of, as time has passed; others wait for their turn."""
    if not spare:
        return float(MAX_REPORTS_PER_S)
    return passed_s * spare * NEWCOMERS_PERCENT / (100 * 8 * REPORT_BYTES * max(1, friends))


class Purse:
    """Bytes that a thin line may still be given, saved up for at most half a burst."""

    __slots__ = ("_at_ns", "_bytes", "_sent_bytes")

    def __init__(self, now_ns: int) -> None:
        self._at_ns = now_ns
        self._bytes = 0.0
        self._sent_bytes = 0

    def fill(self, upload_bps: int, sent_bytes: int, now_ns: int) -> None:
        """Time has passed, and so many bytes in all have gone out by now."""
        rate = upload_bps * LINE_PERCENT / (800 * NS_PER_S)
        self._bytes -= sent_bytes - self._sent_bytes
        self._bytes = min(self._bytes + (now_ns - self._at_ns) * rate, BURST_NS / 2 * rate)
        self._sent_bytes = sent_bytes
        self._at_ns = now_ns

    @property
    def has_some(self) -> bool:
        return self._bytes > 0

    def spend(self, music_bytes: int) -> None:
        """A piece of music goes out, and will show among the bytes sent; more than there was is owed."""
        size_bytes = music_bytes * (100 + HEADERS_PERCENT) // 100
        self._bytes -= size_bytes
        self._sent_bytes += size_bytes
