"""Where music goes: `speakers`, `null` or `wav:PATH`, behind one interface (`base.Output`)."""

from collections.abc import Callable

from hocket.adapters.outputs.base import FileUnwritable, Output, OutputError
from hocket.audio.events import DeviceTime, Drained, Lost, OutputEvent, Room, Started, Underrun
from hocket.core.errors import ErrorCode, HocketError

__all__ = [
    "DeviceTime",
    "Drained",
    "FileUnwritable",
    "Lost",
    "Output",
    "OutputError",
    "OutputEvent",
    "Room",
    "Started",
    "Underrun",
    "make_output",
]


def make_output(
    kind: str, on_event: Callable[[OutputEvent], object], *, device: str = "", fast: bool = False
) -> Output:
    """An output by its name on the command line: `speakers`, `null` or `wav:PATH`.

    device: part of a sound device's name, for speakers; fast: null and wav take frames as fast as
    they come. Nothing is opened yet. Raises HocketError (USAGE) for another kind.
    """
    if kind == "speakers":
        from hocket.adapters.outputs.speakers import SpeakersOutput

        return SpeakersOutput(on_event, device=device)
    if kind == "null":
        from hocket.adapters.outputs.null import NullOutput

        return NullOutput(on_event, fast=fast)
    scheme, _, path = kind.partition(":")
    if scheme == "wav" and path:
        from hocket.adapters.outputs.wavfile import WavOutput

        return WavOutput(on_event, path, fast=fast)
    raise HocketError(f"there is no output '{kind}'", code=ErrorCode.USAGE, hint="take speakers, null or wav:PATH")
