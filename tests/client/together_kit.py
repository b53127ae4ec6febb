"""Several listeners in one process that hear the same music, and what each of them played."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from hocket.adapters.folders import client_folders
from hocket.audio.stretch import FADE_S
from hocket.client import events
from hocket.client.engine import Engine, EngineOptions
from hocket.client.together.passage import MOST_SETTLING_S
from hocket.client.together.together import TogetherOptions
from hocket.core.address import HostPort
from hocket.media.wav import read_wav
from tests.client.kit import WAIT_S, Told
from tests.kit.fakecluster import PASSWORD, USER, FakeCluster, Song

ANYWHERE = HostPort("127.0.0.1", 0)
PROBE_BYTES = 400
LEARNING_S = 2.5


class Ear(msgspec.Struct, frozen=True):
    """One listener and the files that it played into, one for each time that it began."""

    engine: Engine
    told: Told
    wav: Path

    @property
    def files(self) -> list[Path]:
        more = sorted(self.wav.parent.glob(f"{self.wav.stem}-*.wav"))
        return [path for path in (self.wav, *more) if path.exists()]

    def runs(self, song: Song, file: int = 0) -> list[tuple[int, int]]:
        """(first frame, frames) of every stretch of the song that stands in a file, bit by bit. Fails on all else."""
        content = self.files[file].read_bytes()
        info = read_wav(lambda offset, length: content[offset : offset + length], len(content))
        played = content[info.data_offset_bytes : info.data_offset_bytes + info.data_bytes]
        return runs(played, song)

    async def heard(self, frames: int) -> None:
        """Wait until so many more frames were heard, by this listener's own events."""
        first = (await self.told.wait(events.Position)).frame
        async with asyncio.timeout(WAIT_S):
            while (await self.told.wait(events.Position)).frame < first + frames:
                pass


def runs(played: bytes, song: Song) -> list[tuple[int, int]]:
    """See `Ear.runs`. While its clock was being learnt, a busy listener may have gone over to a better place."""
    found: list[tuple[int, int]] = []
    form = song.track.format
    assert form is not None
    size, at = form.bytes_per_frame, 0
    while at + PROBE_BYTES <= len(played):
        start = song.samples.find(played[at : at + PROBE_BYTES])
        if start < 0:
            first, frames = found.pop() if found else (0, 0)
            assert 0 < frames < LEARNING_S * form.rate_hz, f"frame {at // size} of what was played is nowhere"
            faded, start = _after_fade(played, at, song, size, round(2 * FADE_S * form.rate_hz))
            beside = start // size - (first + frames + faded)
            assert abs(beside) <= MOST_SETTLING_S * form.rate_hz, f"{beside} frames beside after frame {at // size}"
            at += faded * size
            length = common(played, at, song.samples, start)
            found.append((first, (start + length) // size - first))
        else:
            length = common(played, at, song.samples, start)
            found.append((start // size, length // size))
        at += length
    return found


def _after_fade(played: bytes, at: int, song: Song, size: int, most_frames: int) -> tuple[int, int]:
    """How many frames were faded out and in, and the byte of the song that follows."""
    for frames in range(1, most_frames + 1):
        start = song.samples.find(played[at + frames * size :][:PROBE_BYTES])
        if start >= 0:
            return frames, start
    raise AssertionError(f"frame {at // size} of what was played, and all that follow, are nowhere in the song")


def common(a: bytes, i: int, b: bytes, j: int) -> int:
    """How many bytes from a[i] and b[j] on are the same."""
    length, step = 0, 1 << 20
    while step:
        here, there = a[i + length : i + length + step], b[j + length : j + length + step]
        if len(here) == step and here == there:
            length += step
        else:
            step >>= 1
    return length


@asynccontextmanager
async def ear(
    cluster: FakeCluster, folder: Path, name: str, *, host: HostPort | None = ANYWHERE, invite_only: bool = False
) -> AsyncIterator[Ear]:
    """A listener that is logged in and plays into a file in real time."""
    told = Told()
    wav = folder / f"{name}.wav"
    together = TogetherOptions(host, invite_only)
    engine = Engine(EngineOptions(client_folders(folder / name), f"wav:{wav}", "", False, 0, together), told)
    try:
        await engine.log_in(cluster.address, USER, PASSWORD)
        yield Ear(engine, told, wav)
    finally:
        await engine.close()


async def play(host: Ear, song: Song) -> str:
    """Play, and the address where to join."""
    await host.engine.play(song.track)
    await host.told.wait(events.Playing)
    return host.told.of(events.Hosting)[-1].address
