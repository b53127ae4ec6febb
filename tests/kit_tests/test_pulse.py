"""The null sink's recording holds exactly what was played."""

import struct
import sys

import pytest

from tests.kit.processes import Program, run_to_end
from tests.kit.pulse import Pulse, python_env

pytestmark = pytest.mark.sound

# The right channel counts, so that every lost, repeated or changed frame shows.
COUNTED = b"".join(struct.pack("<hh", 1000, frame % 32768) for frame in range(22_050))


def _play(pulse: Pulse, samples: bytes) -> None:
    command = ["pacat", "--playback", "--raw", "--format=s16le", "--rate=44100", "--channels=2"]
    with Program(command, env=pulse.env) as player:
        player.write_bytes(samples)
        player.close_stdin()
        assert player.wait_exit() == 0


def test_a_recording_holds_every_frame_that_was_played(pulse: Pulse) -> None:
    with pulse.recording() as recording:
        _play(pulse, COUNTED)
        start = recording.wait_for(COUNTED)
    assert start % 4 == 0
    assert recording.data[start : start + len(COUNTED)] == COUNTED


def test_a_changed_frame_shows(pulse: Pulse) -> None:
    changed = bytearray(COUNTED)
    changed[40_002] ^= 1
    with pulse.recording() as recording:
        _play(pulse, bytes(changed))
        recording.wait_for(bytes(changed))
        with pytest.raises(AssertionError, match="40002 of 88200 bytes match"):
            recording.wait_for(COUNTED, timeout_s=0.1)


def test_portaudio_reaches_it(pulse: Pulse) -> None:
    asked = run_to_end(
        [sys.executable, "-c", "import sounddevice; print(sounddevice.query_devices('default')['name'])"],
        env=python_env(pulse),
    )
    assert asked.returncode == 0, asked.stderr
    assert "default" in asked.stdout
