"""How well the output, its clock and the playout loop keep a given timeline, without any network.

    python -m benchmarks.playout [--seconds 60] [--ppm 100]

Two players of one timeline (position = time since a common instant) play band-limited noise on two
simulated converters, one `ppm` fast and one slow. What truly left them is compared.
"""

import argparse
import json
import sys
import threading
import time

import numpy as np

from hocket.adapters.outputs.speakers import SpeakersOutput
from hocket.audio.events import DeviceTime
from hocket.audio.pcm import from_float
from hocket.audio.playout import Playout, Verdict
from hocket.audio.stretch import Stretch
from hocket.core.clock import NS_PER_S
from hocket.core.sound import AudioFormat
from tests.kit.offset import offsets
from tests.kit.processes import Program
from tests.kit.simdac import SimDac

CD = AudioFormat(44_100, 2, 16)
QUEUE_S = 0.35
STEP_S = 0.05
LEAD_NS = NS_PER_S // 2


def music(seconds: float) -> bytes:
    """The same noise for every player."""
    white = np.random.default_rng(11).normal(0, 0.3, round(seconds * CD.rate_hz) + 64)
    smooth = np.convolve(white, np.hanning(12) / np.hanning(12).sum(), "valid").astype(np.float32)
    return from_float(np.stack([smooth, smooth], axis=1), CD)


def play(origin_ns: int, seconds: float) -> None:
    """Be at frame (now - origin) x rate, for so long."""
    data = music(seconds + 3)
    output = SpeakersOutput(lambda event: None, device="simdac")
    playout, stretch = Playout(CD.rate_hz), Stretch(CD)
    output.open(CD)
    written = 0
    anchors = 0
    last: DeviceTime | None = None
    time.sleep(max(0.0, (origin_ns - time.monotonic_ns()) / NS_PER_S))
    try:
        playing = False
        while time.monotonic_ns() < origin_ns + seconds * NS_PER_S:
            if not playing:
                anchors += 1
                output.pause()
                output.flush(0)
                frame = (time.monotonic_ns() + LEAD_NS - origin_ns) * CD.rate_hz // NS_PER_S
                stretch.anchor(frame)
                written, playing, last = 0, True, None
                output.start(origin_ns + frame * NS_PER_S // CD.rate_hz)
                playout.anchored()
            frames = round(QUEUE_S * CD.rate_hz) - output.queued_frames
            start = stretch.wanted_frame * CD.bytes_per_frame
            stretch.feed(data[start : start + (frames + 64) * CD.bytes_per_frame])
            written += output.write(stretch.take(frames, playout.ratio))
            point = output.device_time()
            if point is not None and point != last and point.frame > 0:
                last = point
                due_ns = point.monotonic_ns + playout.ahead_ns(written - point.frame, output.latency_s)
                error = stretch.position - (due_ns - origin_ns) * CD.rate_hz / NS_PER_S
                playing = playout.update(error, time.monotonic()) is Verdict.GO_ON
            threading.Event().wait(STEP_S)
    finally:
        output.close()
    print(
        json.dumps(
            {
                "learnt_ppm": round(playout.learnt * 1e6, 1),
                "noise_us": round(playout.noise_s * 1e6, 1),
                "anchors": anchors,
                "underruns": output.underruns,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ppm", type=float, default=100.0)
    parser.add_argument("--play", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.play is not None:
        play(args.play, args.seconds)
        return
    origin_ns = time.monotonic_ns() + 2 * NS_PER_S
    command = [sys.executable, "-m", "benchmarks.playout", "--play", str(origin_ns), "--seconds", str(args.seconds)]
    with SimDac(ppm=args.ppm) as fast, SimDac(ppm=-args.ppm) as slow:
        with Program(command, env=fast.env) as one, Program(command, env=slow.env) as other:
            for player in (one, other):
                print(player.wait_line("learnt", timeout_s=args.seconds + 30).string)
                player.wait_exit()
        for skip_s in (0.0, 2.0, 15.0):
            print(f"after {skip_s:4.1f} s: {offsets(fast.recording(), slow.recording(), skip_s=skip_s)}")


if __name__ == "__main__":
    main()
