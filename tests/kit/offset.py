"""What simulated converters really played, on true time, and how far apart two of them were.

    python -m tests.kit.offset FOLDER_A FOLDER_B [--skip SECONDS]

A folder holds what `c/simdac.c` wrote. Both recordings are put on the machine's true CLOCK_MONOTONIC by
windowed-sinc interpolation of their first channel and cross-correlated in short windows. Play band-limited
noise: a tone has many equal peaks. Needs numpy.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RATE_HZ = 48_000
MIN_QUALITY = 0.3
_NS_PER_S = 1_000_000_000
_TAPS = 8  # each side
_PHASES = 1024  # half of one is 10 ns
_TRY_STEP = 0.1
_TRIES = np.arange(-10, 11) * _TRY_STEP
_FULL_SCALE = {"S16_LE": 2.0**15, "S24_3LE": 2.0**23, "S32_LE": 2.0**31, "FLOAT_LE": 1.0}


@cache
def _kernels() -> Floats:
    """Windowed sinc, one row for each fraction of a sample; shape (_PHASES, 2 * _TAPS)."""
    fraction = (np.arange(_PHASES) + 0.5) / _PHASES
    distance = np.arange(1 - _TAPS, _TAPS + 1) - fraction[:, np.newaxis]
    kernels: Floats = np.sinc(distance) * np.cos(np.pi * distance / (2 * _TAPS + 2)) ** 2
    return kernels


@cache
def _turns(count: int) -> npt.NDArray[np.complex128]:
    """Delays of _TRIES samples as factors on the spectrum of that many samples."""
    turns: npt.NDArray[np.complex128] = np.exp(2j * np.pi / count * np.outer(_TRIES, np.arange(count // 2 + 1)))
    return turns


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch that a converter played without a break.

    frames: shape (frames, channels), of the device's own sample type (24 bits as int32).
    """

    start_ns: int
    rate_hz: float
    """True frames a second, ppm included."""
    format: str
    frames: npt.NDArray[Any]
    underrun: bool
    """Whether it ended because nothing was left to play."""

    @property
    def end_ns(self) -> float:
        return self.start_ns + len(self.frames) / self.rate_hz * _NS_PER_S

    def at(self, t_ns: Floats) -> Floats:
        """The first channel at these true times, from -1 to 1; silence outside of the run."""
        position = (t_ns - self.start_ns) * 1e-9 * self.rate_hz
        out = np.zeros(len(t_ns))
        inside = (position >= 0) & (position <= len(self.frames) - 1)
        if not inside.any():
            return out
        p = position[inside]
        first, last = int(p[0]) - _TAPS, int(p[-1]) + _TAPS + 1
        part = self.frames[max(0, first) : last, 0].astype(np.float64)
        samples = np.pad(part, (max(0, -first), max(0, last - len(self.frames)) + 1))
        whole = np.floor(p).astype(np.int64)
        phase = ((p - whole) * _PHASES).astype(np.int64)
        around = np.lib.stride_tricks.sliding_window_view(samples, 2 * _TAPS)[whole - first + 1 - _TAPS]
        total = np.einsum("ij,ij->i", _kernels()[phase], around)
        out[inside] = total / _FULL_SCALE[self.format]
        return out


def _frames(path: Path, sample_format: str, channels: int) -> npt.NDArray[Any]:
    raw = np.fromfile(path, dtype=np.uint8)
    if sample_format == "S24_3LE":
        raw = raw[: len(raw) // (3 * channels) * 3 * channels].reshape(-1, 3)
        wide = np.zeros((len(raw), 4), dtype=np.uint8)
        wide[:, 1:] = raw
        return (wide.view("<i4") >> 8).reshape(-1, channels)
    kind = np.dtype({"S16_LE": "<i2", "S32_LE": "<i4", "FLOAT_LE": "<f4"}[sample_format])
    frame_bytes = kind.itemsize * channels
    return raw[: len(raw) // frame_bytes * frame_bytes].view(kind).reshape(-1, channels)


def _runs(story: Path) -> Iterator[Run]:
    about, *events = map(json.loads, story.read_text().splitlines())
    frames = _frames(story.with_suffix(".raw"), about["format"], about["channels"])
    rate_hz = about["rate_hz"] * (1 + about["ppm"] * 1e-6)
    for index, start in enumerate(events):
        if "start_ns" not in start:
            continue
        # A player that was killed left no end: what it had handed over is taken as played.
        end = events[index + 1] if index + 1 < len(events) else {"played_frames": len(frames), "underrun": False}
        played = frames[start["first_frame"] :][: end["played_frames"]]
        yield Run(start["start_ns"], rate_hz, about["format"], played, bool(end["underrun"]))


@dataclass(frozen=True, slots=True)
class Recording:
    """All that left one converter, in the order of time."""

    runs: tuple[Run, ...]

    @classmethod
    def load(cls, folder: Path) -> "Recording":
        """Raises FileNotFoundError if nothing was played there."""
        runs = sorted((run for path in folder.glob("*.jsonl") for run in _runs(path)), key=lambda run: run.start_ns)
        if not runs:
            raise FileNotFoundError(f"nothing was played on {folder}")
        return cls(tuple(runs))

    @property
    def start_ns(self) -> int:
        return self.runs[0].start_ns

    @property
    def end_ns(self) -> float:
        return self.runs[-1].end_ns

    @property
    def underruns(self) -> int:
        return sum(run.underrun for run in self.runs)

    def at(self, t_ns: Floats) -> Floats:
        """The first channel at these rising true times."""
        total = np.zeros(len(t_ns))
        for run in self.runs:
            if run.end_ns > t_ns[0] and run.start_ns < t_ns[-1]:
                total += run.at(t_ns)
        return total

    def sound_times_ns(self) -> tuple[float, float]:
        """True times of the first and the last frame that is not silent. Raises ValueError if all is."""
        sounding = [(run, np.flatnonzero(run.frames.any(axis=1))) for run in self.runs]
        times = [
            run.start_ns + where[edge] / run.rate_hz * _NS_PER_S
            for run, where in sounding
            if len(where)
            for edge in (0, -1)
        ]
        return min(times), max(times)

    def longest_silence_s(self) -> float:
        """The longest stretch without sound between the first and the last sound: gaps, mutes and underruns."""
        ends: list[float] = []
        for run in self.runs:
            where = np.flatnonzero(run.frames.any(axis=1))
            if len(where):
                breaks = np.flatnonzero(np.diff(where) > 1)
                edges = np.sort(np.concatenate([where[[0, -1]], where[breaks], where[breaks + 1]]))
                ends.extend(run.start_ns * 1e-9 + edges / run.rate_hz)
        gaps = np.diff(ends)[1::2]
        return float(gaps.max()) if len(gaps) else 0.0


@dataclass(frozen=True, slots=True)
class Offsets:
    """How much later A played than B: one value for each window that correlates."""

    t_s: Floats
    """Middle of each window, since the later of the two began."""
    lag_us: Floats
    windows: int
    """How many were looked at; those in which either was silent are left out."""

    def percentile_us(self, percent: float) -> float:
        """Of the absolute offset."""
        return float(np.percentile(np.abs(self.lag_us), percent))

    @property
    def drift_ppm(self) -> float:
        """How fast A falls behind B: the slope of the offsets."""
        return float(np.polyfit(self.t_s, self.lag_us, 1)[0])

    def __str__(self) -> str:
        p50, p95, p99, top = (self.percentile_us(percent) for percent in (50, 95, 99, 100))
        return (
            f"windows {len(self.lag_us)}/{self.windows} mean {self.lag_us.mean():+.1f} us  "
            f"|offset| median {p50:.1f} p95 {p95:.1f} p99 {p99:.1f} max {top:.1f} us  drift {self.drift_ppm:+.2f} ppm"
        )


def lag(a: Floats, b: Floats) -> tuple[float, float]:
    """How many samples later the sound of `a` comes in `b`, and how well it matches there (up to 1).

    b: the window of `a`, longer at both sides by the furthest lag that is looked for.
    """
    reach = (len(b) - len(a)) // 2
    size = 1 << (len(a) + len(b)).bit_length()
    rough = np.fft.irfft(np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size), size)[: 2 * reach + 1]
    total = np.concatenate([[0.0], np.cumsum(b * b)])
    whole = int(np.argmax(rough))
    quality = rough[whole] / (np.sqrt((a @ a) * (total[whole + len(a)] - total[whole])) + 1e-12)
    spectrum = np.conj(np.fft.rfft(a)) * np.fft.rfft(b[whole : whole + len(a)])
    fine = (_turns(len(a)) @ spectrum).real
    best = int(np.clip(np.argmax(fine), 1, len(fine) - 2))
    left, middle, right = fine[best - 1 : best + 2]
    part = 0.5 * (left - right) / (left - 2 * middle + right)
    return float(whole - reach + _TRIES[best] + part * _TRY_STEP), float(quality)


def offsets(
    a: Recording,
    b: Recording,
    *,
    skip_s: float = 0.0,
    window_s: float = 0.25,
    step_s: float = 0.25,
    max_lag_s: float = 0.2,
) -> Offsets:
    """Offsets of two recordings of the same sound, window by window. Raises ValueError if no window correlates.

    Positive: A was later than B. Windows must be short against 1 / (drift x bandwidth).
    """
    origin_ns = max(a.start_ns, b.start_ns)
    seconds = (min(a.end_ns, b.end_ns) - origin_ns) / _NS_PER_S
    starts_s = np.arange(skip_s, seconds - window_s, step_s)
    size, reach = round(window_s * RATE_HZ), round(max_lag_s * RATE_HZ)
    times, lags = [], []
    for start_s in starts_s:
        t_ns = origin_ns + (start_s + np.arange(-reach, size + reach) / RATE_HZ) * _NS_PER_S
        x, y = a.at(t_ns[reach : reach + size]), b.at(t_ns)
        if x.std() < 1e-3 or y.std() < 1e-3:
            continue
        samples, quality = lag(x, y)
        if quality > MIN_QUALITY:
            times.append(start_s + window_s / 2)
            lags.append(-samples / RATE_HZ * 1e6)
    if not lags:
        raise ValueError(f"no window correlates: not the same sound, or further apart than {max_lag_s} s")
    return Offsets(np.array(times), np.array(lags), len(starts_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("--skip", type=float, default=15.0, help="seconds left out at the start")
    args = parser.parse_args()
    print(offsets(Recording.load(args.a), Recording.load(args.b), skip_s=args.skip))


if __name__ == "__main__":
    main()
