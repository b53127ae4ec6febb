"""What is heard is what the file holds, however it is asked for."""

import asyncio
from pathlib import Path

import pytest

from hocket.client import events
from hocket.client.playing import State
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.sound import AudioFormat
from tests.client.kit import listening
from tests.kit.fakecluster import CD, FakeCluster, make_song

FORMATS = [
    AudioFormat(8000, 1, 8),
    AudioFormat(44100, 2, 16),
    AudioFormat(48000, 3, 24),
    AudioFormat(96000, 2, 32),
    AudioFormat(22050, 8, 16),
    AudioFormat(192000, 2, 24),
    AudioFormat(44100, 2, 32, is_float=True),
]


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_every_format_is_played_bit_by_bit(form: AudioFormat, tmp_path: Path) -> None:
    song = make_song("a b ü.wav", 1.3, form, trailer=b"LIST\x04\x00\x00\x00tail")

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            await listener.engine.play("a b ü")
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            opened = listener.told.of(events.Opened)[0]
            assert (opened.rate, opened.channels, opened.bits) == (form.rate_hz, form.channels, form.bits)
            assert listener.told.of(events.Ended) == [events.Ended(song.track.frames, 0, True)]

    asyncio.run(scene())


def test_a_long_track_is_read_ahead_within_bounds(tmp_path: Path) -> None:
    song = make_song(seconds=30.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await listener.told.wait(events.Position)
            sent_bytes = cluster.files[0].sent_bytes
            reading = listener.engine.reading()
            ahead_s = CD.seconds(CD.frames_in(sent_bytes) - reading.position_frames)
            assert ahead_s < 14  # ten, what the output holds, and the last piece
            assert reading.state is State.PLAYING
            assert reading.buffer_s > 4
            await listener.engine.stop()
            assert listener.engine.reading().state is State.STOPPED

    asyncio.run(scene())


def test_pause_loses_and_repeats_nothing(tmp_path: Path) -> None:
    song = make_song(seconds=1.5)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Position)
            await listener.engine.pause()
            paused = await listener.told.wait(events.Paused)
            await listener.engine.pause()  # a second one changes nothing
            await listener.engine.resume()
            resumed = await listener.told.wait(events.Resumed)
            assert paused.frame == resumed.frame > 0
            assert await listener.idle() is None
            assert listener.samples() == song.samples
            assert len(listener.told.of(events.Paused)) == 1
            assert len(listener.told.of(events.Playing)) == 1

    asyncio.run(scene())


def test_seek_goes_on_at_the_very_frame(tmp_path: Path) -> None:
    song = make_song(seconds=20.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await listener.engine.seek(19.25)
            seeked = await listener.told.wait(events.Seeked)
            assert seeked.frame == round(19.25 * 44100)
            assert await listener.idle() is None
            played = listener.samples()
            tail = song.samples[seeked.frame * 4 :]
            assert played.endswith(tail)
            head = played[: -len(tail)]
            assert song.samples.startswith(head)
            assert listener.told.of(events.Ended)[0].frames == len(played) // 4

    asyncio.run(scene())


def test_seek_while_paused_stays_paused(tmp_path: Path) -> None:
    song = make_song(seconds=5.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await listener.engine.pause()
            await listener.engine.seek(4.5)
            assert listener.engine.reading().state is State.PAUSED
            assert listener.engine.reading().position_frames == round(4.5 * 44100)
            await listener.engine.resume()
            assert await listener.idle() is None
            assert listener.samples().endswith(song.samples[round(4.5 * 44100) * 4 :])

    asyncio.run(scene())


def test_seeks_beyond_the_ends_stay_within_the_track(tmp_path: Path) -> None:
    song = make_song(seconds=3.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await listener.engine.seek(-5)
            assert (await listener.told.wait(events.Seeked)).frame == 0
            await listener.engine.seek(1e9)
            assert (await listener.told.wait(events.Seeked)).frame == song.track.frames
            assert await listener.idle() is None

    asyncio.run(scene())


def test_a_part_is_played_to_the_frame(tmp_path: Path) -> None:
    song = make_song(seconds=20.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            await listener.engine.play(song.track, start_s=11.5, for_s=2.25)
            assert await listener.idle() is None
            first, frames = round(11.5 * 44100), round(2.25 * 44100)
            assert listener.samples() == song.samples[first * 4 : (first + frames) * 4]
            assert listener.told.of(events.Ended)[0].frames == frames

    asyncio.run(scene())


def test_another_track_takes_the_place_of_what_plays(tmp_path: Path) -> None:
    one, two = make_song("one.wav", 10.0), make_song("two.wav", 0.5)

    async def scene() -> None:
        async with FakeCluster(one, two) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play("one")
            await listener.told.wait(events.Playing)
            await listener.engine.play("two")
            ended = await listener.told.wait(events.Ended)
            assert not ended.complete
            assert (await listener.told.wait(events.Opened)).name == "two.wav"
            assert await listener.idle() is None
            played = listener.samples()
            assert played.endswith(two.samples)
            assert one.samples.startswith(played[: -len(two.samples)])

    asyncio.run(scene())


def test_handles_are_given_back(tmp_path: Path) -> None:
    song = make_song(seconds=20.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            for _ in range(20):  # more than a connection may hold open at once
                await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            assert listener.told.of(events.Error) == []

    asyncio.run(scene())


def test_stop_is_silent_at_once_and_play_starts_anew(tmp_path: Path) -> None:
    song = make_song(seconds=10.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            await listener.told.wait(events.Playing)
            await listener.engine.stop()
            ended = await listener.told.wait(events.Ended)
            assert not ended.complete
            assert await listener.idle() is None
            await listener.engine.resume()  # what stands in the queue
            await listener.told.wait(events.Playing)
            await listener.engine.stop()

    asyncio.run(scene())


@pytest.mark.parametrize(("text", "code"), [("nothing", ErrorCode.TRACK_MISSING), ("wav", ErrorCode.AMBIGUOUS)])
def test_a_name_that_fits_no_single_track_is_refused(text: str, code: ErrorCode, tmp_path: Path) -> None:
    async def scene() -> None:
        songs = make_song("one.wav", 0.1), make_song("two.wav", 0.1)
        async with FakeCluster(*songs) as cluster, listening(cluster, tmp_path) as listener:
            with pytest.raises(HocketError) as raised:
                await listener.engine.play(text)
            assert raised.value.code is code

    asyncio.run(scene())


def test_a_track_that_cannot_play_says_why(tmp_path: Path) -> None:
    song = make_song(problem="it is an MP3 file")

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            with pytest.raises(HocketError, match="MP3") as raised:
                await listener.engine.play(song.track)
            assert raised.value.code is ErrorCode.TRACK_UNPLAYABLE

    asyncio.run(scene())


def test_an_empty_track_ends_at_once(tmp_path: Path) -> None:
    song = make_song(seconds=0.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path) as listener:
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert (await listener.told.wait(events.Ended)).frames == 0

    asyncio.run(scene())


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    song = make_song(seconds=0.1)

    async def scene() -> None:
        async with (
            FakeCluster(song) as cluster,
            listening(cluster, tmp_path, output="wav:/nowhere/at/all.wav") as listener,
        ):
            with pytest.raises(HocketError) as raised:
                await listener.engine.play(song.track)
            assert raised.value.code is ErrorCode.DATA_UNWRITABLE

    asyncio.run(scene())


def test_volume_is_applied_and_read_back(tmp_path: Path) -> None:
    song = make_song(seconds=0.5)

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, fast=True) as listener:
            listener.engine.set_volume(0.0)
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.engine.snapshot().volume == 0.0
            assert set(listener.samples()) == {0}

    asyncio.run(scene())
