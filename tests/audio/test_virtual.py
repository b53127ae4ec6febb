"""The virtual device against a model that counts frame by frame."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.audio.events import DeviceTime, Drained, Started, Underrun
from hocket.audio.virtual import VirtualDevice
from hocket.core.clock import NS_PER_S

MS = NS_PER_S // 1000
T0 = 5_000 * NS_PER_S


def test_frames_are_played_at_the_rate() -> None:
    device = VirtualDevice(44_100, start_frame=100)
    device.write(44_100, T0)
    assert device.played_frame(T0 + NS_PER_S) == 100, "not started, not played"
    device.play(True, T0)
    assert [device.played_frame(T0 + ms * MS) for ms in (0, 10, 500)] == [100, 541, 22_150]
    assert device.device_time(T0 + 500 * MS) == DeviceTime(22_150, T0 + 500 * MS, 1)
    assert device.advance(T0 + 500 * MS) == [Started(100, T0)]
    assert device.next_change_ns() == T0 + NS_PER_S


@given(st.sampled_from([8_000, 44_100, 48_000, 192_000]), st.integers(-200, 200), st.integers(0, 10**13))
def test_a_frames_time_and_the_frame_of_that_time_agree(rate_hz: int, ppm: int, frame: int) -> None:
    device = VirtualDevice(rate_hz, ppm=ppm)
    device.write(10**14, T0)
    device.play(True, T0)
    at_ns = device.time_of(frame)
    assert at_ns is not None
    assert device.played_frame(at_ns) == frame
    if frame:
        assert device.played_frame(at_ns - 1) == frame - 1
    exact_s = frame / (rate_hz * (1 + ppm * 1e-6))
    assert abs((at_ns - T0) / NS_PER_S - exact_s) < 1e-6 * max(1.0, exact_s)


def test_a_pause_keeps_the_place() -> None:
    device = VirtualDevice(1_000)
    device.write(1_000, T0)
    device.play(True, T0)
    device.play(False, T0 + 100 * MS)
    assert device.played_frame(T0 + 900 * MS) == 100
    assert device.device_time(T0 + 900 * MS) is None
    device.play(True, T0 + 900 * MS)
    assert device.played_frame(T0 + 950 * MS) == 150
    assert device.advance(T0 + 950 * MS) == [Started(0, T0), Started(100, T0 + 900 * MS)]
    time = device.device_time(T0 + 950 * MS)
    assert time is not None
    assert time.line == 2


def test_running_dry_stops_the_clock_until_it_is_fed() -> None:
    device = VirtualDevice(1_000)
    device.write(100, T0)
    device.play(True, T0)
    assert device.advance(T0 + 500 * MS) == [Started(0, T0), Underrun(100, T0 + 100 * MS)]
    assert device.underruns == 1
    device.write(100, T0 + 500 * MS)
    assert device.played_frame(T0 + 550 * MS) == 150
    assert device.advance(T0 + 550 * MS) == [Started(100, T0 + 500 * MS)]


def test_draining_ends_without_an_underrun() -> None:
    device = VirtualDevice(1_000)
    device.write(100, T0)
    device.play(True, T0)
    device.drain(T0)
    assert device.advance(T0 + 99 * MS) == [Started(0, T0)]
    assert device.advance(T0 + 200 * MS) == [Drained(100)]
    assert device.advance(T0 + 300 * MS) == []
    assert device.underruns == 0
    device.drain(T0 + 300 * MS)
    assert device.advance(T0 + 300 * MS) == [Drained(100)], "an empty queue is drained at once"


def test_more_after_drain_revokes_it() -> None:
    device = VirtualDevice(1_000)
    device.play(True, T0)
    device.write(100, T0)
    device.drain(T0)
    device.write(100, T0 + 50 * MS)
    assert device.advance(T0 + 300 * MS) == [Started(0, T0), Underrun(200, T0 + 200 * MS)]


def test_starts_and_pauses_can_be_planned() -> None:
    device = VirtualDevice(1_000)
    device.write(1_000, T0)
    device.play(True, T0, T0 + 100 * MS)
    assert device.next_change_ns() == T0 + 100 * MS
    device.play(False, T0, T0 + 300 * MS)
    device.play(True, T0, T0 + 600 * MS)
    assert [device.played_frame(T0 + ms * MS) for ms in (99, 150, 300, 599, 700)] == [0, 50, 200, 200, 300]
    device.play(True, T0 + 700 * MS, T0 + 800 * MS)
    assert device.played_frame(T0 + 900 * MS) == 500, "starting what plays changes nothing"


def test_a_new_plan_replaces_what_was_planned_for_later() -> None:
    device = VirtualDevice(1_000)
    device.write(1_000, T0)
    device.play(True, T0, T0 + 100 * MS)
    device.play(False, T0, T0 + 200 * MS)
    device.play(True, T0 + 150 * MS)
    assert device.played_frame(T0 + 400 * MS) == 300


def test_a_flush_renumbers_and_plays_on_with_the_next_write() -> None:
    device = VirtualDevice(1_000)
    device.write(1_000, T0)
    device.play(True, T0)
    device.flush(5_000, T0 + 100 * MS)
    assert device.played_frame(T0 + 200 * MS) == 5_000
    device.write(100, T0 + 200 * MS)
    assert device.played_frame(T0 + 250 * MS) == 5_050
    assert device.underruns == 0


def test_a_fast_device_plays_at_once_and_never_runs_dry() -> None:
    device = VirtualDevice(1_000, fast=True)
    device.write(10_000, T0)
    assert device.played_frame(T0) == 0
    device.play(True, T0)
    assert device.played_frame(T0) == 10_000
    device.write(5, T0 + 9 * NS_PER_S)
    assert device.played_frame(T0 + 9 * NS_PER_S) == 10_005
    device.drain(T0 + 9 * NS_PER_S)
    assert device.advance(T0 + 9 * NS_PER_S) == [Started(0, T0), Drained(10_005)]
    assert device.underruns == 0


class Model:
    """The same device at 1 frame a tick, one tick after another."""

    def __init__(self) -> None:
        self.queue = self.played = self.underruns = 0
        self.playing = self.running = False

    def tick(self) -> None:
        if self.playing and self.running:
            self.played += 1
            self.queue -= 1
            if not self.queue:
                self.running = False
                self.underruns += 1

    def feed(self, frames: int) -> None:
        self.queue += frames
        self.running = self.playing and self.queue > 0

    def play(self, playing: bool) -> None:
        self.playing = playing
        self.running = playing and self.queue > 0


@given(st.lists(st.tuples(st.sampled_from(["write", "play", "pause", "look"]), st.integers(0, 20)), max_size=40))
def test_any_sequence_matches_the_model(steps: list[tuple[str, int]]) -> None:
    device, model, now_ns = VirtualDevice(1_000), Model(), T0
    for what, amount in steps:
        if what == "write":
            device.write(amount, now_ns)
            model.feed(amount)
        elif what in {"play", "pause"}:
            device.play(what == "play", now_ns)
            model.play(what == "play")
        for _ in range(amount):
            model.tick()
        now_ns += amount * MS
        if what == "look":
            device.advance(now_ns)
        assert device.played_frame(now_ns) == model.played
        assert device.written_frame - model.played == model.queue
        assert device.underruns == model.underruns
