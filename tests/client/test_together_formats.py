"""From one track to the next where their formats differ: nobody is late, and nothing is left out."""

import asyncio
from pathlib import Path

import pytest

from hocket.client import events
from hocket.core.sound import AudioFormat
from tests.client.together_kit import ear, runs
from tests.kit.fakecluster import FakeCluster, Song, make_song

pytestmark = pytest.mark.in_time

CD = AudioFormat(44_100, 2, 16)
STUDIO = AudioFormat(48_000, 2, 24)
MONO = AudioFormat(44_100, 1, 16)


@pytest.mark.parametrize("form", [STUDIO, MONO], ids=["48 kHz, 24 bit", "mono"])
def test_the_next_track_of_another_format_begins_for_all_at_its_first_frame(tmp_path: Path, form: AudioFormat) -> None:
    first, second = make_song("first.wav", 8, CD), make_song("second.wav", 5, form)

    async def run() -> None:
        async with (
            FakeCluster(first, second) as cluster,
            ear(cluster, tmp_path, "friend") as friend,
        ):
            async with ear(cluster, tmp_path, "host") as host:
                await host.engine.play_all([first.track, second.track])
                await host.told.wait(events.Playing)
                await friend.engine.together.join(host.told.of(events.Hosting)[-1].address)
                await friend.told.wait(events.Playing)
                for one in (host, friend):
                    ended = await one.told.wait(events.Ended)
                    assert ended.complete
                    assert (await one.told.wait(events.Opened)).track == second.track.id
                    await one.told.wait(events.Position)
                await friend.told.wait(events.Offset)
                for one in (host, friend):
                    assert (await one.told.wait(events.Ended)).complete
            assert all(abs(told.ms) < 20 for told in friend.told.of(events.Offset))
            if friend.told.of(events.Stalled):
                return  # a machine so busy that the order of samples tells nothing
        _check(friend.files, first, second)

    asyncio.run(run())


def _check(files: list[Path], first: Song, second: Song) -> None:
    assert len(files) == 2, "the file of each format"
    for file, song, is_whole in zip(files, (first, second), (False, True), strict=True):
        content = file.read_bytes()
        played = runs(content[content.index(b"data") + 8 :], song)
        assert len(played) == 1
        start, frames = played[0]
        assert start + frames == song.track.frames, "to the last sample"
        if is_whole:
            assert start == 0, "from the first sample on"
