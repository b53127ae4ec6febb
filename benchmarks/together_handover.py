"""What followers hear when their host is killed, or its cable pulled: silence, jumps, and who goes on.

    python -m benchmarks.together_handover [--runs 20] [--line loopback|wan] [--how killed|cut] [--realtime]

One plays, two follow, each through a simulated converter (followers 100 ppm fast and slow). Once they are in step
the host gets SIGKILL, or its cable is cut without a FIN. `silent us`: the longest stretch without sound from the
first sample to the end. `jump us`: how far a follower was, in any tenth of a second of the 6 s afterwards, from where
it had been against the song in the 2 s before; `apart us`: the same between the two. Needs root and a C compiler.
"""

import argparse
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from benchmarks.together_stage import DACS_PPM, FRIENDS, HOST, LINES, RATE_HZ, Lags, Stage, lags, stage
from tests.kit.noise import noise
from tests.kit.offset import Recording, Run
from tests.kit.simdac import SimDac
from tests.kit.wan import unavailable

SETTLE_S = 20.0
"""A clock that is some seconds old still moves by 0.2 to 0.5 ms as it gets better: that is no jump of the hand-over."""

BEFORE_S = 2.0
AFTER_S = 6.0
SONG_S = 60.0
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One run: the worst of the two followers."""

    silent_us: float
    jump_us: float
    apart_us: float
    stalled: int
    hosts: int


def song_from(start_ns: float) -> Recording:
    """The song as the host would have gone on to play it."""
    return Recording((Run(round(start_ns), RATE_HZ, "S16_LE", noise(SONG_S, rate_hz=RATE_HZ), False),))


def moved_us(found: Lags, since_s: float) -> float:
    """How far it went from its place before. A window without the song is as far off as one looks."""
    if len(found.lag_us) < found.windows:
        return 60_000.0
    before = float(np.median(found.lag_us[found.t_s < since_s]))
    return float(np.max(np.abs(found.lag_us[found.t_s >= since_s] - before)))


def one_run(on: Stage, how: str) -> Heard:
    """Play, follow, lose the host, listen on."""
    with ExitStack() as stack:
        true = stack.enter_context(SimDac())
        dacs = [stack.enter_context(SimDac(ppm=ppm)) for ppm in DACS_PPM]
        host = on.listener(HOST, true, stack, "play", "noise")
        host.wait_event("playing")
        friends = [on.listener(at, dac, stack, "join", on.address(HOST)) for at, dac in zip(FRIENDS, dacs, strict=True)]
        for friend in friends:
            friend.wait_event("playing")
            for _ in range(round(SETTLE_S)):
                friend.wait_event("offset")
        lost_ns = time.monotonic_ns()
        if how == "killed":
            host.kill_group()
        else:
            on.wan.cut(HOST)
        time.sleep(AFTER_S + 0.5)
        stalled = sum(len(friend.events_named("stalled")) for friend in friends)
        hosts = sum(bool(friend.events_named("hosting")) for friend in friends)
        records = [dac.recording() for dac in dacs]
        song = song_from(true.recording().sound_times_ns()[0])
        for friend in reversed(friends):
            friend.kill_group()
        host.kill_group()
    on.wan.heal()
    from_ns, seconds = lost_ns - BEFORE_S * _NS, BEFORE_S + AFTER_S
    ways = [lags(record, song, from_ns, seconds) for record in records]
    return Heard(
        max(record.longest_silence_s() for record in records) * 1e6,
        max(moved_us(way, BEFORE_S) for way in ways),
        moved_us(lags(records[0], records[1], from_ns, seconds), BEFORE_S),
        stalled,
        hosts,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--line", action="append", choices=list(LINES), help="default: all")
    parser.add_argument("--how", action="append", choices=("killed", "cut"), help="default: both")
    parser.add_argument("--realtime", action="store_true", help="run players and line before others (chrt -r)")
    parser.add_argument("--each", action="store_true", help="print every run")
    args = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    print("| line | host | without a gap | silent us, worst | jump us, median / worst | apart us, median / worst |")
    print("|---" * 6 + "|", flush=True)
    for line in args.line or LINES:
        for how in args.how or ("killed", "cut"):
            runs = []
            with stage(line, song_s=SONG_S, realtime=args.realtime) as on:
                for _ in range(args.runs):
                    runs.append(one_run(on, how))
                    if args.each:
                        print(runs[-1], flush=True)
            whole = sum(run.silent_us < 1_000 and not run.stalled and run.hosts == 1 for run in runs)
            cells = [f"{whole} of {len(runs)}", f"{max(run.silent_us for run in runs):,.0f}"]
            for values in ([run.jump_us for run in runs], [run.apart_us for run in runs]):
                cells.append(f"{statistics.median(values):,.0f} / {max(values):,.0f}")
            print(f"| {line} | {how} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
