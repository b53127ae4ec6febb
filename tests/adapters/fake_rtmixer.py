"""rtmixer's callback in slow motion: the same rules for actions, frame by frame, one block when told."""

import math
from dataclasses import dataclass, field

from hocket.core.clock import NS_PER_S

RATE_HZ = 1_000


class FakeRing:
    """Holds so many frames; the fake numbers them as they are read."""

    def __init__(self) -> None:
        self.read_available = 0


@dataclass(slots=True, eq=False)
class FakeAction:
    requested_time: float
    ring: FakeRing | None = None  # of a play action
    target: "FakeAction | None" = None  # of a cancel
    total_frames: float = math.inf
    done_frames: int = 0
    actual_time: float = 0.0


@dataclass(slots=True)
class FakeMixer:
    """`heard` gets for every frame its number in the stream, or None for silence."""

    heard: list[int | None] = field(default_factory=list)
    _incoming: list[FakeAction] = field(default_factory=list)
    _list: list[FakeAction] = field(default_factory=list)
    _results: list[FakeAction] = field(default_factory=list)
    _known: dict[FakeAction, None] = field(default_factory=dict)
    _read: int = 0

    @property
    def dac_ns(self) -> int:
        """When the next block's first frame leaves the device."""
        return len(self.heard) * NS_PER_S // RATE_HZ

    @property
    def actions(self) -> dict[FakeAction, None]:
        for action in self._results:
            del self._known[action]
        self._results.clear()
        return self._known

    def play_ringbuffer(self, ring: FakeRing, start: float = 0.0) -> FakeAction:
        return self._enqueue(FakeAction(start, ring=ring))

    def cancel(self, action: FakeAction, time: float = 0.0) -> FakeAction:
        return self._enqueue(FakeAction(time, target=action))

    def _enqueue(self, action: FakeAction) -> FakeAction:
        self._incoming.append(action)
        self._known[action] = None
        return action

    def block(self, frames: int) -> None:
        """One callback."""
        for action in self._incoming:
            self._list.insert(0 if action.target is not None else len(self._list), action)
        self._incoming.clear()
        out: list[int | None] = [None] * frames
        for action in list(self._list):
            if action in self._list:
                self._step(action, out)
        self.heard += out

    def _offset(self, action: FakeAction, frames: int) -> int | None:
        """Where in this block it is due; None: not yet."""
        ahead_s = action.requested_time - self.dac_ns / NS_PER_S
        offset = max(0, round(ahead_s * RATE_HZ))
        return offset if offset < frames else None

    def _step(self, action: FakeAction, out: list[int | None]) -> None:
        offset = 0
        if action.done_frames == 0:
            due = self._offset(action, len(out))
            if due is None:
                return
            offset = due
            action.actual_time = self.dac_ns / NS_PER_S + offset / RATE_HZ
        if action.target is not None:
            self._cancel(action.target, offset, len(out))
            self._remove(action)
            return
        assert action.ring is not None
        frames = int(min(len(out) - offset, action.total_frames - action.done_frames))
        taken = min(frames, action.ring.read_available)
        for index in range(offset, offset + taken):
            assert out[index] is None, "two actions sound at once"
            out[index] = self._read
            self._read += 1
        action.ring.read_available -= taken
        action.done_frames += taken
        if taken < frames or action.done_frames == action.total_frames:
            self._remove(action)

    def _cancel(self, target: FakeAction, offset: int, frames: int) -> None:
        if target not in self._list:
            return
        if target.done_frames:
            target.total_frames = min(target.total_frames, target.done_frames + offset)
            return
        ahead_s = target.requested_time - self.dac_ns / NS_PER_S
        target_offset = max(0, round(ahead_s * RATE_HZ))
        if ahead_s >= 0 and target_offset >= offset:
            target.total_frames = 0
            self._remove(target)
        else:
            target.total_frames = min(target.total_frames, offset - target_offset)

    def _remove(self, action: FakeAction) -> None:
        self._list.remove(action)
        self._results.append(action)
