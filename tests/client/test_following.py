"""One track after another: without a gap, in the order of the queue, past what cannot play."""

import asyncio
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from hocket.adapters.folders import client_folders
from hocket.client import events
from hocket.client.engine import Engine, EngineOptions
from hocket.client.playing import State
from hocket.client.queue import Repeat
from hocket.client.thread import EngineThread
from hocket.core.errors import HocketError
from hocket.core.sound import AudioFormat
from tests.client.kit import WAIT_S, listening
from tests.kit.fakecluster import PASSWORD, USER, FakeCluster, make_song

pytestmark = pytest.mark.in_time

MONO = AudioFormat(8000, 1, 16)


def test_tracks_of_one_format_join_without_a_gap(tmp_path: Path) -> None:
    songs = [make_song(f"{name}.wav", 0.7) for name in "abc"]

    async def scene() -> None:
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play_all([song.track for song in songs])
            assert await listener.idle() is None
            assert listener.samples() == b"".join(song.samples for song in songs)
            assert [event.name for event in listener.told.of(events.Opened)] == ["a.wav", "b.wav", "c.wav"]
            assert [event.frames for event in listener.told.of(events.Ended)] == [songs[0].track.frames] * 3
            latencies = [event.latency_ms for event in listener.told.of(events.Playing)]
            assert latencies[0] > 0
            assert latencies[1:] == [0.0, 0.0]
            assert listener.told.of(events.Stalled) == []

    asyncio.run(scene())


def test_another_format_begins_another_file(tmp_path: Path) -> None:
    one, two = make_song("a.wav", 0.3), make_song("b.wav", 0.3, MONO)

    async def scene() -> None:
        async with FakeCluster(one, two) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            await listener.engine.play_all([one.track, two.track])
            assert await listener.idle() is None
            assert listener.samples() == one.samples
            second = listener.wav.with_stem("played-2").read_bytes()
            assert second[-len(two.samples) :] == two.samples
            assert [event.complete for event in listener.told.of(events.Ended)] == [True, True]

    asyncio.run(scene())


def test_what_cannot_play_is_told_and_passed_over(tmp_path: Path) -> None:
    songs = [make_song("a.wav", 0.2), make_song("b.wav", 0.2, problem="an MP3"), make_song("c.wav", 0.2)]
    gone = make_song("d.wav", 0.2)

    async def scene() -> None:
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            await listener.engine.play_all([*(song.track for song in songs), gone.track, songs[0].track])
            assert await listener.idle() is None
            assert listener.samples() == songs[0].samples + songs[2].samples + songs[0].samples
            assert [event.code for event in listener.told.of(events.Error)] == ["TRACK_UNPLAYABLE", "TRACK_MISSING"]

    asyncio.run(scene())


def test_a_round_past_what_cannot_play(tmp_path: Path) -> None:
    songs = [make_song("a.wav", 0.1), *(make_song(f"{number}.wav", 0.1, problem="broken") for number in range(3))]

    async def scene() -> None:
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            await listener.engine.set_repeat(Repeat.ALL)
            await listener.engine.play_all([song.track for song in songs])
            for _ in range(2):
                await listener.told.wait(events.Ended)
                for _ in range(3):
                    assert (await listener.told.wait(events.Error)).code == "TRACK_UNPLAYABLE"
            await listener.engine.set_repeat(Repeat.OFF)
            await listener.idle()

    asyncio.run(scene())


def test_a_round_of_nothing_that_can_play_ends(tmp_path: Path) -> None:
    song = make_song("a.wav", 0.3)
    broken = [make_song(f"{number}.wav", 0.1, problem="broken") for number in range(3)]

    async def scene() -> None:
        async with FakeCluster(song, *broken) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.set_repeat(Repeat.ALL)
            await listener.engine.play_all([song.track, *(song.track for song in broken)])
            await listener.told.wait(events.Playing)
            await listener.engine.remove(listener.engine.queue[0].id)
            assert len(listener.told.of(events.Error)) == 3
            await listener.idle()

    asyncio.run(scene())


def test_one_track_again_and_again(tmp_path: Path) -> None:
    song = make_song("a.wav", 0.3)

    async def scene() -> None:
        async with FakeCluster(song) as cluster:
            async with listening(cluster, tmp_path) as listener:
                await listener.engine.set_repeat(Repeat.ONE)
                await listener.engine.play_all([song.track])
                for _ in range(3):
                    assert (await listener.told.wait(events.Ended)).complete
                await listener.engine.stop()
            played = listener.samples()  # the file is whole now
            assert (song.samples * 9).startswith(played)
            assert len(played) >= 3 * len(song.samples)

    asyncio.run(scene())


def test_a_change_of_the_queue_reaches_what_is_in_the_output_already(tmp_path: Path) -> None:
    songs = [make_song(f"{name}.wav", 1.6) for name in "abc"]

    async def scene() -> None:
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play_all([song.track for song in songs[:2]])
            await listener.told.wait(events.Playing)
            await listener.told.wait(events.Position)  # by now the next track is in the output, too
            await listener.engine.add([songs[2].track], next=True)
            assert await listener.idle() is None
            assert listener.samples() == songs[0].samples + songs[2].samples + songs[1].samples

    asyncio.run(scene())


def test_next_and_previous(tmp_path: Path) -> None:
    songs = [make_song(f"{name}.wav", 5.0) for name in "abc"]

    async def scene() -> None:
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path, output="null") as listener:
            engine, told = listener.engine, listener.told
            await engine.play_all([song.track for song in songs])
            await told.wait(events.Opened, name="a.wav")
            assert await engine.next()
            await told.wait(events.Opened, name="b.wav")
            await engine.previous()
            await told.wait(events.Opened, name="a.wav")
            await engine.previous()  # nothing before it
            assert (await told.wait(events.Seeked)).frame == 0
            await engine.seek(4.0)
            await engine.previous()  # the start of this one
            assert (await told.wait(events.Seeked)).frame == 4 * 44100
            assert (await told.wait(events.Seeked)).frame == 0
            await engine.play_entry(engine.queue[2].id)
            await told.wait(events.Opened, name="c.wav")
            assert not await engine.next()
            assert engine.reading().state is not State.STOPPED
            await engine.clear()
            assert engine.reading().state is State.STOPPED
            assert engine.snapshot().queue_length == 0

    asyncio.run(scene())


def test_taking_out_what_plays_plays_the_next(tmp_path: Path) -> None:
    songs = [make_song(f"{name}.wav", 5.0) for name in "ab"]

    async def scene() -> None:
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path, output="null") as listener:
            engine, told = listener.engine, listener.told
            await engine.play_all([song.track for song in songs])
            await told.wait(events.Opened, name="a.wav")
            await engine.remove(engine.queue[0].id)
            await told.wait(events.Opened, name="b.wav")
            await engine.remove(engine.queue[0].id)
            assert engine.reading().state is State.STOPPED

    asyncio.run(scene())


def test_no_sound_card_is_said_and_music_goes_on_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hocket.adapters.outputs import OutputError
    from hocket.adapters.outputs.speakers import SpeakersOutput

    def no_card(*_: object) -> None:
        raise OutputError("this machine has no sound device")

    monkeypatch.setattr(SpeakersOutput, "open", no_card)
    song = make_song(seconds=0.3)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, output="speakers") as listener:
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            (changed,) = listener.told.of(events.OutputChanged)
            assert (changed.output, changed.why) == ("null", "this machine has no sound device")
            assert listener.told.of(events.Ended)[0].frames == song.track.frames

    asyncio.run(scene())


# -- on a thread of its own


class _OnThread:
    """A fake cluster on its own thread, for a test that is no coroutine."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        async def live() -> None:
            async with self._cluster:
                self._up.set()
                await self._end.wait()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(live())

    def __enter__(self) -> FakeCluster:
        self._thread.start()
        assert self._up.wait(WAIT_S)
        return self._cluster

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()


def test_an_engine_on_its_own_thread(tmp_path: Path) -> None:
    song = make_song(seconds=0.3)
    ended = threading.Event()

    def hear(event: events.Event) -> None:
        if isinstance(event, events.Ended):
            ended.set()

    options = EngineOptions(client_folders(tmp_path / "home"), "null", cache_limit_bytes=0)
    with _OnThread(FakeCluster(song)) as cluster:
        engine = EngineThread(options, hear)
        try:
            engine.call(lambda it: it.log_in(cluster.address, USER, PASSWORD)).result(WAIT_S)
            assert engine.read(Engine.snapshot).result(WAIT_S).user == USER
            engine.call(lambda it: it.play("one")).result(WAIT_S)
            assert ended.wait(WAIT_S)
            with pytest.raises(HocketError):
                engine.call(lambda it: it.play("nothing like it")).result(WAIT_S)
            hanging = engine.call(lambda it: asyncio.Event().wait())
            hanging.cancel()
            with pytest.raises(CancelledError):
                hanging.result(WAIT_S)
        finally:
            engine.close()
            engine.close()
