"""What is written into the output: one track after another, without a gap where their formats agree."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hocket.adapters.outputs import DeviceTime, Output
from hocket.client.fetch import Fetch
from hocket.client.playing import Moment, Voice
from hocket.client.queue import Entry
from hocket.core.clock import NS_PER_S
from hocket.core.errors import HocketError

TAKE_BYTES = 256 * 1024
PLAN_NS = 8 * NS_PER_S
"""A track of another format is planned no sooner than so long ahead."""


class Source(Protocol):
    """Where tracks come from."""

    async def fetch(self, entry: Entry, start_frame: int, on_change: Callable[[], None]) -> Fetch:
        """Begin to fetch a track. Raises TrackUnplayable."""
        ...

    def peek(self) -> Entry | None:
        """What comes after the one that plays."""
        ...

    def advanced(self, entry: Entry) -> None:
        """This one, which `peek` told, plays now."""
        ...


class Feed:
    """The tracks in the output: the first is heard, the last is written.

    `start` runs a coroutine in the background; `on_change` is called when there is more to write.
    """

    def __init__(
        self,
        source: Source,
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        on_change: Callable[[], None],
    ) -> None:
        self.voices: list[Voice] = []
        self.following: Voice | None = None  # prepared, and not in the output yet
        self.drain_frame: int | None = None  # where the output was told that no more comes
        self._source = source
        self._start = start
        self._on_change = on_change
        self._preparing: asyncio.Task[None] | None = None
        self._unfit: Entry | None = None  # what comes next, but cannot be played
        self._rest = memoryview(b"")  # taken from the last voice, not accepted by the output yet
        self._held = False
        self._planned: Moment | None = None  # the next one, of another format

    @property
    def heard(self) -> Voice:
        """Only while there are voices."""
        return self.voices[0]

    @property
    def last(self) -> Voice:
        return self.voices[-1]

    def all(self) -> list[Voice]:
        """Those in the output, and what is prepared."""
        return [*self.voices, *([self.following] if self.following is not None else [])]

    @property
    def waiting_frames(self) -> int:
        """Frames of the last one that have come and are not in the output yet."""
        return (len(self._rest) + self.last.fetch.ready_bytes) // self.last.format.bytes_per_frame

    def moment(self, point: DeviceTime) -> Moment | None:
        """A measured point of the device as a frame of the track that it lies in."""
        voice = next((v for v in reversed(self.voices) if v.anchor + v.offset <= point.frame), None)
        if voice is None:
            return None
        frame = point.frame - voice.offset
        return Moment(voice.entry.track.id, voice.format.rate_hz, frame, point.monotonic_ns, point.line)

    def coming(self, now: Moment, apart_ns: int | None = None) -> Moment | None:
        """When the next one will be heard, if that is known and the first is heard now.

        One of the same format is in the output already; one of another needs the output opened anew, and is
        planned for apart_ns after the end of the first, some seconds ahead.
        """
        self._planned = None
        if now.track != self.heard.entry.track.id:
            return None
        if len(self.voices) > 1:
            voice = self.voices[1]
            frames = voice.anchor + voice.offset - (now.frame + self.heard.offset)
            at_ns = now.at_ns + frames * NS_PER_S // now.rate_hz
            return Moment(voice.entry.track.id, voice.format.rate_hz, voice.anchor, at_ns)
        voice, frames = self.following or self.heard, self.heard.fetch.track.frames - now.frame
        at_ns = now.at_ns + frames * NS_PER_S // now.rate_hz + (apart_ns or 0)
        if apart_ns is None or voice.format == self.heard.format or at_ns > now.at_ns + PLAN_NS:
            return None
        self._planned = Moment(voice.entry.track.id, voice.format.rate_hz, 0, at_ns)
        return self._planned

    def start_of(self, entry: Entry | None) -> int | None:
        """When the next one was planned to be heard."""
        planned, self._planned = self._planned, None
        return planned.at_ns if planned is not None and entry is not None and planned.track == entry.track.id else None

    # -- what is in it

    def begin(self, voice: Voice) -> None:
        """Nothing but this one, from its anchor on."""
        self.voices = [voice]
        self.restart()

    def restart(self) -> None:
        """The output was opened or flushed: what was half written is not any more."""
        self._rest = memoryview(b"")
        self.drain_frame = None

    def clear(self) -> None:
        """Nothing at all."""
        voices, self.voices = self.voices, []
        self.restart()
        if self._preparing is not None:
            self._preparing.cancel()
        self.forget_following()
        for voice in voices:
            self._start(voice.fetch.close())

    def end(self, voice: Voice) -> None:
        """This one was heard to its end."""
        self.voices.remove(voice)
        self._start(voice.fetch.close())

    def seek(self, from_position: int, frame: int) -> None:
        """The one that is heard goes on elsewhere; what would have come after it is no longer in the output."""
        for other in self.voices[1:]:
            self._start(other.fetch.close())
        del self.voices[1:]
        self.heard.seek(from_position, frame)
        self.restart()

    def hold(self, held: bool) -> None:
        """Ask nodes for nothing while held."""
        self._held = held
        for voice in self.all():
            voice.fetch.hold(held)

    def take_following(self, entry: Entry) -> Voice | None:
        """What is prepared, if it is this entry."""
        voice, self.following = self.following, None
        if voice is not None and voice.entry != entry:
            self._start(voice.fetch.close())
            return None
        return voice

    def forget_following(self) -> None:
        """What comes next is another."""
        self._unfit = None
        if self.following is not None:
            self._start(self.following.fetch.close())
            self.following = None

    # -- writing

    def has_enough(self, output: Output, seconds: float) -> bool:
        """Whether so much music can be played from here without more of it coming, or all that will come."""
        voice = self.last
        if voice.fetch.is_all_here:
            return True
        frames = output.queued_frames + self.waiting_frames
        if voice.fetch.error is not None:
            return frames > 0
        return frames >= min(voice.format.frames_in(TAKE_BYTES), int(seconds * voice.format.rate_hz))

    def write(self, output: Output) -> None:
        """Give the output what has come and what it has room for, and tell it where the end is."""
        while True:
            if not self._rest:
                self._rest = self._next_bytes()
            if not self._rest:
                break
            accepted = output.write(self._rest)
            self.drain_frame = None
            self._rest = self._rest[accepted * self.last.format.bytes_per_frame :]
            if self._rest:
                return  # Room will come
        fetch = self.last.fetch
        if (fetch.is_at_end or fetch.error is not None) and self.drain_frame is None:
            self.drain_frame = self.last.written_frame
            output.drain()

    def _next_bytes(self) -> memoryview:
        voice = self.last
        data = voice.fetch.take(TAKE_BYTES)
        if data or not voice.fetch.is_at_end:
            return data
        following = self.following
        if following is None or following.format != voice.format or not following.fetch.ready_bytes:
            return data
        following.place_at(voice.written_frame)
        self.voices.append(following)
        self.following = None
        return following.fetch.take(TAKE_BYTES)

    def cross(self, output_frame: int) -> tuple[Voice, Voice] | None:
        """(over, begun) if the next track is heard by now; `over` is out of the feed then."""
        if len(self.voices) < 2 or output_frame < self.voices[1].anchor + self.voices[1].offset:
            return None
        over = self.heard
        self.end(over)
        return over, self.heard

    # -- what comes next

    def follow(self) -> None:
        """Begin to fetch what comes next once the network has nothing else to do."""
        if self.following is not None or self._preparing is not None or len(self.voices) != 1:
            return
        if self.last.fetch.is_all_here and not self.last.is_partial:
            entry = self._source.peek()
            if entry is not None and entry != self._unfit:
                self._preparing = self._start(self._prepare(entry))

    async def _prepare(self, entry: Entry) -> None:
        try:
            fetch = await self._source.fetch(entry, 0, self._on_change)
        except HocketError:
            self._unfit = entry  # that is told when its turn comes
            return
        finally:
            self._preparing = None
        if self.voices and self._source.peek() == entry:
            self.following = Voice(entry, fetch, follows=True)
            fetch.hold(self._held)
            self._on_change()
        else:
            await fetch.close()
