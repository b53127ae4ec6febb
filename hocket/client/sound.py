"""The output that an engine plays into: chosen once, opened when needed, replaced where there is no sound card."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from hocket.adapters.outputs import Output, OutputError, OutputEvent, make_output
from hocket.client import events
from hocket.core.errors import HocketError
from hocket.core.sound import AudioFormat

log = logging.getLogger(__name__)

SPEAKERS = "speakers"
NULL = "null"


class Sound:
    """`kind`: speakers, null or wav:PATH; `device`: part of a sound device's name."""

    def __init__(self, kind: str, device: str, fast: bool, tell: Callable[[events.Event], None]) -> None:
        self.kind = kind
        self._device_name = device
        self._fast = fast
        self._tell = tell
        self._volume = 1.0
        self._output: Output | None = None
        self._making = asyncio.Lock()
        self._device = asyncio.Lock()  # sound libraries do not like to be asked by two threads
        self._on_event: Callable[[OutputEvent], None] = lambda event: None

    @property
    def volume(self) -> float:
        return self._volume

    async def warm(self) -> None:
        """Load what the output needs before it is needed: sound libraries take longer than finding a node."""
        with contextlib.suppress(HocketError):  # told when something is to be played
            await self._made()
            if self.kind == SPEAKERS:
                async with self._device:
                    await asyncio.to_thread(_look_for_devices)

    async def open(
        self, on_event: Callable[[OutputEvent], None], form: AudioFormat, frame: int, hold_s: float | None = None
    ) -> Output:
        """Open for a format, from a frame on. Without any sound card: null in its place, and an event says so.

        hold_s: what the device itself may hold, which is how long the first frame takes; None: plenty.

        Raises OutputError (a device that was asked for by name is not there), FileUnwritable, HocketError (USAGE).
        """
        self._on_event = on_event
        try:
            return await self._opened(form, frame, hold_s)
        except OutputError as error:
            if self.kind != SPEAKERS or self._device_name:
                raise
            log.info("no sound: %s", error)
            self._tell(events.OutputChanged(NULL, error.text))
            self.kind, self._output = NULL, None
            return await self._opened(form, frame, hold_s)

    def set_volume(self, gain: float) -> None:
        """Linear, from 0 to 1."""
        self._volume = min(1.0, max(0.0, gain))
        if self._output is not None:
            self._output.set_volume(self._volume)

    async def _opened(self, form: AudioFormat, frame: int, hold_s: float | None) -> Output:
        output = await self._made()
        output.set_volume(self._volume)  # before it opens: nothing is heard at another one
        async with self._device:
            await asyncio.to_thread(output.open, form, frame, hold_s)
        return output

    async def _made(self) -> Output:
        async with self._making:
            if self._output is None:
                self._output = await asyncio.to_thread(self._make)
        return self._output

    def _make(self) -> Output:
        return make_output(self.kind, lambda event: self._on_event(event), device=self._device_name, fast=self._fast)


def _look_for_devices() -> None:
    from hocket.adapters.outputs import portaudio

    portaudio.devices()
