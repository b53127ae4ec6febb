"""What the fan-out itself costs a host, sockets left out.

    python -m benchmarks.ring [--friends 256] [--kbit 160]

Prints the share of one core that so many friends cost in bursts of 200 ms, once with all of them reading
and once with a quarter that never read, and the most bytes that the ring held (medians of 5 runs).
"""

import argparse
import statistics
import time

from hocket.relay.ring import BURST_NS, RING_BYTES, Cursor, Ring

SECONDS = 10
SEND_BYTES = 64 * 1024


def run(friends: int, kbit: int, stalled: int) -> tuple[float, int]:
    """Share of a core, and the most bytes held."""
    ring = Ring(RING_BYTES)
    cursors = [Cursor(ring) for _ in range(friends)]
    per_burst = kbit * 125 * BURST_NS // 10**9
    most = 0
    start_s = time.process_time()
    for burst in range(SECONDS * 10**9 // BURST_NS):
        for _ in range(4):
            ring.push(bytes(per_burst // 4))
        ring.release()
        most = max(most, ring.size_bytes)
        for number, cursor in enumerate(cursors):
            cursor.push_time(b"t" * 48)
            for _ in range(2):
                chunk = cursor.next_bytes(SEND_BYTES)
                if number >= stalled:
                    cursor.consumed(len(chunk))
            if burst % 50 == 0:
                cursor.push_control(b"c" * 200)
    return (time.process_time() - start_s) / SECONDS, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--friends", type=int, default=256)
    parser.add_argument("--kbit", type=int, default=160)
    args = parser.parse_args()
    for stalled in (0, args.friends // 4):
        runs = [run(args.friends, args.kbit, stalled) for _ in range(5)]
        share = statistics.median(share for share, _ in runs)
        most = max(most for _, most in runs)
        print(f"{args.friends} friends, {stalled} stalled: {share:.2%} of a core, ring at most {most} bytes")


if __name__ == "__main__":
    main()
