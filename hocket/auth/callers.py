"""How often strangers at one address may ask for what costs the cluster something.

Without it one machine could keep every seat reserved, or have the prime check join tokens all day.
"""

from hocket.auth.attempts import address_key
from hocket.auth.buckets import Bucket, Recent
from hocket.core.errors import ErrorCode, HocketError

MAX_ADDRESSES = 10_000
"""Addresses remembered, about 200 bytes each. The longest untouched goes first."""

LOGIN_BURST = 200.0
LOGIN_REFILL_S = 0.2
"""Seats from one address: a whole school behind one router logs in when the bell rings."""

JOIN_BURST = 20.0
JOIN_REFILL_S = 1.0
"""Join tokens shown from one address: machines of one owner, started together."""


class TooManyRequests(HocketError):
    """Not now: `retry_s` says when."""

    code = ErrorCode.TOO_MANY_REQUESTS


class Callers:
    """One kind of request, counted by address. `now_s` is monotonic and never smaller than in the call before."""

    def __init__(self, what: str, burst: float, refill_s: float, max_addresses: int = MAX_ADDRESSES) -> None:
        """`what` comes too often, for people: "log-ins"."""
        self._what = what
        self._burst = burst
        self._refill_s = refill_s
        self._buckets: Recent[str, Bucket] = Recent(max_addresses)

    def __len__(self) -> int:
        """Addresses in memory."""
        return len(self._buckets)

    def admit(self, host: str, now_s: float) -> None:
        """Count a request; `host` as its socket names it. Raises TooManyRequests, which counts nothing."""
        key = address_key(host)
        bucket = self._buckets.get(key) or Bucket(self._burst, self._refill_s, now_s)
        self._buckets.put(key, bucket)
        wait_s = bucket.wait_s(now_s)
        if wait_s > 0:
            raise TooManyRequests(
                f"too many {self._what} from your address",
                hint=f"wait {max(1, round(wait_s))} s, then try again",
                retry_s=wait_s,
            )
        bucket.take(now_s)
