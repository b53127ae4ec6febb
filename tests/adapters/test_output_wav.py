"""The wav output: the very samples, a file that is whole at any moment, errors with a reason."""

import os
import resource
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from hocket.adapters.outputs import Drained, FileUnwritable, Lost, Started, Underrun
from hocket.adapters.outputs.wavfile import WavOutput, WavSink
from hocket.core.errors import ErrorCode
from hocket.core.sound import AudioFormat
from tests.adapters.output_kit import CD, EventLog, closing, counted_frames, feed, wait_until, wav_data

FORMATS = [
    AudioFormat(8_000, 1, 8),
    CD,
    AudioFormat(96_000, 2, 24),
    AudioFormat(48_000, 6, 32),
    AudioFormat(48_000, 2, 32, is_float=True),
]


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_a_whole_track_comes_out_bit_by_bit(format: AudioFormat, tmp_path: Path) -> None:
    data = os.urandom(format.bytes_per_frame * (format.rate_hz + 1))
    log = EventLog()
    with closing(WavOutput(log, tmp_path / "out.wav", fast=True)) as output:
        output.open(format)
        output.start()
        feed(output, data, log, format.bytes_per_frame)
        output.drain()
        log.wait(Drained)
    assert wav_data(tmp_path / "out.wav") == data
    assert (tmp_path / "out.wav").stat().st_size % 2 == 0


def test_in_real_time_through_a_pause_an_underrun_and_a_seek(tmp_path: Path) -> None:
    data = counted_frames(44_100)
    log = EventLog()
    with closing(WavOutput(log, tmp_path / "out.wav")) as output:
        output.open(CD)
        output.start()
        output.write(data[: 4 * 4_000])
        wait_until(lambda: output.played_frames > 1_000, "frame 1000")
        output.pause()
        output.resume()
        log.wait(Underrun)
        output.write(data[4 * 4_000 : 4 * 40_000])
        wait_until(lambda: output.played_frames > 6_000, "frame 6000")
        output.pause()
        left_at = output.played_frames
        output.flush(40_000)
        output.write(data[4 * 40_000 : 4 * 43_000])
        output.resume()
        output.drain()
        log.wait(Drained)
        assert output.underruns == 1
    assert wav_data(tmp_path / "out.wav") == data[: 4 * left_at] + data[4 * 40_000 : 4 * 43_000]


def test_the_volume_is_in_the_file_and_full_volume_touches_nothing(tmp_path: Path) -> None:
    data = counted_frames(30_000)
    log = EventLog()
    with closing(WavOutput(log, tmp_path / "out.wav", fast=True)) as output:
        output.open(CD)
        output.set_volume(0.0)
        output.set_volume(1.0)
        output.start()
        feed(output, data[: 4 * 10_000], log)
        output.drain()
        log.wait(Drained)
        output.set_volume(0.5)
        feed(output, data[4 * 10_000 : 4 * 20_000], log)
        output.drain()
        log.wait(Drained, 2)
        output.set_volume(1.0)
        feed(output, data[4 * 20_000 :], log)
        output.drain()
        log.wait(Drained, 3)
    samples = memoryview(wav_data(tmp_path / "out.wav")).cast("h")
    source = memoryview(data).cast("h")
    ramp = 2 * 882
    assert samples[ramp:20_000] == source[ramp:20_000]
    assert all(abs(samples[index] - source[index] / 2) <= 0.5 for index in range(20_000 + ramp, 40_000))
    assert samples[40_000 + ramp :] == source[40_000 + ramp :]


def test_a_volume_chosen_before_opening_holds_from_the_first_frame(tmp_path: Path) -> None:
    log = EventLog()
    with closing(WavOutput(log, tmp_path / "out.wav", fast=True)) as output:
        output.set_volume(0.0)
        output.open(CD)
        output.start()
        feed(output, counted_frames(5_000), log)
        output.drain()
        log.wait(Drained)
    assert not any(wav_data(tmp_path / "out.wav"))


def test_another_format_or_another_opening_begins_another_file(tmp_path: Path) -> None:
    log = EventLog()
    with closing(WavOutput(log, tmp_path / "out.wav", fast=True)) as output:
        output.open(CD)
        output.start()
        feed(output, b"abcd", log)
        output.drain()
        log.wait(Drained)
        output.open(CD)
        output.start()
        feed(output, b"efgh", log)
        output.drain()
        log.wait(Drained, 2)
        mono = AudioFormat(8_000, 1, 8)
        output.open(mono)
        output.start()
        feed(output, b"xyz", log, 1)
        output.drain()
        log.wait(Drained, 3)
    assert wav_data(tmp_path / "out.wav") == b"abcdefgh"
    assert wav_data(tmp_path / "out-2.wav") == b"xyz"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-2.wav", "out.wav"]


_PLAYER = """
import sys
from hocket.adapters.outputs.wavfile import WavOutput
from tests.adapters.output_kit import CD, EventLog, counted_frames, feed, wait_until
log = EventLog()
output = WavOutput(log, sys.argv[1])
output.open(CD)
output.start()
output.write(counted_frames(44_100))
wait_until(lambda: output.played_frames > 12_000, "frame 12000")
print("playing", flush=True)
feed(output, counted_frames(44_100 * 60, 44_100), log)
"""


def test_a_killed_player_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with subprocess.Popen([sys.executable, "-c", _PLAYER, str(path)], stdout=subprocess.PIPE) as player:
        assert player.stdout is not None
        assert player.stdout.readline() == b"playing\n"
        player.send_signal(signal.SIGKILL)
    data = wav_data(path)
    assert len(data) >= 4 * 2_000
    assert data == counted_frames(len(data) // 4)
    with wave.open(str(path)) as file:
        assert file.getnframes() == len(data) // 4


def test_an_unwritable_place_is_refused_with_the_reason(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "out.wav", tmp_path):
        output = WavOutput(EventLog(), path)
        with pytest.raises(FileUnwritable, match=r"cannot write .*(No such file|Is a directory)") as caught:
            output.open(CD)
        assert caught.value.code is ErrorCode.DATA_UNWRITABLE
        assert output.format is None
        output.close()


@pytest.fixture
def small_disk() -> Iterator[int]:
    """No file of this process may grow past so many bytes, as on a full disk."""
    limit = 100_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_told_once_and_what_was_written_stays_readable(tmp_path: Path, small_disk: int) -> None:
    log = EventLog()
    data = counted_frames(44_100)
    with closing(WavOutput(log, tmp_path / "out.wav", fast=True)) as output:
        output.open(CD)
        output.start()
        output.write(data[:40_000])
        log.wait(Started)
        wait_until(lambda: output.room_frames == 44_100, "the file's turn")
        output.write(data[40_000:])
        error = log.wait(Lost).error
        assert isinstance(error, FileUnwritable)
        assert "File too large" in error.text
        assert output.room_frames == output.write(b"abcd") == 0
    assert len(log.of(Lost)) == 1
    assert wav_data(tmp_path / "out.wav") == data[:40_000]


def test_a_device_that_is_full_from_the_start(tmp_path: Path) -> None:
    output = WavOutput(EventLog(), "/dev/full")
    with pytest.raises(FileUnwritable):
        output.open(CD)


def test_a_sink_that_is_not_open_takes_nothing(tmp_path: Path) -> None:
    sink = WavSink(tmp_path / "out.wav")
    sink.close()
    with pytest.raises(RuntimeError, match="not open"):
        sink.write(b"abcd")
