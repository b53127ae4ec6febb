"""How soon a friend hears the right sound, and how near to the host it is then: joining, and joining again.

    python -m benchmarks.together_join [--runs 20] [--line loopback|wan] [--realtime]

One plays, another one joins, and does so again: in another process, at a prompt, and there once more after leaving.
Each plays through a simulated converter (the friend's 100 ppm off). `sound ms`: from the end of the log-in, or from
the word at the prompt, until the first sample has left the converter. Offsets against what the host played, in
windows of 0.1 s after the first sample; `in step`: so long after it the last one ends that is more than 1 ms off.
Needs root and a C compiler.
"""

import argparse
import statistics
import sys
import time
from contextlib import ExitStack

from benchmarks.together_stage import DACS_PPM, FRIENDS, HOST, LINES, WINDOW_S, Lags, Stage, lags, stage
from tests.kit.simdac import SimDac
from tests.kit.wan import unavailable

LISTEN_S = 3.0
JOINS = ("first", "another process", "at a prompt", "left and came back")
STEP_US = 1_000.0
_NS = 1_000_000_000


def one_run(on: Stage) -> list[tuple[float, Lags]]:
    """Milliseconds until the first sound, and the offsets from there on, for each of JOINS."""
    friend_on = FRIENDS[0]
    joins: list[int] = []
    with SimDac() as true, SimDac(ppm=DACS_PPM[0]) as dac, SimDac() as idle, ExitStack() as stack:
        host = on.listener(HOST, true, stack, "play", "noise")
        host.wait_event("playing")
        other = on.listener(FRIENDS[1], idle, stack, "join", on.address(HOST))  # so that the host knows its hashes
        other.wait_event("playing")
        for _ in range(2):
            friend = on.listener(friend_on, dac, stack, "join", on.address(HOST))
            friend.wait_event("logged_in")
            joins.append(time.monotonic_ns())
            friend.wait_event("playing")
            for _ in range(round(LISTEN_S) + 1):
                friend.wait_event("position")
            friend.stop()
        come_and_go = on.prompt(friend_on, dac, stack)
        for _ in range(2):
            joins.append(time.monotonic_ns())
            come_and_go.write_line(f"join {on.address(HOST)}")
            come_and_go.wait_line("^listening along with")
            time.sleep(LISTEN_S + 1)
            come_and_go.write_line("leave")
        come_and_go.stop()
        truth, played = true.recording(), dac.recording()
    found: list[tuple[float, Lags]] = []
    for joined_ns in joins:
        run = next(run for run in played.runs if run.start_ns + run.frames.any(axis=1).argmax() * 20_833 > joined_ns)
        first_ns = run.start_ns + run.frames.any(axis=1).argmax() / run.rate_hz * _NS
        found.append((float(first_ns - joined_ns) / 1e6, lags(played, truth, first_ns, LISTEN_S)))
    return found


def in_step_after_s(found: Lags) -> float:
    """Seconds after the first sample from which on it is within STEP_US."""
    return max(
        (t + WINDOW_S / 2 for t, us in zip(found.t_s, found.lag_us, strict=True) if abs(us) > STEP_US), default=0.0
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--line", action="append", choices=list(LINES), help="default: all")
    parser.add_argument("--realtime", action="store_true", help="run players and line before others (chrt -r)")
    args = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    print("Median / worst of the runs.\n")
    print("| line | | runs | sound ms | first 0.5 s us | at 1 s us | at 2 s us | in step s |\n" + "|---" * 8 + "|")
    for line in args.line or LINES:
        with stage(line, song_s=60, realtime=args.realtime) as on:
            runs = [one_run(on) for _ in range(args.runs)]
        for index, name in enumerate(JOINS):
            sound_ms = [run[index][0] for run in runs]
            cells = [f"{statistics.median(sound_ms):.0f} / {max(sound_ms):.0f}"]
            for low_s, high_s in ((0.0, 0.5), (0.8, 1.2), (1.8, 2.2)):
                worst = [
                    max((abs(us) for t, us in zip(at.t_s, at.lag_us, strict=True) if low_s <= t < high_s), default=6e4)
                    for _, at in (run[index] for run in runs)
                ]
                cells.append(f"{statistics.median(worst):,.0f} / {max(worst):,.0f}")
            late_s = [in_step_after_s(run[index][1]) for run in runs]
            cells.append(f"{statistics.median(late_s):.1f} / {max(late_s):.1f}")
            print(f"| {line} | {name} | {len(runs)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
