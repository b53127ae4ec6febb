"""The speakers' parts that need no sound: choosing a device, the frames in the ring, the stream's clock."""

import asyncio
import os
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.adapters.outputs import Drained, OutputError, OutputEvent, Room, portaudio
from hocket.adapters.outputs.deviceclock import DeviceClock, StreamClock
from hocket.adapters.outputs.feed import Feed
from hocket.adapters.outputs.null import NullOutput
from hocket.adapters.outputs.portaudio import Device, pick
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode
from hocket.core.sound import AudioFormat
from tests.adapters.output_kit import CD, counted_frames

CARD = Device(0, "HDA Intel: ALC257 (hw:0,0)", 2, False)
HDMI = Device(3, "HDA Intel: HDMI 0 (hw:0,3)", 8, False)
DEFAULT = Device(7, "default", 32, True)
ALL = [CARD, HDMI, DEFAULT]


def test_the_default_device_unless_another_is_named() -> None:
    assert pick("", ALL) is DEFAULT
    assert pick("", [CARD, HDMI]) is CARD
    assert pick("hdmi", ALL) is HDMI
    assert pick("DEFAULT", [*ALL, Device(9, "default (old)", 2, False)]) is DEFAULT


def test_the_same_name_twice_is_no_question() -> None:
    again = Device(9, DEFAULT.name, 2, False)
    assert pick("default", [again, DEFAULT]) is DEFAULT


@pytest.mark.parametrize(
    ("wanted", "among", "text"),
    [
        ("intel", ALL, f"'intel' could be several sound devices: there are: {CARD.name}, {HDMI.name}"),
        ("bose", ALL, f"no sound device is called 'bose': there are: {CARD.name}, {HDMI.name}, default"),
        ("", [], "this machine has no sound device: the outputs null"),
    ],
)
def test_a_choice_that_fails_lists_what_there_is(wanted: str, among: list[Device], text: str) -> None:
    with pytest.raises(OutputError) as caught:
        pick(wanted, among)
    assert str(caught.value).startswith(text)
    assert caught.value.code is ErrorCode.SOUND_DEVICE


class Ring:
    """A pa_ringbuffer whose reader is the test."""

    def __init__(self, elementsize: int, buffer: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        assert elementsize == buffer.shape[1] * 4
        self.buffer = buffer
        self.read_frame = self.read_available = 0

    def advance_write_index(self, frames: int) -> None:
        self.read_available += frames
        assert self.read_available <= len(self.buffer)

    def read(self, frames: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        frames = min(frames, self.read_available)
        index = (self.read_frame + np.arange(frames)) % len(self.buffer)
        self.read_frame += frames
        self.read_available -= frames
        return self.buffer[index].copy()


def new_feed(format: AudioFormat = CD, channels: int = 2, buffer_frames: int = 1_000, gain: float = 1.0) -> Feed:
    return Feed(SimpleNamespace(RingBuffer=Ring), format, channels, buffer_frames, 500, gain)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=20))
def test_the_callback_reads_the_very_samples_round_and_round(steps: list[tuple[int, int]]) -> None:
    feed = new_feed()
    source = np.frombuffer(counted_frames(8_000), "<i2").reshape(-1, 2)
    read = [np.zeros((0, 2), np.float32)]
    written = 0
    for writing, reading in steps:
        writing = min(writing, feed.room_frames)
        feed.write(memoryview(source[written : written + writing].tobytes()))
        written += writing
        read.append(feed.ring.read(reading))
        assert feed.waiting_frames + feed.room_frames == 1_000
        assert feed.written_frame == 500 + written
    read.append(feed.ring.read(1_000))
    assert np.array_equal(np.concatenate(read) * 32_768, source[:written])


def test_volume_changes_reach_what_waits_but_for_the_margin() -> None:
    feed = new_feed(buffer_frames=8_000)
    ones = np.full((6_000, 2), 2**14, "<i2")
    feed.write(memoryview(ones[:4_000].tobytes()))
    feed.ring.read(1_000)
    feed.turn(0.0, 200)
    feed.write(memoryview(ones[4_000:].tobytes()))
    left = feed.ring.read(8_000)[:, 0] * 2
    assert np.all(left[:200] == 1.0)
    assert np.all(np.diff(left[200 : 200 + 882]) < 0)
    assert not left[200 + 882 :].any()
    feed.turn(1.0, 200)
    feed.write(memoryview(ones[:2_000].tobytes()))
    feed.turn(1.0, 200)
    again = feed.ring.read(8_000)[:, 0] * 2
    assert again[-1] == 1.0
    assert np.abs(np.diff(again)).max() <= 1 / 882 + 1e-6


def test_turning_back_at_once_leaves_samples_that_nobody_heard_untouched() -> None:
    feed = new_feed(buffer_frames=8_000)
    source = counted_frames(6_000)
    feed.write(memoryview(source))
    feed.turn(0.25, 1_000)
    feed.turn(1.0, 1_000)
    read = feed.ring.read(8_000)
    assert np.array_equal(read * 32_768, np.frombuffer(source, "<i2").reshape(-1, 2))


def test_a_device_with_other_channels_gets_them() -> None:
    mono = AudioFormat(44_100, 1, 16)
    feed = new_feed(mono, channels=2)
    feed.write(memoryview(np.array([8_192, -8_192], "<i2").tobytes()))
    assert feed.ring.read(9).tolist() == [[0.25, 0.25], [-0.25, -0.25]]


def test_what_is_no_number_is_silence() -> None:
    floats = AudioFormat(44_100, 1, 32, is_float=True)
    feed = new_feed(floats, channels=1)
    feed.write(memoryview(np.array([np.nan, 0.5, np.inf, -np.inf, 1.5], "<f4").tobytes()))
    assert feed.ring.read(9).ravel().tolist() == [0.0, 0.5, 1.0, -1.0, 1.5]


@dataclass(slots=True, eq=False)
class Action:
    done_frames: int = 0
    actual_time: float = 0.0


class Mixer:
    """As much of rtmixer as the clock needs: two actions that a callback moves on together."""

    def __init__(self, offset_s: float) -> None:
        self.offset_s = offset_s
        self.music = Action()
        self.actions: list[Action] = [self.music]
        self.is_gone = False

    @property
    def time(self) -> float:
        if self.is_gone:
            raise OSError("gone")
        return time.monotonic() + self.offset_s

    def play_buffer(self, buffer: object, channels: int) -> Action:
        self.actions.append(Action())
        return self.actions[-1]

    def block(self, frames: int, dac_s: float) -> None:
        for action in self.actions:
            if not action.done_frames:
                action.actual_time = dac_s
            action.done_frames += frames


def clock_on(mixer: Mixer, gone: list[bool]) -> DeviceClock:
    return DeviceClock(mixer, 44_100, StreamClock(mixer, OSError, lambda: gone.append(True)))


@pytest.mark.parametrize("offset_s", [0.0, 1.7e9])
def test_a_point_takes_two_looks_that_agree(offset_s: float) -> None:
    mixer = Mixer(offset_s)
    clock = clock_on(mixer, [])
    music = mixer.music
    mixer.block(1_000, 50.0)
    assert clock.look(music) is None, "begins the silence"
    assert clock.look(music) is None, "no block yet"
    at_s = 60.0 + offset_s
    mixer.block(1_000, at_s)
    assert clock.look(music) is None, "the first look"
    assert clock.look(music) is None, "still the same block"
    mixer.block(1_000, at_s + 1)
    point = clock.look(music)
    assert point is not None
    frames, at_ns = point
    assert frames == 1_000
    assert abs(at_ns - 60 * NS_PER_S) < 1_000_000
    mixer.block(1_000, at_s + 2)
    clock.look(music)
    mixer.block(1_000, at_s + 3)
    again = clock.look(music)
    assert again is not None
    assert again[0] == 3_000


def test_a_look_in_the_middle_of_a_callback_is_not_believed() -> None:
    mixer = Mixer(0.0)
    clock = clock_on(mixer, [])
    clock.look(mixer.music)
    mixer.block(1_000, 60.0)
    mixer.music.done_frames += 1_000
    assert clock.look(mixer.music) is None
    mixer.actions[1].done_frames += 1_000
    mixer.block(1_000, 61.0)
    assert clock.look(mixer.music) is None, "the two looks differ"
    mixer.block(1_000, 62.0)
    point = clock.look(mixer.music)
    assert point is not None
    assert point[0] == 0


def test_a_silence_that_was_over_too_soon_is_begun_again() -> None:
    mixer = Mixer(0.0)
    clock = clock_on(mixer, [])
    clock.look(mixer.music)
    mixer.block(30_000, 60.0)
    mixer.actions.pop()
    assert clock.look(mixer.music) is None
    assert len(mixer.actions) == 2


def test_a_stream_clock_that_somebody_set_voids_the_point() -> None:
    mixer = Mixer(1.7e9)
    clock = clock_on(mixer, [])
    clock.look(mixer.music)
    mixer.block(1_000, 60.0)
    clock.look(mixer.music)
    mixer.offset_s += 3_600
    mixer.block(1_000, 61.0)
    assert clock.look(mixer.music) is None


def test_a_device_that_vanishes_is_told_and_the_clock_goes_on_as_it_was() -> None:
    mixer = Mixer(1.7e9)
    gone: list[bool] = []
    stream = StreamClock(mixer, OSError, lambda: gone.append(True))
    offset_ns = stream.offset_ns()
    mixer.is_gone = True
    assert stream.offset_ns() == offset_ns
    assert gone


def test_an_asyncio_program_is_woken_by_events_and_never_polls() -> None:
    async def play() -> int:
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[OutputEvent] = asyncio.Queue()
        output = NullOutput(lambda event: loop.call_soon_threadsafe(events.put_nowait, event), fast=True)
        rest = memoryview(bytes(4 * 44_100 * 5))
        try:
            output.open(CD)
            output.start()
            while rest:
                rest = rest[4 * output.write(rest) :]
                while rest and not isinstance(await asyncio.wait_for(events.get(), 20), Room):
                    pass
            output.drain()
            while not isinstance(event := await asyncio.wait_for(events.get(), 20), Drained):
                pass
            return event.frame
        finally:
            output.close()

    assert asyncio.run(play()) == 44_100 * 5


def test_stderr_survives_two_threads_that_hush_it_at_once() -> None:
    """Each puts back what it found: interleaved, the second would put back the first one's file."""
    before = os.fstat(2)
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with portaudio._quiet():
            inside.set()
            leave.wait(10)

    def second() -> None:
        inside.wait(10)
        leave.set()
        with portaudio._quiet():
            pass

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = os.fstat(2)
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
