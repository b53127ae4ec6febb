"""Positions between measured points, through pauses."""

from hocket.audio.events import DeviceTime
from hocket.audio.lines import Lines
from hocket.core.clock import NS_PER_S

MS = NS_PER_S // 1000
T0 = 9 * NS_PER_S


def test_before_anything_is_heard_the_start_counts() -> None:
    lines = Lines(1_000, start_frame=70)
    assert lines.heard_frame(T0) == 70
    assert lines.time_of(70) is None
    assert lines.latest() is None
    lines.begin(70, T0 + 150 * MS)
    assert lines.heard_frame(T0) == 70, "handed over, not heard yet"
    assert lines.heard_frame(T0 + 200 * MS) == 120
    assert lines.latest() == DeviceTime(70, T0 + 150 * MS, 1)


def test_a_newer_point_corrects_the_device() -> None:
    lines = Lines(1_000)
    lines.begin(0, T0)
    lines.measure(500, T0 + 510 * MS)
    assert lines.heard_frame(T0 + 520 * MS) == 510
    assert lines.time_of(600) == T0 + 610 * MS
    assert lines.latest() == DeviceTime(500, T0 + 510 * MS, 1)


def test_a_pause_is_heard_when_what_the_device_held_has_sounded() -> None:
    lines = Lines(1_000)
    lines.begin(0, T0)
    lines.end(300)
    assert lines.latest() is None
    assert [lines.heard_frame(T0 + ms * MS) for ms in (0, 250, 300, 900)] == [0, 250, 300, 300]
    lines.begin(300, T0 + 400 * MS)
    assert [lines.heard_frame(T0 + ms * MS) for ms in (250, 350, 400, 450)] == [250, 300, 300, 350]
    point = lines.latest()
    assert point is not None
    assert point.line == lines.last_number == 2


def test_many_runs_cost_no_memory_and_numbers_go_on() -> None:
    lines = Lines(1_000, first_number=5)
    for run in range(50):
        lines.begin(run * 10, T0 + run * 20 * MS)
        lines.end(run * 10 + 10)
    assert lines.last_number == 55
    assert lines.heard_frame(T0 + 49 * 20 * MS + 5 * MS) == 495
    assert lines.heard_frame(T0) == 470, "what is long past is the oldest that is kept"


def test_points_without_a_run_are_ignored() -> None:
    lines = Lines(1_000, start_frame=4)
    lines.measure(9, T0)
    lines.end(9)
    assert lines.heard_frame(T0) == 4
