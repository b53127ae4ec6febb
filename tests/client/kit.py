"""A listener for tests: an engine on a fake cluster, and what it told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from hocket.adapters.folders import client_folders
from hocket.client import events
from hocket.client.engine import Engine, EngineOptions
from hocket.media.wav import read_wav
from tests.kit.fakecluster import PASSWORD, USER, FakeCluster

WAIT_S = 60.0

E = TypeVar("E", bound=events.Event)


class Told:
    """Every event of an engine; `wait` goes through them in order."""

    def __init__(self) -> None:
        self.all: list[events.Event] = []
        self._read = 0
        self._more = asyncio.Event()

    def __call__(self, event: events.Event) -> None:
        self.all.append(event)
        self._more.set()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.all if isinstance(event, kind)]

    async def wait(self, kind: type[E], **fields: object) -> E:
        """The next event of this kind with these values; others before it are passed over."""
        async with asyncio.timeout(WAIT_S):
            while True:
                while self._read < len(self.all):
                    event = self.all[self._read]
                    self._read += 1
                    if isinstance(event, kind) and all(getattr(event, name) == fields[name] for name in fields):
                        return event
                self._more.clear()
                await self._more.wait()


class Listener(msgspec.Struct, frozen=True):
    engine: Engine
    told: Told
    wav: Path

    def samples(self) -> bytes:
        """What was played into the file so far."""
        return samples_of(self.wav)

    async def idle(self) -> object:
        """Wait until nothing plays; why it failed, if it did."""
        async with asyncio.timeout(WAIT_S):
            return await self.engine.wait_idle()


def samples_of(path: Path) -> bytes:
    """The audio data of a WAV file."""
    content = path.read_bytes()
    info = read_wav(lambda offset, length: content[offset : offset + length], len(content))
    return content[info.data_offset_bytes : info.data_offset_bytes + info.data_bytes]


@asynccontextmanager
async def listening(
    cluster: FakeCluster, folder: Path, *, output: str = "wav", fast: bool = False, cache: int = 0, log_in: bool = True
) -> AsyncIterator[Listener]:
    """An engine that is logged in and plays into a file; `cache` is its bound in bytes."""
    told = Told()
    wav = folder / "played.wav"
    options = EngineOptions(
        client_folders(folder / "home"), f"wav:{wav}" if output == "wav" else output, "", fast, cache
    )
    engine = Engine(options, told)
    try:
        if log_in:
            await engine.log_in(cluster.address, USER, PASSWORD)
        yield Listener(engine, told, wav)
    finally:
        await engine.close()
