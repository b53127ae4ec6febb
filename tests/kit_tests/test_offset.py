"""Recordings with a known offset are made up; the analysis has to find it."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.kit.noise import noise
from tests.kit.offset import Recording, offsets

START_NS = 5_000_000_000_000
SOUND = noise(3.0)


def record(
    folder: Path,
    frames: npt.NDArray[np.int16],
    start_ns: int,
    *,
    ppm: float = 0.0,
    sample_format: str = "S16_LE",
    events: list[dict[str, object]] | None = None,
) -> Recording:
    wide = frames.astype(np.int32) << 16
    raw = {
        "S16_LE": lambda: frames.astype("<i2").tobytes(),
        "S32_LE": lambda: wide.astype("<i4").tobytes(),
        "S24_3LE": lambda: wide.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(),
        "FLOAT_LE": lambda: (frames / 32768).astype("<f4").tobytes(),
    }[sample_format]()
    about = {"format": sample_format, "channels": frames.shape[1], "rate_hz": 48_000, "ppm": ppm}
    folder.mkdir(exist_ok=True)
    (folder / "1-1.raw").write_bytes(raw)
    lines = [about, *(events or [{"start_ns": start_ns, "first_frame": 0}])]
    (folder / "1-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Recording.load(folder)


@pytest.mark.parametrize("late_us", [0.0, 3.7, -250.3, 12_345.6, -99_000.0])
def test_a_known_offset_is_found_to_a_tenth_of_a_microsecond(tmp_path: Path, late_us: float) -> None:
    a = record(tmp_path / "a", SOUND, START_NS + round(late_us * 1000))
    b = record(tmp_path / "b", SOUND, START_NS)
    found = offsets(a, b)
    assert found.lag_us == pytest.approx(late_us, abs=0.1)
    assert len(found.lag_us) == found.windows >= 10
    assert found.percentile_us(50) == pytest.approx(abs(late_us), abs=0.1)


@pytest.mark.parametrize("sample_format", ["S24_3LE", "S32_LE", "FLOAT_LE"])
def test_every_sample_format_is_read(tmp_path: Path, sample_format: str) -> None:
    a = record(tmp_path / "a", SOUND, START_NS + 40_000, sample_format=sample_format)
    b = record(tmp_path / "b", SOUND, START_NS)
    assert offsets(a, b).lag_us == pytest.approx(40, abs=0.1)
    assert a.runs[0].frames.shape == SOUND.shape


def test_two_clocks_drift_apart(tmp_path: Path) -> None:
    a = record(tmp_path / "a", SOUND, START_NS, ppm=100)
    b = record(tmp_path / "b", SOUND, START_NS, ppm=-100)
    found = offsets(a, b)
    assert found.drift_ppm == pytest.approx(-200, abs=1)
    assert found.lag_us == pytest.approx(-200 * found.t_s, abs=2)


def test_other_sound_and_silence_do_not_correlate(tmp_path: Path) -> None:
    a = record(tmp_path / "a", SOUND, START_NS)
    for other in (noise(3.0, seed=2), np.zeros_like(SOUND)):
        b = record(tmp_path / "b", other, START_NS)
        with pytest.raises(ValueError, match="no window correlates"):
            offsets(a, b)


def test_what_was_dropped_was_not_played_and_pauses_are_silence(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [
        {"start_ns": START_NS, "first_frame": 0},
        {"end_ns": START_NS + 500_000_000, "played_frames": 24_000, "underrun": True},
        {"start_ns": START_NS + 750_000_000, "first_frame": 36_000},
    ]
    a = record(tmp_path / "a", SOUND, 0, events=events)
    b = record(tmp_path / "b", SOUND, START_NS)
    assert [len(run.frames) for run in a.runs] == [24_000, len(SOUND) - 36_000]
    assert a.underruns == 1
    assert a.longest_silence_s() == pytest.approx(0.25, abs=0.001)
    assert b.longest_silence_s() < 0.001
    assert a.sound_times_ns()[0] == pytest.approx(START_NS, abs=1e6)
    assert offsets(a, b).lag_us == pytest.approx(0, abs=0.1)


def test_an_empty_folder_says_that_nothing_was_played(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing was played"):
        Recording.load(tmp_path)
