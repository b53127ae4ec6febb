"""The bytes of one track, without a cluster: what a closed fetch gives back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from hocket.adapters.clocks import SystemClock
from hocket.client.fetch import Fetch
from hocket.client.streams import Streams
from hocket.core.ids import NodeId, TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.wire.messages.tracks import TrackOpened

T = TypeVar("T")

FORMAT = AudioFormat(rate_hz=48_000, channels=2, bits=16)
FRAMES = 4 * 48_000
SONG = Track(
    id=TrackId("0" * 64),
    name="song.wav",
    title="Song",
    format=FORMAT,
    frames=FRAMES,
    size_bytes=44 + FRAMES * FORMAT.bytes_per_frame,
    data_offset_bytes=44,
    data_bytes=FRAMES * FORMAT.bytes_per_frame,
)


class OneNode:
    """A cluster's only streaming node, on a line that never breaks."""

    node = NodeId("file-1")
    is_usable = is_open = True
    draining = ""
    error = None

    async def at_holder(self, track: TrackId, use: Callable[["OneNode"], Awaitable[T]], lacking: object) -> T:
        return await use(self)

    async def open_track(self, track: TrackId) -> TrackOpened:
        return TrackOpened(1, SONG)

    async def close_track(self, handle: int) -> None:
        pass

    async def read(self, handle: int, offset_bytes: int, length_bytes: int) -> bytes:
        return bytes(length_bytes)


def test_a_closed_fetch_holds_no_music() -> None:
    async def main() -> None:
        changed = asyncio.Event()
        fetch = Fetch(
            SONG,
            FORMAT,
            cast(Streams, OneNode()),
            None,
            SystemClock(),
            on_change=changed.set,
            on_moved=lambda *_: None,
            on_damaged=lambda _: None,
        )
        async with asyncio.timeout(10):
            while not fetch.is_all_here:
                changed.clear()
                await changed.wait()
        assert len(fetch.take(400)) == 400
        await fetch.close()
        assert fetch.ready_bytes == 0
        assert fetch.position_bytes == 400

    asyncio.run(main())
