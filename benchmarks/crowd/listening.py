"""The ear of a lean friend: follows the timeline, plays nothing, and notes whatever would have been late."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from hocket.client import events
from hocket.client.together.device import OpenOutput
from hocket.client.together.groupclock import GroupClock
from hocket.client.together.spans import Reader
from hocket.core.clock import NS_PER_S
from hocket.core.ids import TrackId
from hocket.core.track import Track
from hocket.relay.chunks import LEAF_BYTES
from hocket.relay.timeline import State, Timeline

LOOK_S = 0.2
PREBUFFER_S = 0.2


class Ear:
    """Stands in for a `TimedPlayer` without sound: five times a second, is the frame of this moment there?"""

    def __init__(
        self,
        clock: GroupClock,
        readers: Callable[[TrackId], Reader | None],
        open_output: OpenOutput,
        tell: Callable[[events.Event], None],
    ) -> None:
        self.timeline: Timeline | None = None
        self.error_s = 0.0
        self.first_ns = 0
        self.first_frame = 0
        self.stalls = 0
        self.least_buffer_s = float("inf")
        self._clock = clock
        self._readers = readers
        self._sounding = False
        self._dry = False
        self._buffer_s = 0.0
        self._runner = asyncio.create_task(self._run(), name="ear")

    @property
    def is_sounding(self) -> bool:
        return self._sounding

    @property
    def is_correcting(self) -> bool:
        return False

    @property
    def buffer_s(self) -> float:
        return self._buffer_s

    def heard(self) -> tuple[Track, int] | None:
        return None

    def changed(self) -> None: ...

    def forget(self) -> None:
        """Measure from here on."""
        self.stalls = 0
        self.least_buffer_s = float("inf")

    async def close(self) -> None:
        self._runner.cancel()
        await asyncio.gather(self._runner, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        now_ns = self._clock.now_ns()
        line = self.timeline.at(now_ns) if self.timeline is not None and now_ns is not None else None
        if line is None or now_ns is None or line.state is not State.PLAYING:
            self._sounding = False
            return
        reader = self._readers(line.track)
        if reader is None:
            return
        frame = round(line.position(now_ns))
        if frame >= reader.track.frames:
            self._sounding = False
            return
        reader.want(frame)
        self._buffer_s = reader.format.seconds(reader.ready_frames(frame))
        self._note(frame)

    def needed(self, leaf: int, track: Track) -> bool:
        """Whether a leaf holds what is heard after this ear began to hear."""
        form = track.format
        first = track.data_offset_bytes + self.first_frame * (form.bytes_per_frame if form is not None else 1)
        return leaf * LEAF_BYTES >= first

    def _note(self, frame: int) -> None:
        if not self._sounding:
            self._sounding = self._buffer_s >= PREBUFFER_S
            self.first_frame = frame
            if self._sounding and not self.first_ns:
                self.first_ns = time.monotonic_ns()
            return
        is_dry = self._buffer_s <= 0
        self.stalls += is_dry and not self._dry
        self._dry = is_dry
        self.least_buffer_s = min(self.least_buffer_s, self._buffer_s)


def lead_s(timeline: Timeline, clock: GroupClock, track: Track, first_byte: int) -> float | None:
    """How long before it is heard a byte of a track is here; None where that cannot be said."""
    now_ns = clock.now_ns()
    line = timeline.at(now_ns) if now_ns is not None else None
    form = track.format
    if line is None or now_ns is None or form is None or line.track != track.id or line.state is not State.PLAYING:
        return None
    frame = max(0, first_byte - track.data_offset_bytes) / form.bytes_per_frame
    return (line.when_ns(round(frame)) - now_ns) / NS_PER_S


def nothing(event: Any) -> None:
    """Events that nobody hears."""
