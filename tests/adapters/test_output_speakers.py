"""Speakers for real: what a null sink records, and what leaves a simulated converter at which instant."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hocket.audio.pcm import to_float
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode
from hocket.core.sound import AudioFormat
from tests.adapters.output_kit import CD, counted_bytes, counted_frames
from tests.kit.processes import Program, run_to_end
from tests.kit.pulse import Pulse, Recording, pulse_daemon
from tests.kit.simdac import SimDac

pytestmark = pytest.mark.sound

SECOND = CD.rate_hz


def command(scenario: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.adapters.speaker_scenarios", scenario, *arguments]


@contextmanager
def scenario(pulse: Pulse, name: str) -> Iterator[tuple[dict[str, Any], Recording]]:
    """What a scenario told at its end, and what was heard of it."""
    with pulse.recording() as recording:
        done = run_to_end(command(name), env=dict(pulse.env))
        assert done.returncode == 0, done.stderr
        assert done.stderr == "", "noise on stderr"
        yield json.loads(done.stdout), recording


def sounding(data: bytes) -> bytes:
    """All frames but silent ones."""
    frames = np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2)
    return frames[frames.any(axis=1)].tobytes()


def heard_from(recording: Recording, last_frames: bytes) -> bytes:
    """Everything that sounded, up to these last frames and with them."""
    end = recording.wait_for(last_frames) + len(last_frames)
    return sounding(recording.data[:end])


def test_tracks_are_heard_bit_by_bit_and_without_a_gap_by_a_busy_interpreter(pulse: Pulse) -> None:
    whole = counted_frames(4 * SECOND)
    with scenario(pulse, "whole_track") as (told, recording):
        recording.wait_for(whole)
        assert heard_from(recording, whole[-4_000:]) == sounding(whole)
    assert told == {"drained": 4 * SECOND, "underruns": 0, "starts": 1, "at": 4 * SECOND}


def test_pauses_and_a_seek_lose_and_repeat_nothing(pulse: Pulse) -> None:
    track = counted_frames(5 * SECOND)
    with scenario(pulse, "pauses_and_seek") as (told, recording):
        left_at = told["left_at"]
        assert SECOND // 2 < left_at < 2 * SECOND
        assert heard_from(recording, track[-4_000:]) == sounding(track[: 4 * left_at] + track[4 * 4 * SECOND :])
    assert told["at_once"] == 4 * SECOND
    assert told["underruns"] == 0


def test_the_volume_reaches_what_waits_already_and_at_full_nothing_is_touched(pulse: Pulse) -> None:
    track = np.frombuffer(counted_frames(3 * SECOND), "<i2").reshape(-1, 2)
    with scenario(pulse, "volume") as (told, recording):
        start = recording.wait_for(track[:1_000].tobytes()) // 4
        recording.wait_for(track[-1_000:].tobytes())
        heard = np.frombuffer(recording.data, "<i2")[: len(recording.data) // 4 * 2].reshape(-1, 2)
        heard = heard[start : start + len(track)]
    silent = np.flatnonzero(~heard.any(axis=1))
    same = np.flatnonzero((heard == track).all(axis=1))
    changed = np.setdiff1d(np.arange(len(track)), same)
    assert told["muted_at"] < changed[0] <= silent[0] < SECOND * 3 // 4, "heard at once, not after the ring"
    assert told["loud_at"] < silent[-1] <= changed[-1] < told["loud_at"] + SECOND // 2
    assert len(silent) > SECOND // 2
    assert len(changed) - len(silent) <= 2 * 882, "longer ramps than two of 20 ms"
    assert told["underruns"] == 0


def test_running_dry_is_told_and_the_rest_is_heard(pulse: Pulse) -> None:
    track = counted_frames(SECOND // 2)
    with scenario(pulse, "starved") as (told, recording):
        assert heard_from(recording, track[-4_000:]) == sounding(track)
    assert told == {"dry_at": SECOND // 4, "underruns": 1, "drained": SECOND // 2, "again": SECOND // 2, "empty": 90}


def test_instants_are_met_and_the_clock_tells_what_really_left_the_converter() -> None:
    with SimDac(ppm=150) as dac:
        done = run_to_end(command("planned"), env=dac.env)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        runs = dac.recording().runs
    assert told["underruns"] == 0
    start_ns, pause_ns, again_ns = told["instants"]
    (music,) = [run for run in runs if run.frames.any()]
    where = np.flatnonzero(music.frames.any(axis=1))
    at_ns = music.start_ns + where / music.rate_hz * NS_PER_S
    edge = int(np.argmax(np.diff(where)))
    frame_ns = NS_PER_S / SECOND
    # Half a frame for rounding, half for the converter's whole-frame delay, and what 150 ppm make of the latency.
    near = 2 * frame_ns + 0.2 * 150e-6 * NS_PER_S
    assert abs(at_ns[0] - start_ns) < near
    assert abs(at_ns[edge] + frame_ns - pause_ns) < near
    assert abs(at_ns[edge + 1] - again_ns) < near
    assert music.format == "FLOAT_LE"
    assert sounding((music.frames * 32_768).astype("<i2").tobytes()) == sounding(counted_frames(3 * SECOND))
    points = told["points"]
    assert {line for _, _, line in points} == {1, 2}
    assert len(points) >= 6
    numbers = np.arange(3 * SECOND)
    silent = ~np.frombuffer(counted_frames(3 * SECOND), "<i2").reshape(-1, 2).any(axis=1)
    true_ns = np.interp(numbers, numbers[~silent], at_ns)
    errors_us = [(ns - true_ns[frame]) / 1_000 for frame, ns, _ in points]
    assert np.median(np.abs(errors_us)) < 40
    assert np.max(np.abs(errors_us)) < 1_000, "a point off by more than the noise of a preempted callback"


@pytest.mark.parametrize(
    "format", [AudioFormat(96_000, 2, 24), AudioFormat(8_000, 1, 8), AudioFormat(48_000, 6, 24)], ids=str
)
def test_other_formats_leave_the_converter_bit_by_bit(format: AudioFormat) -> None:
    with SimDac() as dac:
        arguments = [str(format.rate_hz), str(format.channels), str(format.bits)]
        done = run_to_end(command("other_format", *arguments), env=dac.env)
        assert done.returncode == 0, done.stderr
        (music,) = [run for run in dac.recording().runs if run.frames.any()]
    assert json.loads(done.stdout) == {"drained": format.rate_hz // 2, "underruns": 0}
    heard = music.frames[music.frames.any(axis=1)]
    want = to_float(counted_bytes(format), format)
    assert music.rate_hz == format.rate_hz
    assert np.array_equal(heard, want[want.any(axis=1)])


def test_a_lost_sound_server_is_told_and_can_come_back(tmp_path: Path) -> None:
    env: dict[str, str] = {}
    with pulse_daemon(tmp_path) as pulse:
        env = dict(pulse.env)
        player = Program(command("lost"), env=env)
        player.wait_line('"playing": true')
        assert run_to_end(["pactl", "exit"], env=env).returncode == 0
        told = json.loads(player.wait_line(".*").string)
    with player:
        assert told["code"] == ErrorCode.SOUND_DEVICE
        assert "default was lost" in told["text"]
        assert (told["room"], told["taken"]) == (0, 0)
        player.write_line("open")
        refused = json.loads(player.wait_line(".*").string)
        assert refused["code"] == ErrorCode.SOUND_DEVICE
        (tmp_path / "native").unlink(missing_ok=True)
        with pulse_daemon(tmp_path):
            player.write_line("open")
            assert json.loads(player.wait_line(".*").string) == {"started": 7}
            player.close_stdin()
            assert player.wait_exit() == 0


def test_without_a_sound_card_that_is_said_plainly(tmp_path: Path) -> None:
    if Path("/proc/asound/pcm").exists() and Path("/proc/asound/pcm").read_text().strip():
        pytest.skip("this machine has a sound card")
    env = {"HOME": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path}/nobody", "XDG_RUNTIME_DIR": str(tmp_path)}
    done = run_to_end(command("opened"), env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "code": ErrorCode.SOUND_DEVICE,
        "text": "this machine has no sound device: "
        "the outputs null (plays nothing) and wav:PATH (plays into a file) need none",
    }
    assert done.stderr == ""


def test_a_device_is_chosen_by_a_part_of_its_name(pulse: Pulse) -> None:
    done = run_to_end(command("opened", "PUL"), env=dict(pulse.env))
    assert 0 < json.loads(done.stdout)["latency_s"] < 1
    done = run_to_end(command("opened", "nowhere"), env=dict(pulse.env))
    told = json.loads(done.stdout)
    assert told["code"] == ErrorCode.SOUND_DEVICE
    assert "no sound device is called 'nowhere': there are: " in told["text"]
    assert "pulse" in told["text"]
    assert "default" in told["text"]
