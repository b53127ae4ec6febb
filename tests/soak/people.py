"""Listeners of a soak: one who only listens, and others who pause, seek and change their minds."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

from hocket.adapters.folders import client_folders
from hocket.client.engine import Engine, EngineOptions
from hocket.client.playing import State
from hocket.client.queue import Repeat
from hocket.core.address import ClusterAddress
from hocket.core.errors import HocketError
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER
from tests.soak.ear import Ear

LOG_IN_AGAIN_S = 1.0
BETWEEN_S = (2.0, 7.0)
PAUSE_S = (0.5, 3.0)


@contextlib.asynccontextmanager
async def listener(address: str, home: Path, ear: Ear, output: str = "null") -> AsyncIterator[Engine]:
    """An engine that is logged in. The cluster may be away at this moment: it tries until it gets in."""
    engine = Engine(EngineOptions(client_folders(home), output, cache_limit_bytes=0), ear)
    try:
        while True:
            try:
                await engine.log_in(ClusterAddress.parse(address), DEMO_USER, DEMO_PASSWORD)
                break
            except HocketError as error:
                ear.failed(f"log-in: {error}")
                await asyncio.sleep(LOG_IN_AGAIN_S)
        ear.rested()
        yield engine
    finally:
        await engine.close()


async def listen_steadily(address: str, home: Path, ear: Ear, track: str, wav: Path) -> None:
    """Plays one track over and over into a file, for ever."""
    async with listener(address, home, ear, f"wav:{wav}") as engine:
        await engine.set_repeat(Repeat.ONE)
        await engine.play(track)
        while (failure := await engine.wait_idle()) is None:
            ear.failed("a track that repeats came to an end")
        raise failure


async def wander(address: str, home: Path, ear: Ear, draw: random.Random) -> None:
    """Plays, pauses, seeks and skips, for ever; logs in anew if the session ends."""
    while True:
        async with listener(address, home, ear) as engine:
            while engine.snapshot().user:
                try:
                    await _do_something(engine, ear, draw)
                except HocketError as error:
                    ear.failed(f"command: {error}")
                await asyncio.sleep(draw.uniform(*BETWEEN_S))
        ear.failed("the session ended")


async def _do_something(engine: Engine, ear: Ear, draw: random.Random) -> None:
    snapshot = engine.snapshot()
    if snapshot.state is State.STOPPED or draw.random() < 0.2:
        tracks = [track for track in await engine.all_tracks() if track.is_playable]
        await engine.play(draw.choice(tracks), start_s=draw.uniform(0, 10))
        ear.rested()
    elif draw.random() < 0.3:
        await engine.pause()
        await asyncio.sleep(draw.uniform(*PAUSE_S))
        await engine.resume()
        ear.rested()
    elif snapshot.track is not None:
        await engine.seek(draw.uniform(0, snapshot.track.duration_s * 0.9))
        ear.rested()
