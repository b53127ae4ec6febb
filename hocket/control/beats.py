"""When a node sends its next heartbeat: many nodes in one moment, so that the prime wakes up once for all of them."""

MOMENTS = 10
"""In one interval. Waking up costs the prime more than a heartbeat does, so few are good; but what comes at one moment
is answered in one go, and other questions wait meanwhile: 350 nodes take some 4 ms a moment."""


def next_beat_in_s(now_s: float, interval_s: float) -> float:
    """Seconds until the next heartbeat of a node that was heard at `now_s`, the prime's monotonic time.

    It is due an interval later, at the nearest of the moments: an interval more or less a 20th. Who beats in a moment
    stays in it, as long as its line delays it by less than half the time between two moments.
    """
    apart_s = interval_s / MOMENTS
    return round((now_s + interval_s) / apart_s) * apart_s - now_s
