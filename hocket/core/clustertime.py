"""The cluster's time on a machine whose own clock may be wrong: the prime's, carried on heartbeats.

Expiry of tickets is judged by it. It rests on the monotonic clock, so a wall clock that is set
by hand, or is a day off, changes nothing.
"""

from hocket.core.clock import NS_PER_S

BETTER_FOR_S = 30.0
"""A measurement with a short round trip is kept for this long against worse ones; clocks drift by then."""


class ClusterTime:
    """An estimate of the prime's time from request and reply (Cristian's algorithm: the midpoint)."""

    __slots__ = ("_at_s", "_offset_ns", "_round_trip_s")

    def __init__(self) -> None:
        self._offset_ns = 0
        self._at_s = float("-inf")
        self._round_trip_s = float("inf")

    @property
    def is_known(self) -> bool:
        return self._round_trip_s < float("inf")

    def heard(self, cluster_ns: int, sent_s: float, received_s: float) -> None:
        """Take a reading: `cluster_ns` came in a reply to a request, both ends in monotonic seconds."""
        round_trip_s = received_s - sent_s
        if round_trip_s > self._round_trip_s and received_s - self._at_s < BETTER_FOR_S:
            return
        self._offset_ns = cluster_ns - round((sent_s + received_s) / 2 * NS_PER_S)
        self._at_s = received_s
        self._round_trip_s = round_trip_s

    def set(self, cluster_ns: int, now_s: float) -> None:
        """This machine is the prime: its time is the cluster's."""
        self.heard(cluster_ns, now_s, now_s)

    def now_ns(self, now_s: float) -> int:
        """Cluster time, ns since 1970, at a monotonic moment."""
        return self._offset_ns + round(now_s * NS_PER_S)
