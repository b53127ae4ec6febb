"""Friends on the host's own machine, each from an address of its own: one stalls, some flood, and very many."""

import contextlib
import json
import queue
import time

from benchmarks.crowd.stage import STREAM_BPS, Stage, Use, stage
from benchmarks.crowd.story import Seat
from benchmarks.crowd.tables import Rows, clock_errors_us, heard, percentile, show

JOINS_PER_S = 8.0
LEAN_A_PROCESS = 128
CLOCKS = 12
"""Friends that keep a group clock and read ahead, beside those that only take music and check it."""

SETTLE_S = 35.0
STALL_S = 45.0
FLOODS = ("joins", "frames", "hellos", "times", "commands", "stalled")


def _fill(on: Stage, friends: int, clocks: int) -> None:
    """A host, and so many friends."""
    on.start_prime()
    on.start_host()
    sizes = [min(LEAN_A_PROCESS, friends - clocks - first) for first in range(0, friends - clocks, LEAN_A_PROCESS)]
    for number, size in enumerate([clocks, *sizes]):
        seats = [Seat(source=f"127.{9 + number}.0.{n + 1}", lean=number > 0) for n in range(size)]
        crowd = on.start_crowd(seats)
        for _ in seats:
            begun_s = time.monotonic()
            crowd.say("join 1")
            crowd.line('"friends"', timeout_s=120)
            time.sleep(max(0.0, begun_s + 1 / JOINS_PER_S - time.monotonic()))


def _watch(on: Stage, seconds: float) -> list[Use]:
    """The host's use, each second."""
    uses = [on.host_use()]
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(1)
        uses.append(on.host_use())
    return uses


def _memory(name: str, uses: list[Use]) -> tuple[str, str]:
    most = max(one.pss_kb for one in uses) / 1024
    return (
        f"the host's memory {name}, least to most",
        f"{min(one.pss_kb for one in uses) / 1024:.1f} to {most:.1f} MB",
    )


def _left(on: Stage) -> list[float]:
    """When friends left, by the host's own events; in its seconds."""
    assert on.host is not None
    found = []
    with contextlib.suppress(queue.Empty, TimeoutError):
        while True:
            found.append(json.loads(on.host.line('"peer_left"', timeout_s=0.2))["t"])
    return found


def stalled(friends: int, realtime: bool) -> None:
    """All but one listen; that one never reads."""
    with stage(realtime=realtime) as on:
        _fill(on, friends - 1, min(CLOCKS, friends - 1))
        time.sleep(SETTLE_S)
        on.ask_all("forget")
        before = _watch(on, 10)
        villain = on.start_villain("stalled", "127.8.0.1")
        assert on.host is not None
        begun_s = time.monotonic()
        villain.say(f"go {STALL_S}")
        during = _watch(on, STALL_S)
        cut = len(_left(on))
        villain.line("stalled")
        after = _watch(on, 10)
        show(
            f"{friends} friends, one never reads for {STALL_S:.0f} s, stream of {STREAM_BPS / 1e3:.0f} kbit/s",
            [
                *heard(on.stories()),
                ("the one that stalled", f"cut off within {time.monotonic() - begun_s - 10:.0f} s" if cut else "kept"),
                _memory("before", before),
                _memory("during", during),
                _memory("after", after),
                ("the host uses", f"{during[-1].core_since(during[0]):.1%} of a core"),
            ],
        )


def floods(friends: int, seconds: float, realtime: bool) -> None:
    """The same friends for a while in peace, and as long under all floods at once."""
    with stage(realtime=realtime) as on:
        _fill(on, friends, min(CLOCKS, friends))
        villains = [on.start_villain(what, f"127.7.0.{number + 1}") for number, what in enumerate(FLOODS)]
        time.sleep(SETTLE_S)
        halves: list[tuple[list[float], Rows, Use, Use]] = []
        told = []
        for is_flooded in (False, True):
            on.ask_all("forget")
            was = on.host_use()
            if is_flooded:
                for villain in villains:
                    villain.say(f"go {seconds}")
            time.sleep(seconds)
            stories = on.stories()
            halves.append((clock_errors_us(stories), heard(stories), was, on.host_use()))
        for villain in villains:
            told.append(json.loads(villain.line("connections")))
        rows: Rows = []
        for (name, calm), (_, flooded) in zip(halves[0][1], halves[1][1], strict=True):
            rows.append((name, f"{calm}; flooded: {flooded}"))
        for percent in (50, 95, 99):
            calm_us, flooded_us = (percentile(half[0], percent) for half in halves)
            rows.append((f"clocks, p{percent}: how far it moved", f"{flooded_us - calm_us:+.1f} us"))
        rows.append(
            ("the host uses", "; flooded: ".join(f"{half[3].core_since(half[2]):.1%} of a core" for half in halves))
        )
        rows.append(("the host's memory", "; flooded: ".join(f"{half[3].pss_kb / 1024:.1f} MB" for half in halves)))
        rows += [(f"flood: {name}", json.dumps(what)) for done in told for name, what in done.items()]
        show(f"{friends} friends, {seconds:.0f} s in peace and as long under floods", rows)


def crowd(friends: int, seconds: float, realtime: bool) -> None:
    """What very many friends cost the host."""
    with stage(realtime=realtime) as on:
        _fill(on, friends, min(CLOCKS, friends))
        time.sleep(SETTLE_S)
        on.ask_all("forget")
        uses = _watch(on, seconds)
        show(
            f"{friends} friends of one host, stream of {STREAM_BPS / 1e3:.0f} kbit/s",
            [
                *heard(on.stories()),
                ("the host uses", f"{uses[-1].core_since(uses[0]):.1%} of a core"),
                _memory("", uses),
            ],
        )
