"""What one listener heard, in numbers: bounded memory for an hour of events."""

import time
from collections import Counter

from hocket.client import events


class Ear:
    """Takes an engine's events. All times are monotonic seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.stalls_s: list[float] = []
        self.errors: list[tuple[float, str]] = []
        self.longest_stall_ms = 0.0
        self.heard_s = time.monotonic()
        """When it last heard music, or had no reason to."""

    def __call__(self, event: events.Event) -> None:
        now_s = time.monotonic()
        self.counts[type(event).__name__] += 1
        match event:
            case events.Position() | events.Playing():
                self.heard_s = now_s
            case events.Stalled():
                self.stalls_s.append(now_s)
            case events.Unstalled():
                self.longest_stall_ms = max(self.longest_stall_ms, event.ms)
            case events.Error():
                self.errors.append((now_s, f"{event.code}: {event.text}"))

    def rested(self) -> None:
        """It was silent on purpose until now."""
        self.heard_s = time.monotonic()

    def failed(self, what: str) -> None:
        self.errors.append((time.monotonic(), what))
