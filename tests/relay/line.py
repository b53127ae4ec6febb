"""A line with delay and two clocks, simulated to the nanosecond for clock tests."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hocket.core.clock import NS_PER_S
from hocket.relay.clocksync import ClockSync, Exchange, ExchangeSchedule

START_NS = 5_000 * NS_PER_S
Delay = Callable[[random.Random], float]


def jitter(least_s: float, spread_s: float) -> Delay:
    """Delays uniform between least and least + spread."""
    return lambda r: least_s + r.random() * spread_s


@dataclass
class World:
    """The truth: the host's clock as a function of ours, and the line between."""

    seed: int
    forward: Delay
    backward: Delay
    drift: float = 0.0
    offset_ns: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.offset_ns = self.offset_ns or self.random.randrange(10**18)

    def group(self, local_ns: int) -> int:
        """The host's clock at one of our times."""
        return local_ns + self.offset_ns + round((local_ns - START_NS) * self.drift)

    def exchange(self, sent_ns: int, thinking_ns: int = 50_000) -> Exchange:
        """One question sent at a local time."""
        there = sent_ns + round(self.forward(self.random) * NS_PER_S)
        back = there + thinking_ns
        received = back + round(self.backward(self.random) * NS_PER_S)
        return Exchange(sent_ns, self.group(there), self.group(back), received)

    def exchanges(self, seconds: float, start_ns: int = START_NS) -> Iterator[Exchange]:
        """What a follower collects in so many seconds, in the order in which answers arrive."""
        schedule = ExchangeSchedule(start_ns)
        collected = []
        while schedule.next_ns < start_ns + seconds * NS_PER_S:
            now_ns = schedule.next_ns
            assert schedule.due(now_ns)
            collected.append(self.exchange(now_ns))
        yield from sorted(collected, key=lambda e: e.local_received_ns)

    def error_ns(self, sync: ClockSync, local_ns: int) -> int:
        """How wrong an estimate is at a local time."""
        assert sync.estimate is not None
        return sync.estimate.line.group(local_ns) - self.group(local_ns)
