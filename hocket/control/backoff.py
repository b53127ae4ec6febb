"""When something that keeps failing may be tried again.

Exponential back-off with a cap and jitter ("equal jitter": half of the delay is fixed, half drawn,
after Brooker, "Exponential Backoff And Jitter", 2015): never a busy loop, never all in step.
"""

import msgspec


class BackoffRule(msgspec.Struct, frozen=True):
    """The first failure after a healthy time costs nothing: one kill is no crash loop."""

    base_s: float = 0.5
    cap_s: float = 30.0
    healthy_s: float = 10.0

    def delay_s(self, failures: int, jitter: float) -> float:
        """Seconds to wait after that many failures in a row; `jitter` in [0, 1)."""
        if failures < 2:
            return 0.0
        exponent = min(failures - 2, 64)  # 2.0**1024 would overflow after a long night of crashes
        full_s = min(self.cap_s, self.base_s * 2.0**exponent)
        return full_s * (0.5 + 0.5 * jitter)


class Backoff(msgspec.Struct, frozen=True):
    """Failures in a row of one thing, and when it may be tried again. A value: changes return a new one."""

    failures: int = 0
    not_before_s: float = 0.0

    def failed(self, rule: BackoffRule, now_s: float, ran_healthy_s: float, jitter: float) -> "Backoff":
        """After one more failure of something that had worked for `ran_healthy_s` (0: it never worked)."""
        recovered = ran_healthy_s >= rule.healthy_s and self.wait_s(now_s) == 0.0
        failures = 1 if recovered else self.failures + 1
        delay_s = rule.delay_s(failures, jitter)
        # Several that fail at once must not shorten a wait that is already running.
        return Backoff(failures, max(self.not_before_s, now_s + delay_s))

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next try is allowed; 0.0: now."""
        return max(0.0, self.not_before_s - now_s)
