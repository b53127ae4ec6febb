"""A follower's output: opened in the background, and holding more once it ran dry."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

from hocket.adapters.outputs import Output, OutputEvent, Underrun
from hocket.core.errors import HocketError
from hocket.core.sound import AudioFormat

PROMPT_HOLD_S = 0.1
"""What the device itself holds of a follower's music at first: what is heard first waits for so long."""

OpenOutput = Callable[[Callable[[OutputEvent], None], AudioFormat, int, float | None], Awaitable[Output]]
"""See `sound.Sound.open`."""


class Device:
    """`changed` is called when it was opened, or something happened to it; `refused` when it cannot be opened."""

    def __init__(
        self, open_output: OpenOutput, changed: Callable[[], None], refused: Callable[[HocketError], None]
    ) -> None:
        self.output: Output | None = None
        self.written = 0  # the output's frame after the last one written
        self._open_output = open_output
        self._changed = changed
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._opening: asyncio.Task[None] | None = None
        self._trouble: AudioFormat | None = None  # a format that no device takes
        self._hold_s: float | None = PROMPT_HOLD_S
        self._ran_dry = False
        self._events: deque[OutputEvent] = deque()

    @property
    def is_opening(self) -> bool:
        return self._opening is not None

    @property
    def latency_s(self) -> float:
        """What it will be told to hold, while it is not open."""
        return self.output.latency_s if self.output is not None else self._hold_s or 0.0

    def has(self, form: AudioFormat) -> bool:
        """Whether it is open for this format; else it is opened, and what ran dry is opened anew."""
        if self.output is not None and self.output.format == form and not self._ran_dry:
            return True
        if self._opening is None and form != self._trouble:
            self._opening = asyncio.create_task(self._open(form))
            self._opening.add_done_callback(self._opened)
        return False

    def write(self, data: bytes) -> int:
        """How many frames it took."""
        assert self.output is not None
        accepted = self.output.write(data) if data else 0
        self.written += accepted
        return accepted

    def happened(self) -> Iterator[OutputEvent]:
        """What happened since the last look, in order."""
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Underrun) and self._hold_s is not None:
                self._hold_s, self._ran_dry = None, True
            yield event

    def silence(self) -> None:
        """Drop what is not heard yet."""
        if self.output is None or self.output.format is None:
            return
        self.output.pause()
        self.output.flush(self.written)

    def flush(self) -> None:
        """Begin anew behind what was written; what happened before is over."""
        assert self.output is not None
        self.output.flush(self.written)
        self._events.clear()

    def lost(self) -> None:
        """It is gone."""
        self.output = None

    async def close(self) -> None:
        """Fall silent. Safe to call twice; the output stays its owner's."""
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        output, self.output = self.output, None
        if output is not None:
            await asyncio.to_thread(output.close)

    async def _open(self, form: AudioFormat) -> None:
        try:
            self.output = await self._open_output(self._on_event, form, 0, self._hold_s)
            self.written = 0
            self._ran_dry = False
        except HocketError as error:
            self._trouble = form
            self._refused(error)

    def _opened(self, task: "asyncio.Task[None]") -> None:
        self._opening = None
        self._changed()

    def _on_event(self, event: OutputEvent) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._note, event)

    def _note(self, event: OutputEvent) -> None:
        self._events.append(event)
        self._changed()
