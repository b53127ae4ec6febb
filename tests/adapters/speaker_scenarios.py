"""What the speakers' tests let a child process do; each line of its output is one JSON object.

python -m tests.adapters.speaker_scenarios NAME
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hocket.adapters.outputs import Drained, Lost, Output, Started, Underrun
from hocket.adapters.outputs.speakers import SpeakersOutput
from hocket.core.clock import NS_PER_S
from hocket.core.errors import HocketError
from hocket.core.sound import AudioFormat
from tests.adapters.output_kit import CD, EventLog, closing, counted_bytes, counted_frames, feed, wait_until

SECOND = CD.rate_hz


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


@contextmanager
def busy_interpreter() -> Iterator[None]:
    """Another thread that never gives the interpreter up by itself."""
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            sum(range(1_000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def settled_frame(output: Output) -> int:
    """Where a pause left the music, once what the device held has been heard."""
    since = time.monotonic()
    frame = -1

    def is_still() -> bool:
        nonlocal since, frame
        if output.played_frames != frame:
            frame, since = output.played_frames, time.monotonic()
        return time.monotonic() - since > 2 * output.latency_s

    wait_until(is_still, "a still position")
    return frame


def whole_track() -> None:
    """Two tracks of one format, one after the other, with the interpreter kept busy."""
    log = EventLog()
    with closing(SpeakersOutput(log)) as output, busy_interpreter():
        output.open(CD)
        output.start()
        feed(output, counted_frames(2 * SECOND), log)
        feed(output, counted_frames(2 * SECOND, 2 * SECOND), log)
        output.drain()
        drained = log.wait(Drained)
        tell(drained=drained.frame, underruns=output.underruns, starts=len(log.of(Started)), at=output.played_frames)


def pauses_and_seek() -> None:
    """Pauses long and short, then a seek."""
    log = EventLog()
    track = counted_frames(5 * SECOND)
    with closing(SpeakersOutput(log)) as output, busy_interpreter():
        output.open(CD)
        output.start()
        output.write(track[: 4 * SECOND])
        wait_until(lambda: output.played_frames > SECOND // 2, "half a second")
        output.pause()
        paused_at = settled_frame(output)
        output.resume()
        feed(output, track[4 * SECOND : 4 * 2 * SECOND], log)
        for _ in range(3):
            output.pause()
            output.resume()
        wait_until(lambda: output.played_frames > paused_at + SECOND // 4, "a quarter more")
        output.pause()
        left_at = settled_frame(output)
        output.flush(4 * SECOND)
        at_once = output.played_frames
        output.resume()
        feed(output, track[4 * 4 * SECOND :], log)
        output.drain()
        log.wait(Drained)
        tell(left_at=left_at, at_once=at_once, underruns=output.underruns)


def volume() -> None:
    """Down to nothing and up again while a second waits in the ring."""
    log = EventLog()
    with closing(SpeakersOutput(log)) as output:
        output.open(CD)
        output.start()
        track = counted_frames(3 * SECOND)
        output.write(track[: 4 * SECOND])
        wait_until(lambda: output.played_frames > SECOND // 4, "a quarter of a second")
        output.set_volume(0.0)
        muted_at = output.played_frames
        feed(output, track[4 * SECOND :], log)
        wait_until(lambda: output.played_frames > 3 * SECOND // 2, "one second and a half")
        output.set_volume(1.0)
        loud_at = output.played_frames
        output.drain()
        log.wait(Drained)
        tell(muted_at=muted_at, loud_at=loud_at, underruns=output.underruns)


def starved() -> None:
    """Fed too late once, then drained with nothing left."""
    log = EventLog()
    with closing(SpeakersOutput(log)) as output:
        output.open(CD)
        output.start()
        output.write(counted_frames(SECOND // 4))
        dry = log.wait(Underrun)
        output.write(counted_frames(SECOND // 4, SECOND // 4))
        output.drain()
        drained = log.wait(Drained).frame
        output.drain()
        again = log.wait(Drained, 2).frame
        output.flush(90)
        output.drain()
        empty = log.wait(Drained, 3).frame
        tell(dry_at=dry.frame, underruns=output.underruns, drained=drained, again=again, empty=empty)


def planned() -> None:
    """Start, pause and start again at given instants, and the clock's points meanwhile."""
    log = EventLog()
    with closing(SpeakersOutput(log)) as output:
        output.open(CD)
        output.write(counted_frames(SECOND))
        start_ns = time.monotonic_ns() + NS_PER_S // 2
        pause_ns = start_ns + 5 * NS_PER_S // 4
        again_ns = pause_ns + NS_PER_S // 4
        output.start(start_ns)
        output.pause(pause_ns)
        output.start(again_ns)
        rest = memoryview(counted_frames(2 * SECOND, SECOND))
        points: set[tuple[int, int, int]] = set()

        def note() -> bool:
            nonlocal rest
            rest = rest[4 * output.write(rest) :]
            if (point := output.device_time()) is not None:
                points.add((point.frame, point.monotonic_ns, point.line))
            return output.played_frames > 5 * SECOND // 2

        wait_until(note, "two seconds and a half")
        output.drain()
        log.wait(Drained)
        tell(instants=[start_ns, pause_ns, again_ns], points=sorted(points), underruns=output.underruns)


def other_format(rate_hz: str, channels: str, bits: str) -> None:
    """Half a second of counted bytes in some format."""
    format = AudioFormat(int(rate_hz), int(channels), int(bits))
    log = EventLog()
    with closing(SpeakersOutput(log)) as output:
        output.open(format)
        output.start()
        feed(output, counted_bytes(format), log, format.bytes_per_frame)
        output.drain()
        tell(drained=log.wait(Drained).frame, underruns=output.underruns)


def lost() -> None:
    """Plays until the sound server is gone, then opens anew when told to."""
    log = EventLog()
    with closing(SpeakersOutput(log)) as output:
        output.open(CD)
        output.start()
        output.write(counted_frames(SECOND))
        log.wait(Started)
        tell(playing=True)
        error = log.wait(Lost).error
        tell(code=error.code, text=str(error), room=output.room_frames, taken=output.write(b"abcd"))
        for _ in sys.stdin:
            try:
                output.open(CD, start_frame=7)
            except HocketError as refused:
                tell(code=refused.code, text=str(refused))
            else:
                output.start()
                output.write(counted_frames(SECOND))
                tell(started=log.wait(Started, 2).frame)


def opened(device: str = "") -> None:
    """Only opens the device of that name."""
    with closing(SpeakersOutput(EventLog(), device=device)) as output:
        try:
            output.open(CD)
        except HocketError as refused:
            tell(code=refused.code, text=str(refused))
        else:
            tell(latency_s=output.latency_s)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
