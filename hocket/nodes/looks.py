"""A streaming node's answers about how tracks look: worked out on a thread, one at a time, music goes first."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hocket.adapters.library import LibraryIndex
from hocket.adapters.library.looks import Cover, TrackLooks
from hocket.core.errors import ErrorCode, HocketError, TrackMissing, TrackUnplayable
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.wire.message import Message
from hocket.wire.messages.tracks import CoverOpened, Waveform

MAX_WAITING = 32
"""A listener asks for what plays; many more questions at once are no listener's."""

T = TypeVar("T")

Lend = Callable[[Cover], int]
"""Gives the listener an open cover; its handle. Raises HocketError."""


class Looks:
    """Answers as futures; see `hocket.adapters.streaming.Service`."""

    def __init__(self, music: Path, index: LibraryIndex, data: Path) -> None:
        self._index = index
        self._looks = TrackLooks(music, index, data)
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Message]] = set()

    def waveform(self, track_id: TrackId) -> "asyncio.Future[Message]":
        """Raises TrackMissing, TrackUnplayable, HocketError (TOO_MANY_REQUESTS)."""
        return self._start(self._waveform(self._track(track_id)))

    def cover(self, track_id: TrackId, lend: Lend) -> "asyncio.Future[Message]":
        """Raises as `waveform` does."""
        return self._start(self._cover(self._track(track_id), lend))

    async def close(self) -> None:
        """What is under way is finished on its thread, and answered to nobody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _waveform(self, track: Track) -> Message:
        return Waveform(await self._threaded(track, self._looks.waveform))

    async def _cover(self, track: Track, lend: Lend) -> Message:
        cover = await self._threaded(track, self._looks.cover)
        if cover is None:
            return CoverOpened()
        try:
            handle = lend(cover)
        except BaseException:
            os.close(cover.fd)
            raise
        return CoverOpened(handle, *cover.place)

    async def _threaded(self, track: Track, look: Callable[[Track], T]) -> T:
        async with self._turn:
            try:
                return await asyncio.to_thread(look, track)
            except OSError as error:
                raise TrackMissing(f"'{track.name}' cannot be read: {error.strerror}") from None

    def _track(self, track_id: TrackId) -> Track:
        track = self._index.catalogue.get(track_id)
        if track is None:
            raise TrackMissing(f"this node does not hold {track_id}", hint="list the tracks again")
        if track.problem:
            raise TrackUnplayable(f"'{track.name}' cannot be played", hint=track.problem)
        if len(self._tasks) >= MAX_WAITING:
            raise HocketError("too many questions at once", code=ErrorCode.TOO_MANY_REQUESTS, retry_s=1.0)
        return track

    def _start(self, work: Coroutine[Any, Any, Message]) -> "asyncio.Future[Message]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
