"""Starts, pauses and plans against a callback in slow motion."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hocket.adapters.outputs.runs import Run, Runs
from hocket.core.clock import NS_PER_S
from tests.adapters.fake_rtmixer import RATE_HZ, FakeMixer, FakeRing

MS = NS_PER_S // 1000
LATENCY_NS = 30 * MS


class Bench:
    """Runs on a fake mixer. The caller's time lags behind the device's by its latency."""

    def __init__(self) -> None:
        self.mixer = FakeMixer()
        self.ring = FakeRing()
        self.runs = Runs(self.mixer, self.ring, 0, lambda ns: ns / NS_PER_S)

    @property
    def now_ns(self) -> int:
        return self.mixer.dac_ns - LATENCY_NS

    def write(self, frames: int) -> None:
        self.ring.read_available += frames
        self.runs.observe(self.now_ns)

    def block(self, frames: int) -> list[Run]:
        self.mixer.block(frames)
        return self.runs.observe(self.now_ns)

    def heard(self) -> list[int | None]:
        return self.mixer.heard


def test_a_pause_and_a_resume_within_one_block_leave_no_trace() -> None:
    bench = Bench()
    bench.write(100)
    bench.runs.start()
    bench.block(10)
    bench.runs.pause()
    bench.runs.start()
    bench.block(10)
    assert bench.heard() == list(range(20))


def test_a_pause_takes_effect_with_the_next_block_and_keeps_the_place() -> None:
    bench = Bench()
    bench.write(100)
    bench.runs.start()
    bench.block(10)
    bench.runs.pause()
    (ended,) = bench.block(10)
    assert (ended.start_frame, ended.end_frame, ended.is_over, ended.ran_dry) == (0, 10, True, False)
    bench.runs.start()
    (begun,) = bench.block(10)
    assert begun.start_frame == 10
    assert bench.heard() == [*range(10), *[None] * 10, *range(10, 20)]
    assert bench.runs.handed_frame == 20


def test_running_dry_is_found_out_and_a_write_plays_on() -> None:
    bench = Bench()
    bench.runs.start()
    assert bench.block(10) == []
    bench.write(15)
    bench.block(10)
    (ended,) = bench.block(10)
    assert ended.ran_dry
    assert ended.end_frame == 15
    bench.write(10)
    bench.block(10)
    assert bench.heard() == [*[None] * 10, *range(15), *[None] * 5, *range(15, 25)]


def test_plans_are_met_to_the_frame() -> None:
    bench = Bench()
    bench.write(500)
    bench.runs.start(13 * MS)
    bench.runs.pause(27 * MS)
    bench.runs.start(44 * MS)
    for _ in range(6):
        bench.block(10)
    assert bench.heard() == [*[None] * 13, *range(14), *[None] * 17, *range(14, 30)]
    assert bench.runs.plan == []
    assert bench.runs.playing


def test_a_planned_pause_can_be_called_off() -> None:
    bench = Bench()
    bench.write(500)
    bench.runs.start()
    bench.block(10)
    bench.runs.pause(25 * MS)
    bench.block(10)
    bench.runs.start()
    bench.block(10)
    bench.block(10)
    assert bench.heard() == list(range(40))
    assert bench.runs.is_idle is False


def test_a_planned_pause_outlives_a_dry_spell() -> None:
    bench = Bench()
    bench.write(5)
    bench.runs.start()
    bench.runs.pause(35 * MS)
    bench.block(10)
    bench.block(10)
    bench.write(100)
    bench.block(10)
    bench.block(10)
    bench.block(10)
    assert bench.heard() == [*range(5), *[None] * 15, *range(5, 20), *[None] * 15]
    assert not bench.runs.playing


def test_a_dry_spell_before_a_planned_pause_and_start_is_filled_at_once() -> None:
    bench = Bench()
    bench.write(5)
    bench.runs.start()
    bench.runs.pause(35 * MS)
    bench.runs.start(45 * MS)
    bench.block(20)
    bench.write(100)
    for _ in range(3):
        bench.block(10)
    assert bench.heard() == [*range(5), *[None] * 15, *range(5, 20), *[None] * 10, *range(20, 25)]


def test_pausing_at_once_drops_all_plans() -> None:
    bench = Bench()
    bench.write(100)
    bench.runs.start(10 * MS)
    bench.runs.pause()
    for _ in range(3):
        bench.block(10)
    assert bench.heard() == [None] * 30
    assert bench.runs.is_idle


class Expected:
    """What must be heard while there is always enough in the ring: a state at every frame."""

    def __init__(self) -> None:
        self.playing = False
        self.plan: list[tuple[int, bool]] = []
        self.heard: list[int | None] = []
        self.next = 0

    def command(self, playing: bool, at_frame: int | None) -> None:
        if at_frame is None:
            self.plan.clear()
            self.playing = playing
            return
        self.plan = [step for step in self.plan if step[0] < at_frame]
        self.plan.append((at_frame, playing))

    def block(self, frames: int) -> None:
        for _ in range(frames):
            while self.plan and self.plan[0][0] <= len(self.heard):
                self.playing = self.plan.pop(0)[1]
            self.heard.append(self.next if self.playing else None)
            self.next += self.playing


commands = st.tuples(st.booleans(), st.none() | st.integers(1, 60))


@given(st.lists(st.lists(commands, max_size=4), max_size=12), st.integers(1, 25))
def test_any_commands_are_heard_as_they_were_meant(batches: list[list[tuple[bool, int | None]]], block: int) -> None:
    bench, expected = Bench(), Expected()
    bench.write(10_000)
    for batch in [*batches, [], [], [], []]:
        for playing, ahead in batch:
            at_frame = None if ahead is None else len(bench.heard()) + ahead
            at_ns = None if at_frame is None else at_frame * NS_PER_S // RATE_HZ
            (bench.runs.start if playing else bench.runs.pause)(at_ns)
            expected.command(playing, at_frame)
        bench.block(block)
        expected.block(block)
        assert bench.heard() == expected.heard
    assert bench.runs.handed_frame == expected.next


steps = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 30)),
    st.tuples(st.just("block"), st.integers(1, 30)),
    st.tuples(st.sampled_from(["start", "pause"]), st.none() | st.integers(-50, 60)),
)


@given(st.lists(steps, max_size=40))
def test_whatever_happens_every_frame_is_heard_once_and_in_order(happenings: list[tuple[str, Any]]) -> None:
    bench = Bench()
    written = 0
    for what, amount in happenings:
        if what == "write":
            bench.write(amount)
            written += amount
        elif what == "block":
            bench.block(amount)
        else:
            at_ns = None if amount is None else max(0, bench.now_ns + amount * MS)
            bench.runs.observe(bench.now_ns)
            (bench.runs.start if what == "start" else bench.runs.pause)(at_ns)
    bench.runs.start()
    for _ in range(12):
        bench.block(100)
    assert [frame for frame in bench.heard() if frame is not None] == list(range(written))
    assert bench.runs.handed_frame == written
    assert bench.runs.current is None
