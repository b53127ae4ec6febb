import ctypes.util
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.kit import cbuild
from tests.kit.needs import lacking, need_programs
from tests.kit.noise import noise, write_wav
from tests.kit.offset import offsets
from tests.kit.processes import Program
from tests.kit.simdac import SimDac
from tests.kit.skewclock import SkewClock

WAIT_S = 30.0
SOUND = noise(2.5)

# PortAudio drops what it has queued when a stream stops, so half a second of silence follows.
PORTAUDIO_PLAYER = """
import sys, wave
import sounddevice
print([device["name"] for device in sounddevice.query_devices()], flush=True)
with wave.open(sys.argv[1]) as file, sounddevice.RawOutputStream(
    samplerate=file.getframerate(), channels=2, dtype="int16", device="simdac", latency=0.3
) as stream:
    while data := file.readframes(2400):
        stream.write(data)
    stream.write(bytes(4 * file.getframerate() // 2))
"""


@pytest.fixture(autouse=True)
def a_compiler() -> None:
    try:
        cbuild.shared_library("simdac", "asound", "m")
        cbuild.shared_library("skewclock")
    except cbuild.BuildFailed as missing:
        lacking(f"{missing}: scripts/system-packages.sh test")


@pytest.fixture
def aplay() -> str:
    need_programs("aplay", why="a second kind of player")
    return "aplay"


def test_portaudio_players_drift_apart_by_what_their_converters_differ(tmp_path: Path) -> None:
    if ctypes.util.find_library("portaudio") is None:
        lacking("PortAudio is missing: scripts/system-packages.sh test")
    song = write_wav(tmp_path / "noise.wav", SOUND)
    argv = [sys.executable, "-c", PORTAUDIO_PLAYER, str(song)]
    # A player's own wrong clock must not reach its converter.
    with SimDac(ppm=100) as a, SimDac(ppm=-100) as b, SkewClock(ppm=3000) as clock:
        with Program(argv, env=a.env) as one, Program(argv, env={**b.env, **clock.env}) as two:
            for player in (one, two):
                assert player.wait_line(r"simdac").group(0)
            for player in (one, two):
                assert player.wait_exit(WAIT_S) == 0, player.told("failed")
        for dac in (a, b):
            played = np.concatenate([run.frames for run in dac.recording().runs])
            assert np.array_equal(played[: len(SOUND)], SOUND)
        if not a.recording().underruns + b.recording().underruns:  # a machine too busy for a player tells nothing
            found = offsets(a.recording(), b.recording(), max_lag_s=0.5)
            assert found.drift_ppm == pytest.approx(-200, abs=5)
            assert len(found.lag_us) > 5


def test_aplay_plays_every_frame_in_the_time_that_its_converter_takes(tmp_path: Path, aplay: str) -> None:
    song = write_wav(tmp_path / "noise.wav", SOUND[:48_000])
    with SimDac(ppm=50_000, folder=tmp_path / "dac") as dac:
        with Program([aplay, "--quiet", song], env=dac.env) as player:
            assert player.wait_exit(WAIT_S) == 0, player.told("failed")
        recording = dac.recording()
    if not recording.underruns:
        (run,) = recording.runs
        assert np.array_equal(run.frames, SOUND[:48_000])
        assert (run.end_ns - run.start_ns) / 1e9 == pytest.approx(1 / 1.05)
    assert (tmp_path / "dac" / "asound.conf").exists()


@pytest.mark.parametrize("sample_format", ["S16_LE", "S24_3LE", "S32_LE", "FLOAT_LE"])
def test_every_sample_format_arrives_as_it_was_sent(sample_format: str, aplay: str) -> None:
    frame_bytes = 2 * {"S16_LE": 2, "S24_3LE": 3, "S32_LE": 4, "FLOAT_LE": 4}[sample_format]
    sent = bytes(np.random.default_rng(1).integers(0, 60, 4800 * frame_bytes, dtype=np.uint8))
    with SimDac() as dac:
        argv = [aplay, "--quiet", "--device", dac.device, "-t", "raw", "-c", "2", "-r", "96000", "-f", sample_format]
        subprocess.run(argv, input=sent, env=dac.env, check=True, timeout=WAIT_S)
        (recorded,) = dac.folder.glob("*.raw")
        got = recorded.read_bytes()
        assert got.startswith(sent)
        assert not any(got[len(sent) :])  # aplay fills up its last period
        assert sum(len(run.frames) for run in dac.recording().runs) == len(got) // frame_bytes


def test_a_player_that_falls_behind_leaves_a_gap_and_goes_on(aplay: str) -> None:
    with SimDac() as dac:
        argv = [aplay, "--device", dac.device, "-t", "raw", "-c", "2", "-r", "48000", "-f", "S16_LE"]
        argv += ["--buffer-size", "4800", "--period-size", "1200"]
        with Program(argv, env=dac.env) as player:
            player._stdin.write(SOUND[:24_000].tobytes())
            player._stdin.flush()
            start = json.loads(wait_for(dac.folder, "start_ns").splitlines()[1])
            dry_s = start["start_ns"] / 1e9 + 0.5 + 0.05
            threading.Event().wait(dry_s - time.monotonic())  # the converter plays on its own time
            player._stdin.write(SOUND[24_000:48_000].tobytes())
            player.close_stdin()
            assert player.wait_exit(WAIT_S) == 0, player.told("failed")
        recording = dac.recording()
    assert recording.underruns >= 1
    assert np.array_equal(np.concatenate([run.frames for run in recording.runs])[:48_000], SOUND[:48_000])
    assert recording.longest_silence_s() > 0.05


def test_a_killed_player_leaves_what_it_had_handed_over(tmp_path: Path, aplay: str) -> None:
    song = write_wav(tmp_path / "noise.wav", SOUND)
    with SimDac() as dac:
        with Program([aplay, "--quiet", song], env=dac.env) as player:
            wait_for(dac.folder, "start_ns")
            player.kill_group()
        played = dac.recording().runs[0].frames
    assert 0 < len(played) < len(SOUND)
    assert np.array_equal(played, SOUND[: len(played)])


def test_a_mistake_in_the_configuration_is_named(aplay: str) -> None:
    with SimDac() as dac:
        conf = dac.folder / "asound.conf"
        conf.write_text(re.sub("ppm .*", "parts 3", conf.read_text()))
        done = subprocess.run(
            [aplay, "-D", dac.device, "/dev/zero"], env=dac.env, capture_output=True, text=True, check=False, timeout=9
        )
    assert done.returncode != 0
    assert "cannot use the setting parts" in done.stderr


def wait_for(folder: Path, text: str) -> str:
    """The story of the only recording in the folder, once it holds the text: files have no event to wait for."""
    deadline, pause = time.monotonic() + WAIT_S, threading.Event()
    while time.monotonic() < deadline:
        for path in folder.glob("*.jsonl"):
            if text in (story := path.read_text()):
                return story
        pause.wait(0.01)
    raise AssertionError(f"no {text} within {WAIT_S} s")
