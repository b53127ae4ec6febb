"""What plays frames: one interface for speakers, files and nothing at all.

An output counts frames of one endless stream. `open` says which number the first written frame
has; `flush` (a seek) renumbers. Tracks of one format are written one after another and join
without a gap; another format needs another `open`, best after `Drained`.

All methods return at once. Events come from the output's own thread, so that an asyncio program
passes `lambda event: loop.call_soon_threadsafe(handle, event)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from hocket.audio.events import DeviceTime, OutputEvent
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.sound import AudioFormat


class OutputError(HocketError):
    """A sound device that cannot be opened or was lost; the hint lists what there is."""

    code = ErrorCode.SOUND_DEVICE


class FileUnwritable(HocketError):
    """The file to play into cannot be written, or no longer."""

    code = ErrorCode.DATA_UNWRITABLE


def check_gain(gain: float) -> None:
    """Raises ValueError unless 0 <= gain <= 1."""
    if not 0.0 <= gain <= 1.0:
        raise ValueError(f"a gain of {gain} is not in 0 to 1")


class Output(ABC):
    """Somewhere for frames to go. Methods may be called from any one thread at a time."""

    def __init__(self, on_event: Callable[[OutputEvent], object]) -> None:
        self._emit = on_event

    @property
    @abstractmethod
    def format(self) -> AudioFormat | None:
        """The format of the frames that `write` takes; None while closed."""

    @abstractmethod
    def open(self, format: AudioFormat, start_frame: int = 0, hold_s: float | None = None) -> None:
        """Make ready, silent, for frames of `format`; what another `open` left queued is dropped.

        hold_s: what a device itself may hold; None: as much as a busy machine needs.
        Raises OutputError or FileUnwritable.
        """

    @abstractmethod
    def write(self, frames: bytes | bytearray | memoryview) -> int:
        """Take as many whole frames as there is room for; returns how many."""

    @abstractmethod
    def start(self, at_ns: int | None = None) -> None:
        """Play what is and will be written; at_ns: the first frame leaves the device at that monotonic instant.

        An instant that cannot be met any more counts as now; `device_time` then tells by how much.
        """

    @abstractmethod
    def pause(self, at_ns: int | None = None) -> None:
        """Fall silent within one device period, or at at_ns; no frame is lost or repeated on `resume`.

        What the device already holds (its latency) is still heard.
        """

    def resume(self, at_ns: int | None = None) -> None:
        """Play on after `pause`: the same as `start`."""
        self.start(at_ns)

    @abstractmethod
    def flush(self, start_frame: int) -> None:
        """Drop all that the device does not hold yet; the next written frame is `start_frame`."""

    @abstractmethod
    def drain(self) -> None:
        """No more frames will come: running dry is the end (`Drained`), no underrun. A `write` revokes it."""

    @abstractmethod
    def close(self) -> None:
        """Fall silent, release the device, end all threads. Harmless when closed."""

    @abstractmethod
    def set_volume(self, gain: float) -> None:
        """Linear gain, reached in a short ramp; at 1 samples pass untouched. Raises ValueError outside of 0 to 1."""

    @property
    @abstractmethod
    def room_frames(self) -> int:
        """How many frames `write` would take now."""

    @property
    @abstractmethod
    def played_frames(self) -> int:
        """The number of the frame that is heard now, by the device's clock."""

    @property
    @abstractmethod
    def queued_frames(self) -> int:
        """Frames that were accepted and not yet heard."""

    @property
    @abstractmethod
    def underruns(self) -> int:
        """How often this output ran dry since it was made."""

    @property
    @abstractmethod
    def latency_s(self) -> float:
        """From handing a frame to the device until it is heard."""

    @abstractmethod
    def device_time(self) -> DeviceTime | None:
        """The latest measured point; None while nothing plays."""
