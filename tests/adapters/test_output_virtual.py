"""The null output: real time on a virtual device, its events and its threads."""

import threading
import time

import pytest

from hocket.adapters.outputs import Drained, Room, Started, Underrun, make_output
from hocket.adapters.outputs.null import NullOutput
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.sound import AudioFormat
from tests.adapters.output_kit import CD, EventLog, closing, feed, wait_until

MONO = AudioFormat(8_000, 1, 8)


def test_frames_are_heard_at_the_rate_and_then_drained() -> None:
    log = EventLog()
    with closing(NullOutput(log)) as output:
        output.open(MONO, start_frame=500)
        assert output.write(bytes(1_600)) == 1_600
        assert output.queued_frames == 1_600
        output.start()
        started = log.wait(Started)
        output.drain()
        assert log.wait(Drained) == Drained(2_100)
        assert time.monotonic_ns() - started.monotonic_ns >= 0.2 * NS_PER_S
        assert started.frame == 500
        assert output.played_frames == 2_100
        assert output.queued_frames == output.underruns == 0
        assert output.device_time() is None


def test_position_and_device_time_agree_with_the_clock() -> None:
    with closing(NullOutput(EventLog())) as output:
        output.open(CD, start_frame=1_000)
        output.write(bytes(4 * 40_000))
        output.start()
        first = output.device_time()
        assert first is not None
        for _ in range(50):
            before = time.monotonic_ns()
            point = output.device_time()
            after = time.monotonic_ns()
            assert point is not None
            assert before - NS_PER_S // CD.rate_hz - 2 <= point.monotonic_ns <= after
            assert output.played_frames >= point.frame
            elapsed_ns = (point.frame - first.frame) * NS_PER_S / CD.rate_hz
            assert abs(point.monotonic_ns - first.monotonic_ns - elapsed_ns) <= 2
            assert point.line == first.line


def test_a_full_buffer_asks_for_more_once_half_of_it_is_free() -> None:
    log = EventLog()
    with closing(NullOutput(log)) as output:
        output.open(MONO)
        assert output.write(bytes(20_000)) == 8_000, "a second of buffer"
        assert output.room_frames == output.write(b"\0") == 0
        output.start()
        assert log.wait(Room).frames >= 4_000
        assert output.played_frames >= 4_000
        assert len(log.of(Room)) == 1


def test_an_underrun_is_told_and_playing_goes_on_when_fed() -> None:
    log = EventLog()
    with closing(NullOutput(log)) as output:
        output.open(MONO)
        output.start()
        output.write(bytes(80))
        assert log.wait(Underrun).frame == 80
        output.write(bytes(80))
        assert log.wait(Started, 2).frame == 80
        assert log.wait(Underrun, 2).frame == 160
        assert output.underruns == 2


def test_a_pause_holds_the_place_and_a_flush_moves_it() -> None:
    log = EventLog()
    with closing(NullOutput(log)) as output:
        output.open(MONO)
        output.write(bytes(8_000))
        output.start()
        wait_until(lambda: output.played_frames > 100, "frame 100")
        output.pause()
        held = output.played_frames
        assert output.device_time() is None
        output.resume()
        assert log.wait(Started, 2).frame == held
        output.flush(70_000)
        assert output.played_frames == 70_000
        output.write(bytes(400))
        output.drain()
        assert log.wait(Drained).frame == 70_400
        assert output.underruns == 0


def test_a_start_can_be_planned_to_the_nanosecond() -> None:
    log = EventLog()
    with closing(NullOutput(log)) as output:
        output.open(CD)
        output.write(bytes(4 * 4_410))
        at_ns = time.monotonic_ns() + NS_PER_S // 20
        output.start(at_ns)
        assert log.wait(Started) == Started(0, at_ns)


def test_fast_takes_everything_at_once() -> None:
    log = EventLog()
    with closing(NullOutput(log, fast=True)) as output:
        output.open(CD)
        output.start()
        feed(output, bytes(4 * 44_100 * 60), log)
        output.drain()
        assert log.wait(Drained).frame == 44_100 * 60
        assert output.underruns == 0


def test_tracks_of_one_format_join_and_another_format_opens_anew() -> None:
    log = EventLog()
    with closing(NullOutput(log)) as output:
        output.open(MONO)
        output.write(bytes(400))
        output.start()
        output.write(bytes(400))
        output.drain()
        assert log.wait(Drained).frame == 800
        assert len(log.of(Started)) == 1, "a gap between two writes"
        output.open(CD, start_frame=7)
        assert (output.format, output.played_frames, output.queued_frames) == (CD, 7, 0)
        output.write(bytes(400))
        assert output.played_frames == 7, "open leaves it silent"


def test_opening_again_in_the_same_format_drops_what_was_queued() -> None:
    with closing(NullOutput(EventLog())) as output:
        output.open(MONO)
        output.write(bytes(8_000))
        output.start()
        thread_count = threading.active_count()
        output.open(MONO, start_frame=9)
        assert (output.played_frames, output.queued_frames) == (9, 0)
        assert threading.active_count() == thread_count


def test_close_ends_the_thread_and_may_be_repeated() -> None:
    before = set(threading.enumerate())
    output = NullOutput(EventLog())
    output.open(MONO)
    output.write(bytes(8_000))
    output.start()
    output.close()
    output.close()
    assert set(threading.enumerate()) == before
    assert output.format is None
    assert output.room_frames == 0
    with pytest.raises(RuntimeError, match="not open"):
        output.write(b"\0")


def test_a_broken_frame_is_a_bug_of_the_caller() -> None:
    with closing(NullOutput(EventLog())) as output:
        output.open(CD)
        with pytest.raises(ValueError, match="whole frames"):
            output.write(bytes(6))


@pytest.mark.parametrize("gain", [-0.1, 1.1, float("nan")])
def test_gains_outside_of_0_to_1_are_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="not in 0 to 1"):
        NullOutput(EventLog()).set_volume(gain)


def test_outputs_by_name() -> None:
    assert isinstance(make_output("null", EventLog()), NullOutput)
    assert type(make_output("wav:x.wav", EventLog())).__name__ == "WavOutput"
    for name in ("nul", "wav", "wav:", ""):
        with pytest.raises(HocketError) as caught:
            make_output(name, EventLog())
        assert caught.value.code is ErrorCode.USAGE
