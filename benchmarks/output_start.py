"""How long from the first `write` until the first frame is handed to the device, for each output.

    python -m benchmarks.output_start [--rounds 15]

Speakers play into a PulseAudio null sink of the benchmark's own. `opened` was open for half a second, as
when a track follows another; `fresh` is opened, started and written to in one go, and so counts opening too.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hocket.adapters.outputs import Output, OutputEvent, Started, make_output
from hocket.core.sound import AudioFormat
from tests.kit.pulse import pulse_daemon

CD = AudioFormat(44_100, 2, 16)
SECOND = bytes(CD.bytes_per_second)
SETTLE_S = 0.5

Make = Callable[[Callable[[OutputEvent], object]], Output]


def start_ms(make: Make, settle_s: float) -> float:
    """One start, in milliseconds."""
    began = threading.Event()
    output = make(lambda event: began.set() if isinstance(event, Started) else None)
    fresh_ns = time.monotonic_ns()
    try:
        output.open(CD)
        output.start()
        if settle_s:
            threading.Event().wait(settle_s)
            fresh_ns = time.monotonic_ns()
        output.write(SECOND)
        if not began.wait(10.0):
            raise SystemExit("the output did not start")
        return (time.monotonic_ns() - fresh_ns) / 1e6
    finally:
        output.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="pa-") as folder, pulse_daemon(Path(folder)) as pulse:
        os.environ.update(pulse.env)
        for kind in ("null", f"wav:{folder}/out.wav", "speakers"):
            for name, settle_s in (("opened", SETTLE_S), ("fresh", 0.0)):

                def make(on_event: Callable[[OutputEvent], object], kind: str = kind) -> Output:
                    return make_output(kind, on_event)

                start_ms(make, settle_s)  # loads libraries
                times = sorted(start_ms(make, settle_s) for _ in range(rounds))
                print(
                    f"{kind.partition(':')[0]:9} {name:7} median {statistics.median(times):6.1f} ms"
                    f"  worst {times[-1]:6.1f} ms"
                )


if __name__ == "__main__":
    main()
