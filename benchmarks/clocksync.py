"""How well a follower knows the host's clock: our estimator beside the usual ones, on simulated lines.

    python -m benchmarks.clocksync [--seconds 180] [--seeds 8]

Prints |error| in microseconds at every exchange after 30 s (median, 95th percentile, maximum over all
seeds), for clocks up to 100 ppm apart, and what one exchange costs. The rivals see the same exchanges:
`min-RTT` takes the offset of the exchange with the shortest round trip of the last 8 s (as NTP's clock
filter), `median` the median offset of the last 200 (as Snapcast does).
"""

import argparse
import random
import statistics
import time
from collections import deque
from collections.abc import Callable

from hocket.core.clock import NS_PER_S
from hocket.relay.clocksync import ClockSync, Exchange, ExchangeSchedule

Delay = Callable[[random.Random], float]

LINES: dict[str, tuple[Delay, Delay]] = {
    "loopback": (lambda r: 30e-6 + r.expovariate(5e4),) * 2,
    "1 +- 0.5 ms": (lambda r: r.uniform(0.5e-3, 1.5e-3),) * 2,
    "20 +- 10 ms": (lambda r: r.uniform(10e-3, 30e-3),) * 2,
    "20 ms + exponential 10 ms": (lambda r: 20e-3 + r.expovariate(100),) * 2,
    "10-30 ms up, 10-15 ms down": (lambda r: r.uniform(10e-3, 30e-3), lambda r: r.uniform(10e-3, 15e-3)),
    "10-20 ms, 200 ms bursts up": (
        lambda r: r.uniform(10e-3, 20e-3) + (0.2 if r.random() < 0.3 else 0.0),
        lambda r: r.uniform(10e-3, 20e-3),
    ),
}


def offset_ns(exchange: Exchange) -> float:
    """What one exchange alone says."""
    return (
        exchange.remote_received_ns - exchange.local_sent_ns + exchange.remote_sent_ns - exchange.local_received_ns
    ) / 2


def run(seed: int, line: tuple[Delay, Delay], seconds: int) -> tuple[dict[str, list[float]], list[float]]:
    """|error| in microseconds by estimator after 30 s, and seconds spent on each `add`."""
    r = random.Random(seed)
    drift = r.uniform(-1e-4, 1e-4)

    def truth_ns(local_ns: int) -> int:
        return round(local_ns * drift)

    sync, schedule = ClockSync(), ExchangeSchedule(0)
    recent: deque[Exchange] = deque(maxlen=200)
    errors: dict[str, list[float]] = {"ours": [], "min-RTT": [], "median": []}
    costs = []
    while (now_ns := schedule.next_ns) < seconds * NS_PER_S:
        schedule.due(now_ns)
        there = now_ns + round(line[0](r) * NS_PER_S)
        back = there + round(line[1](r) * NS_PER_S)
        exchange = Exchange(now_ns, there + truth_ns(there), there + truth_ns(there), back)
        started = time.perf_counter()
        sync.add(exchange)
        costs.append(time.perf_counter() - started)
        recent.append(exchange)
        if now_ns > 30 * NS_PER_S and sync.estimate is not None:
            best = min(list(recent)[-160:], key=lambda e: e.round_trip_ns)
            answers = {
                "ours": sync.estimate.line.group(back) - back,
                "min-RTT": offset_ns(best),
                "median": statistics.median(offset_ns(e) for e in recent),
            }
            for name, answer in answers.items():
                errors[name].append(abs(answer - truth_ns(back)) / 1e3)
    return errors, costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--seeds", type=int, default=8)
    args = parser.parse_args()
    all_costs: list[float] = []
    print(f"{'line':28} {'estimator':9} {'median':>9} {'p95':>9} {'max':>9}   us")
    for name, line in LINES.items():
        total: dict[str, list[float]] = {}
        for seed in range(args.seeds):
            errors, costs = run(seed, line, args.seconds)
            all_costs += costs
            for estimator, values in errors.items():
                total.setdefault(estimator, []).extend(values)
        for estimator, values in total.items():
            ordered = sorted(values)
            p95 = ordered[int(len(ordered) * 0.95)]
            print(f"{name:28} {estimator:9} {statistics.median(ordered):9.1f} {p95:9.1f} {ordered[-1]:9.1f}")
    costs_us = sorted(cost * 1e6 for cost in all_costs)
    median, p99 = costs_us[len(costs_us) // 2], costs_us[int(len(costs_us) * 0.99)]
    print(f"one exchange: median {median:.1f} us, mean {statistics.mean(costs_us):.1f} us, 99 % under {p99:.0f} us")


if __name__ == "__main__":
    main()
