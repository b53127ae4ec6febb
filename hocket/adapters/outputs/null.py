"""The output that plays nothing, in time."""

from collections.abc import Callable

from hocket.adapters.outputs.virtual import VirtualOutput
from hocket.audio.events import OutputEvent


class NullOutput(VirtualOutput):
    """Frames vanish at the pace of a sound card; fast: at once."""

    def __init__(self, on_event: Callable[[OutputEvent], object], *, fast: bool = False) -> None:
        super().__init__(on_event, fast=fast)
