"""The playout loop in simulation: devices off by up to 200 ppm, noisy clocks, and one clock shared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from hocket.audio.pcm import from_float
from hocket.audio.playout import FREE_BAND_S, I_LIMIT, P_LIMIT, REANCHOR_S, Playout, Verdict
from hocket.audio.stretch import Stretch
from hocket.core.clock import NS_PER_S
from hocket.core.sound import AudioFormat

RATE_HZ = 44_100
QUEUE_S = 0.3
WRITE_S = 0.05
LOOK_S = 0.25


@dataclass
class Follower:
    """A device, its queue and a playout loop; time in seconds of the group's clock."""

    device_ppm: float
    noise_s: float = 0.0  # of a measured point of the device
    clock_error_s: Callable[[float], float] = lambda now_s: 0.0  # of our idea of the group's time
    start_error_s: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        self.playout = Playout(RATE_HZ)
        self._rng = np.random.default_rng(self.seed)
        self._rate = RATE_HZ * (1 + self.device_ppm * 1e-6)
        self._written = 0  # device frames
        self._position = self.start_error_s * RATE_HZ  # of the next frame to be written, in the track
        self._map: list[tuple[int, float]] = [(0, self._position)]  # (device frame, position)
        self.ratios: list[float] = []
        self.reanchors: list[float] = []

    def run(self, seconds: float) -> NDArray[np.float64]:
        """Plays from time 0 on; the true error of what was heard, in seconds, at every look."""
        errors: list[float] = []
        steps = round(seconds / WRITE_S)
        for step in range(steps):
            now_s = step * WRITE_S
            played = int(now_s * self._rate)
            frames = max(0, int(played + QUEUE_S * self._rate) - self._written)
            if frames:
                self._written += frames
                self._position += frames * self.playout.ratio
                self.ratios.append(self.playout.ratio)
                self._map.append((self._written, self._position))
            if step % round(LOOK_S / WRITE_S) == 0 and step:
                errors.append(self._heard(played) / RATE_HZ - played / self._rate)
                self._look(now_s, played)
        return np.array(errors)

    def _look(self, now_s: float, played: int) -> None:
        point_s = played / self._rate + self._rng.normal(0, self.noise_s) if self.noise_s else played / self._rate
        point_s += self.clock_error_s(now_s)
        heard_s = point_s + self.playout.ahead_ns(self._written - played) / NS_PER_S
        verdict = self.playout.update(self._position - heard_s * RATE_HZ, now_s)
        if verdict is Verdict.REANCHOR:
            self.reanchors.append(now_s)
            self._position = heard_s * RATE_HZ
            self._map.append((self._written, self._position))
            self.playout.anchored()

    def _heard(self, device_frame: int) -> float:
        frames, positions = zip(*self._map[-40:], strict=True)
        return float(np.interp(device_frame, frames, positions))


@pytest.mark.parametrize("ppm", [-200, -100, 30, 100, 200])
def test_a_device_of_any_speed_is_brought_within_microseconds(ppm: float) -> None:
    follower = Follower(ppm, noise_s=10e-6)
    errors = follower.run(60)
    settled = np.abs(errors[errors.size // 4 :])
    assert np.median(settled) < 10e-6
    assert np.percentile(settled, 99) < 35e-6
    assert np.abs(errors).max() < FREE_BAND_S + 1.2 * abs(ppm) * 1e-6 + 40e-6
    assert follower.reanchors == []
    learnt = follower.playout.learnt * 1e6
    assert learnt == pytest.approx(-ppm, abs=12)


@pytest.mark.parametrize("ppm", [-200, 150])
def test_a_noisy_sound_server_is_averaged(ppm: float) -> None:
    """Half a millisecond of noise, as PulseAudio has it."""
    follower = Follower(ppm, noise_s=500e-6)
    errors = follower.run(120)
    settled = np.abs(errors[errors.size // 2 :])
    assert np.percentile(settled, 95) < 1e-3
    assert follower.reanchors == []


def test_on_one_clock_nothing_is_ever_touched() -> None:
    for seed in range(20):
        follower = Follower(0.0, noise_s=30e-6, seed=seed)
        follower.run(120)
        assert set(follower.ratios) == {1.0}
        assert not follower.playout.is_correcting


def test_on_one_clock_the_output_is_the_tracks_own_bytes() -> None:
    """The loop and the stretch together, with noise on the measured points and on the group's clock."""
    format = AudioFormat(RATE_HZ, 2, 16)
    data = np.random.default_rng(5).bytes(4 * RATE_HZ * 20)
    playout, stretch = Playout(RATE_HZ), Stretch(format)
    rng = np.random.default_rng(6)
    stretch.anchor(RATE_HZ, fade=False)
    out = b""
    for step in range(300):
        now_s = step * WRITE_S
        start = stretch.wanted_frame * 4
        stretch.feed(data[start : start + 4 * 3_000])
        out += stretch.take(2_205, playout.ratio)
        written_s = (len(out) // 4) / RATE_HZ
        error_s = stretch.position / RATE_HZ - 1 - written_s + rng.normal(0, 20e-6)
        assert playout.update(error_s * RATE_HZ, now_s) is Verdict.GO_ON
    assert out == data[4 * RATE_HZ : 4 * RATE_HZ + len(out)]
    assert len(out) == 4 * 2_205 * 300


def test_a_start_a_millisecond_off_is_slewed_away_without_a_jump() -> None:
    follower = Follower(0.0, noise_s=10e-6, start_error_s=0.001)
    errors = follower.run(30)
    assert follower.reanchors == []
    assert np.abs(errors[-20:]).max() < 30e-6
    steps = np.abs(np.diff(errors))
    assert steps.max() <= LOOK_S * (P_LIMIT + I_LIMIT) + 1e-9
    assert errors.min() > -0.000_5, "overshoot"


def test_more_than_three_milliseconds_start_anew_and_what_was_learnt_stays() -> None:
    follower = Follower(100.0, noise_s=10e-6)
    follower.run(40)
    learnt = follower.playout.learnt
    follower._position += 0.004 * RATE_HZ
    assert follower.playout.update(0.004 * RATE_HZ, 41.0) is Verdict.GO_ON, "one measurement may be wrong"
    assert follower.playout.update(0.004 * RATE_HZ, 41.25) is Verdict.REANCHOR
    follower.playout.anchored()
    assert follower.playout.learnt == pytest.approx(learnt, abs=12e-6)
    assert follower.playout.ratio == pytest.approx(1 - 100e-6, abs=12e-6), "right at once"


def test_far_off_starts_anew_at_once() -> None:
    playout = Playout(RATE_HZ)
    assert playout.update(0.2 * RATE_HZ, 0.0) is Verdict.REANCHOR


def test_single_outliers_do_no_harm() -> None:
    playout = Playout(RATE_HZ)
    for look in range(200):
        error_s = 0.008 * (-1) ** look if look % 20 == 10 else 0.0
        assert playout.update(error_s * RATE_HZ, look * LOOK_S) is Verdict.GO_ON
    assert abs(playout.learnt) < 20e-6


def slow_steps(at: Iterator[float]) -> Callable[[float], float]:
    value = 0.0

    def error(now_s: float) -> float:
        nonlocal value
        value = 0.98 * value + next(at)
        return value

    return error


def test_a_wandering_idea_of_the_groups_clock_is_followed_smoothly() -> None:
    rng = np.random.default_rng(9)
    follower = Follower(-80.0, noise_s=10e-6, clock_error_s=slow_steps(iter(lambda: rng.normal(0, 8e-6), None)))
    errors = follower.run(120)
    assert np.percentile(np.abs(errors[100:]), 95) < 120e-6
    assert np.abs(np.diff(follower.ratios[400:])).max() < 150e-6


def test_limits_hold_and_the_integral_does_not_wind_up() -> None:
    playout = Playout(RATE_HZ)
    for look in range(400):
        playout.update(0.002_5 * RATE_HZ, look * LOOK_S)
        assert abs(playout.ratio - 1) <= P_LIMIT + I_LIMIT
    assert abs(playout.learnt) < 10e-6
    assert Playout(RATE_HZ, learnt=1.0).learnt == I_LIMIT
    assert REANCHOR_S > 0.0025


def test_queued_frames_are_counted_at_the_learnt_rate() -> None:
    assert Playout(48_000).ahead_ns(48_000) == NS_PER_S
    fast = Playout(48_000, learnt=-100e-6)
    assert fast.ahead_ns(48_000) == NS_PER_S - 100_000
    assert fast.ahead_ns(0, latency_s=0.1) == -10_000, "what the device holds sounds sooner, too"
    assert fast.ahead_ns(0, latency_s=0.1, drift=-100e-6) == 0, "it was the clock, not the device"


def test_what_was_hardly_learnt_is_dropped_so_that_samples_pass_untouched() -> None:
    playout = Playout(RATE_HZ, learnt=3e-6)
    assert playout.ratio == 1.0
    assert not playout.is_correcting
    assert Playout(RATE_HZ, learnt=50e-6).is_correcting


def test_the_resampled_signal_is_smooth_while_the_loop_works() -> None:
    """No click where the ratio changes: a sine stays one."""
    format = AudioFormat(RATE_HZ, 1, 24)
    data = from_float((0.8 * np.sin(np.arange(RATE_HZ * 12) * 0.02)).astype(np.float32)[:, np.newaxis], format)
    stretch, playout = Stretch(format), Playout(RATE_HZ, learnt=200e-6)
    stretch.anchor(1_000, fade=False)
    stretch.feed(data[stretch.wanted_frame * 3 :])
    out = b""
    rng = np.random.default_rng(2)
    for step in range(200):
        out += stretch.take(2_205, playout.ratio)
        playout.update(rng.normal(0, 50e-6) * RATE_HZ, step * WRITE_S)
    wide = np.zeros((len(out) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(out, np.uint8).reshape(-1, 3)
    heard = wide.view("<i4")[:, 0] / 2.0**31
    assert np.abs(np.diff(heard, 2)).max() < 0.8 * 0.02**2 * 1.02
