"""A sound device that goes away, fails, or breaks in ways that nobody foresaw."""

import asyncio
from pathlib import Path

import pytest

from hocket.adapters.outputs import Lost, Output, OutputError
from hocket.adapters.outputs.null import NullOutput
from hocket.client import events
from hocket.core.errors import ErrorCode, HocketError
from tests.client.kit import Listener, listening
from tests.kit.fakecluster import FakeCluster, make_song

GONE = OutputError("the sound device was unplugged")


def _output(listener: Listener) -> Output:
    output = listener.engine._player._output
    assert output is not None
    return output


def test_music_goes_on_in_another_device_from_the_same_place(tmp_path: Path) -> None:
    song = make_song(seconds=2.5)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Position)
            _output(listener)._emit(Lost(GONE))
            assert await listener.idle() is None
            assert listener.told.of(events.Ended)[0].frames == song.track.frames
            assert listener.samples() == song.samples

    asyncio.run(scene())


def test_no_device_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make_song(seconds=5.0)

    def fails(*_: object) -> None:
        raise GONE

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, output="null") as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            monkeypatch.setattr(NullOutput, "open", fails)
            _output(listener)._emit(Lost(GONE))
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.SOUND_DEVICE

    asyncio.run(scene())


def test_a_write_that_fails_is_a_lost_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make_song(seconds=0.5)
    write = NullOutput.write
    calls = []

    def fails_once(output: NullOutput, frames: bytes) -> int:
        calls.append(len(frames))
        if len(calls) == 1:
            raise GONE
        return write(output, frames)

    monkeypatch.setattr(NullOutput, "write", fails_once)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, output="null") as listener:
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.told.of(events.Ended)[0].complete

    asyncio.run(scene())


def test_a_full_disk_ends_the_playing_with_its_reason(tmp_path: Path) -> None:
    from hocket.adapters.outputs import FileUnwritable

    song = make_song(seconds=5.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            _output(listener)._emit(Lost(FileUnwritable("cannot write o.wav: no space left")))
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.DATA_UNWRITABLE

    asyncio.run(scene())


def test_a_bug_ends_the_playing_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    song = make_song(seconds=0.3)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, output="null") as listener:
            listener.engine._player._cross = lambda frame: 1 / 0  # type: ignore[method-assign, assignment]
            await listener.engine.play(song.track)
            failure = await listener.idle()
            assert isinstance(failure, HocketError)
            assert failure.code is ErrorCode.BUG

    asyncio.run(scene())
    assert "ZeroDivisionError" in caplog.text
