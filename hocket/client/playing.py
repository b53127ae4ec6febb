"""The states of the player, and one track as it plays."""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto

import msgspec

from hocket.client.fetch import Fetch
from hocket.client.queue import Entry
from hocket.core.errors import ErrorCode, HocketError, NotReachable
from hocket.core.ids import TrackId
from hocket.core.machine import Machine
from hocket.core.sound import AudioFormat


class State(StrEnum):
    """What the player does."""

    STOPPED = "stopped"
    LOADING = "loading"  # will play as soon as enough has come
    PLAYING = "playing"
    STALLED = "stalled"  # the device ran dry
    PAUSED = "paused"


class Step(Enum):
    """What happens to it."""

    LOAD = auto()
    READY = auto()
    DRY = auto()
    FED = auto()
    PAUSE = auto()
    RESUME = auto()
    SEEK = auto()
    STOP = auto()


_NEXT: Mapping[tuple[State, Step], tuple[State, None]] = {
    **{(state, Step.LOAD): (State.LOADING, None) for state in State},
    **{(state, Step.STOP): (State.STOPPED, None) for state in State},
    (State.LOADING, Step.READY): (State.PLAYING, None),
    (State.LOADING, Step.PAUSE): (State.PAUSED, None),
    (State.LOADING, Step.SEEK): (State.LOADING, None),
    (State.PLAYING, Step.DRY): (State.STALLED, None),
    (State.PLAYING, Step.PAUSE): (State.PAUSED, None),
    (State.PLAYING, Step.SEEK): (State.LOADING, None),
    (State.STALLED, Step.FED): (State.PLAYING, None),
    (State.STALLED, Step.PAUSE): (State.PAUSED, None),
    (State.STALLED, Step.SEEK): (State.LOADING, None),
    (State.PAUSED, Step.RESUME): (State.LOADING, None),
    (State.PAUSED, Step.SEEK): (State.PAUSED, None),
}


class Moment(msgspec.Struct, frozen=True):
    """This frame of a track leaves the device at that monotonic instant; `line`: of the device, see DeviceTime."""

    track: TrackId
    rate_hz: int
    frame: int
    at_ns: int
    line: int = 0


def player_machine() -> Machine[State, Step, None]:
    """A player that is stopped."""
    return Machine(_NEXT, State.STOPPED)


class Reading(msgspec.Struct, frozen=True):
    """Where the player stands."""

    state: State
    entry: Entry | None
    position_frames: int
    end_frames: int
    buffer_s: float
    source: str


class Voice:
    """One track in the output, or on its way there.

    Frames of the track are frames of the output minus `offset`; the listener hears them from
    `anchor` on, without a break, up to where the track ends.
    """

    def __init__(
        self,
        entry: Entry,
        fetch: Fetch,
        start_frame: int = 0,
        limit_frames: int | None = None,
        *,
        follows: bool = False,
    ) -> None:
        """`limit_frames`: play so many of it; `follows`: nobody asked for this track now, it was its turn."""
        self.entry = entry
        self.fetch = fetch
        self.follows = follows
        self.offset = 0
        self.anchor = start_frame
        self.stalls = 0
        self.is_told = False  # whether the listener was told that it is open
        self._heard_before = 0
        self._limit_frames = limit_frames
        self._limit(start_frame)

    @property
    def format(self) -> AudioFormat:
        return self.fetch.format

    @property
    def end_frame(self) -> int:
        """Where it ends: the track's end, or sooner when only a part was asked for."""
        return self.fetch.end_bytes // self.format.bytes_per_frame

    @property
    def is_partial(self) -> bool:
        """Whether only a part was asked for; then nothing follows."""
        return self._limit_frames is not None

    @property
    def written_frame(self) -> int:
        """The output's frame after the last one that was taken from the fetch."""
        return self.fetch.position_bytes // self.format.bytes_per_frame + self.offset

    def position(self, output_frame: int) -> int:
        """The frame of the track that is heard when the output is at that frame."""
        return min(max(output_frame - self.offset, self.anchor), self.end_frame)

    def heard(self, position: int) -> int:
        """Frames heard so far, the repeats of seeks included."""
        return self._heard_before + position - self.anchor

    def seek(self, from_position: int, to_frame: int) -> None:
        """Heard up to one place, going on at another."""
        self._heard_before = self.heard(from_position)
        self.anchor = to_frame
        self.offset = 0
        self._limit(to_frame)
        self.fetch.seek(to_frame * self.format.bytes_per_frame)

    def place_at(self, output_frame: int) -> None:
        """Its next frame will be the output's `output_frame`."""
        self.offset = output_frame - self.anchor

    def _limit(self, start_frame: int) -> None:
        if self._limit_frames is not None:
            end_frame = start_frame + max(0, self._limit_frames - self._heard_before)
            self.fetch.end_bytes = min(self.fetch.track.data_bytes, end_frame * self.format.bytes_per_frame)


def lost_error(voice: Voice, has_begun: bool) -> HocketError:
    """Why no more of a track comes: as it is if nothing of it was heard, else that its playing was cut short."""
    cause = voice.fetch.error or voice.fetch.trouble or NotReachable("no more of it came")
    if not has_begun or cause.code is ErrorCode.SESSION_ENDED:
        return cause
    text = f"'{voice.fetch.track.name}' could not be played to its end: {cause.text}"
    return HocketError(text, code=ErrorCode.PLAYBACK_LOST, hint=cause.hint)
