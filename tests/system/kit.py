"""Listeners inside the test's own process, against a real prime and its real nodes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from hocket.adapters.folders import client_folders
from hocket.client.engine import Engine, EngineOptions
from hocket.core.address import ClusterAddress
from hocket.core.sound import AudioFormat
from hocket.media.wav_header import wav_header
from tests.adapters.transfer_kit import files_below
from tests.client.kit import Told
from tests.kit.cluster import DEMO_PASSWORD, DEMO_USER, Cluster, Status

SMALL = AudioFormat(8000, 1, 16)
QUICK = ("--heartbeat", "0.2", "--lease", "1", "--session-heartbeat", "0.5", "--ticket", "4")
"""Flags that make a cluster notice within a second what takes a real one five."""
WAIT_S = 60.0


async def until(cluster: Cluster, holds: Callable[[Status], object]) -> Status:
    """`Cluster.until`, while the listeners in this process go on."""
    return await asyncio.to_thread(cluster.until, holds, WAIT_S)


def make_song(path: Path, seconds: int, seed: int = 1) -> bytes:
    """A WAV file whose samples all differ from their neighbours; returns the samples."""
    count = seconds * SMALL.rate_hz
    samples = b"".join(((i * 31 + seed * 7919) & 0xFFFF).to_bytes(2, "little") for i in range(count))
    path.write_bytes(wav_header(SMALL, len(samples)) + samples)
    return samples


def names(music: Path) -> set[str]:
    """What people see in a music folder."""
    return {name for name in files_below(music) if name.endswith(".wav") and ".hocket-" not in name}


@contextlib.asynccontextmanager
async def listening(
    cluster: Cluster,
    number: int = 0,
    *,
    user: str = DEMO_USER,
    password: str = DEMO_PASSWORD,
    output: str = "null",
    fast: bool = False,
) -> AsyncIterator[tuple[Engine, Told]]:
    """An engine that is logged in; everything it has ends with the context."""
    told = Told()
    folders = client_folders(cluster.folder / f"listener-{number}")
    engine = Engine(EngineOptions(folders, output, fast=fast, cache_limit_bytes=0), told)
    try:
        await engine.log_in(ClusterAddress.parse(cluster.address), user, password)
        yield engine, told
    finally:
        await engine.close()
