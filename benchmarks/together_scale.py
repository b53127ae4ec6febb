"""How many friends a host carries, and what it costs: real programs, real sockets, lines with limits.

    python -m benchmarks.together_scale [--what thin stalled floods crowd] [--friends N] [--realtime]

thin: 84 friends of a host whose line sends 1 Mbit/s, as do theirs; needs root. stalled: 64 friends, one never reads.
floods: 64 friends, beside strangers and friends who misbehave. crowd: 256 friends of one host. The host is the client
itself (`user.py`), a friend everything of a follower but its sound device, or less (`benchmarks.crowd`).
"""

import argparse
import sys

from benchmarks.crowd import local
from benchmarks.crowd.thin import Thin, measure
from tests.kit.wan import unavailable

WHAT = {"thin": 84, "stalled": 64, "floods": 64, "crowd": 256}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", choices=list(WHAT), default=list(WHAT))
    parser.add_argument("--friends", type=int, help="default: as many as the goal says")
    parser.add_argument("--upload-mbit", type=float, default=1.0, help="of each line (thin)")
    parser.add_argument("--delay", type=float, default=0.0, help="ms between host and friends, each way (thin)")
    parser.add_argument("--settle", type=float, default=45.0, help="seconds that do not count (thin)")
    parser.add_argument("--seconds", type=float, default=60.0, help="that count")
    parser.add_argument("--realtime", action="store_true", help="run host and friends before others (chrt -r)")
    args = parser.parse_args()
    for what in args.what:
        friends = args.friends or WHAT[what]
        match what:
            case "thin":
                if reason := unavailable():
                    sys.exit(reason)
                bps = round(args.upload_mbit * 1e6)
                measure(Thin(friends, bps, args.delay, args.settle, args.seconds, args.realtime))
            case "stalled":
                local.stalled(friends, args.realtime)
            case "floods":
                local.floods(friends, args.seconds, args.realtime)
            case "crowd":
                local.crowd(friends, args.seconds, args.realtime)


if __name__ == "__main__":
    main()
