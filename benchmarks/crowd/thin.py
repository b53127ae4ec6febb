"""Friends of a host with a thin line, each with a thin line: nobody may be late, no line overrun."""

import itertools
import statistics
import time
from dataclasses import dataclass

from benchmarks.crowd.stage import PORT, STREAM_BPS, Stage, stage, use
from benchmarks.crowd.story import Seat
from benchmarks.crowd.tables import heard, show

HOST, PRIME, FIRST = 1, 2, 3
SEATS_A_PROCESS = 21
JOINS_PER_S = 1.0


@dataclass(frozen=True, slots=True)
class Thin:
    """What is measured. `delay_ms`: between the host and each friend, each way, half of it as jitter."""

    friends: int = 84
    upload_bps: int = 1_000_000
    delay_ms: float = 0.0
    settle_s: float = 45.0
    seconds: float = 60.0
    realtime: bool = False

    @property
    def hosts(self) -> range:
        """Of the network, the friends' own."""
        return range(FIRST, FIRST + self.friends)


def come_in(on: Stage, count: int, per_s: float) -> float:
    """All crowds in turn, a friend at a time; how many seconds it took."""
    begun_s = time.monotonic()
    crowds = itertools.cycle(on.crowds)
    for number in range(count):
        crowd = next(crowds)
        crowd.say("join 1")
        crowd.line('"friends"', timeout_s=120)
        time.sleep(max(0.0, begun_s + (number + 1) / per_s - time.monotonic()))
    return time.monotonic() - begun_s


def build(on: Stage, what: Thin) -> None:
    """The network, the host that plays, and empty seats."""
    assert on.wan is not None
    for host in (HOST, *what.hosts):
        on.wan.upload(host, bits_per_s=what.upload_bps)
        if what.delay_ms and host != HOST:
            on.wan.link(HOST, host, delay_ms=what.delay_ms, jitter_ms=what.delay_ms / 2)
    on.start_prime(on=PRIME)
    on.start_host(on=HOST, upload_mbit=what.upload_bps / 1e6)
    processes = -(-what.friends // SEATS_A_PROCESS)
    for first in range(processes):
        seats = [
            Seat(on.wan.namespace(host), "", f"{on.wan.address(host)}:{PORT}", what.upload_bps)
            for host in what.hosts[first::processes]
        ]
        on.start_crowd(seats)


def measure(what: Thin) -> None:
    """Prints a table."""
    with stage(hosts=2 + what.friends, realtime=what.realtime) as on:
        build(on, what)
        before = on.sent_bytes(HOST)
        joined_s = come_in(on, what.friends, JOINS_PER_S)
        joining_bps = 8 * (on.sent_bytes(HOST) - before) / joined_s
        joining = on.stories()
        time.sleep(what.settle_s)
        on.ask_all("forget")
        sent, host, crowds = _sent(on, what), on.host_use(), [use(crowd.pid) for crowd in on.crowds]
        at_s = time.monotonic()
        time.sleep(what.seconds)
        now, seconds = on.host_use(), time.monotonic() - at_s
        bps = {number: 8 * (bytes_ - sent[number]) / seconds for number, bytes_ in _sent(on, what).items()}
        friends_use = sum(use(crowd.pid).core_since(was) for crowd, was in zip(on.crowds, crowds, strict=True))
        relays = [bps[number] / 1e3 for number in what.hosts if bps[number] > STREAM_BPS] or [0.0]
        show(
            f"{what.friends} friends, lines of {what.upload_bps / 1e6:g} Mbit/s, {STREAM_BPS // 1000} kbit/s of music",
            [
                ("joined in", f"{joined_s:.0f} s; the host sent {joining_bps / 1e3:.0f} kbit/s meanwhile"),
                ("ran dry while others joined", str(sum(one.stalls for one in joining))),
                *heard(on.stories()),
                ("the host sends", f"{bps[HOST] / 1e3:.0f} kbit/s"),
                (
                    f"{len(relays)} relays send",
                    f"{statistics.median(relays):.0f} (median), {max(relays):.0f} kbit/s (most)",
                ),
                ("the friends use", f"{friends_use:.0%} of a core"),
                ("the host uses", f"{now.core_since(host):.1%} of a core, {now.pss_kb / 1024:.0f} MB"),
            ],
        )


def _sent(on: Stage, what: Thin) -> dict[int, int]:
    return {host: on.sent_bytes(host) for host in (HOST, *what.hosts)}
