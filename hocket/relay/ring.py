"""The host's fan-out: one ring of immutable frames, a friend is an index into it.

A frame is stored once however many friends there are. Whoever reads too slowly is moved on to what is
live now; what it missed it can fetch by hash. So one friend's bad line costs nobody else anything,
and memory does not depend on it.
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from hocket.core.clock import NS_PER_S

BURST_NS = NS_PER_S // 5
"""Audio goes out in bursts this far apart: between them the line is free for time stamps."""

RING_BYTES = 4 * 1024 * 1024
"""Half of it holds more than limits.MAX_BACKLOG_BYTES and two seconds of any PCM: a reader that is merely
slow jumps, one that has stalled is cut before its jump would hide it."""

MAX_TIME_REPLIES = 8
"""Unsent answers to TIME per friend; the oldest go: a late answer is no use."""

MAX_CONTROL_BYTES = 64 * 1024
"""Unsent control frames per friend; a friend who lets more pile up is cut."""

Buffer = bytes | memoryview


class Ring:
    """Frames as sent, the newest `capacity_bytes` of them."""

    __slots__ = ("_frames", "_oldest", "_pushed", "_pushed_bytes", "_released", "_released_bytes", "capacity_bytes")

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._frames: dict[int, tuple[bytes, int]] = {}  # number -> frame, bytes pushed before it
        self._oldest = 0
        self._pushed = 0
        self._pushed_bytes = 0
        self._released = 0
        self._released_bytes = 0

    def push(self, frame: bytes) -> int:
        """Add a frame; friends see it with the next `release`. Its number. Raises ValueError for over half the ring."""
        if not 0 < len(frame) <= self.capacity_bytes // 2:
            raise ValueError(f"a frame of {len(frame)} bytes in a ring of {self.capacity_bytes}")
        self._frames[self._pushed] = frame, self._pushed_bytes
        self._pushed += 1
        self._pushed_bytes += len(frame)
        while self._pushed_bytes - self._frames[self._oldest][1] > self.capacity_bytes:
            del self._frames[self._oldest]
            self._oldest += 1
        return self._pushed - 1

    def release(self) -> None:
        """Let friends have all that was pushed: one burst."""
        self._released = self._pushed
        self._released_bytes = self._pushed_bytes

    @property
    def size_bytes(self) -> int:
        """Bytes held now; never more than capacity_bytes."""
        return self._pushed_bytes - self._frames[self._oldest][1] if self._frames else 0

    @property
    def live(self) -> int:
        """Number of the next frame that will be released."""
        return self._released

    def behind_bytes(self, number: int) -> int:
        """Released bytes from a frame on; for a frame that is gone, more than the ring holds."""
        if number >= self._released:
            return 0
        if number < self._oldest:
            return self.capacity_bytes + 1
        return self._released_bytes - self._frames[number][1]

    def frames(self, number: int) -> Iterator[tuple[int, bytes]]:
        """Released frames from a number on."""
        for at in range(max(number, self._oldest), self._released):
            yield at, self._frames[at][0]


class _Source(Enum):
    REST = auto()
    TIME = auto()
    CONTROL = auto()
    AUDIO = auto()


class Cursor:
    """What one friend is sent: the rest of a frame begun, then TIME replies, control, audio; whole frames only.

    `next_buffers` says what to hand to the socket, `consumed` how much of that it took. Frames that were
    offered but not begun may still be overtaken.
    """

    __slots__ = (
        "_control",
        "_control_bytes",
        "_number",
        "_offer",
        "_rest",
        "_ring",
        "_time",
        "_without",
        "jumps",
        "skipped_frames",
    )

    def __init__(self, ring: Ring, behind_bytes: int = 0) -> None:
        """Start live, or up to `behind_bytes` (at most half the ring) earlier, to fill a newcomer's buffer."""
        self._ring = ring
        self._number = ring.live
        wanted = min(behind_bytes, ring.capacity_bytes // 2)
        while 0 < ring.behind_bytes(self._number - 1) <= wanted:
            self._number -= 1
        self._without: set[int] = set()
        self._rest: Buffer | None = None
        self._time: deque[bytes] = deque(maxlen=MAX_TIME_REPLIES)
        self._control: deque[bytes] = deque()
        self._control_bytes = 0
        self._offer: list[tuple[_Source, int, Buffer]] = []
        self.jumps = 0
        self.skipped_frames = 0

    def will_send(self, number: int) -> bool:
        """Whether a frame of the ring is still to come."""
        return number >= self._number and number not in self._without

    def leave_out(self, number: int) -> None:
        """That frame of the ring, which may not have been released yet, is not needed."""
        if number >= self._number:
            self._without.add(number)
            self._go_to(self._number)

    def push_time(self, frame: bytes) -> None:
        """Answer a TIME question: ahead of everything but a frame that has begun."""
        self._time.append(frame)

    def push_control(self, frame: bytes) -> bool:
        """Queue a control frame ahead of audio; False if too much waits: cut this friend."""
        if self._control_bytes + len(frame) > MAX_CONTROL_BYTES:
            return False
        self._control.append(frame)
        self._control_bytes += len(frame)
        return True

    @property
    def behind_bytes(self) -> int:
        """What of the ring waits for this friend."""
        return min(self._ring.behind_bytes(self._number), self._ring.capacity_bytes)

    @property
    def backlog_bytes(self) -> int:
        """All that waits for this friend."""
        begun = len(self._rest) if self._rest is not None else 0
        urgent = sum(map(len, self._time)) + self._control_bytes
        return begun + urgent + self.behind_bytes

    def next_buffers(self, limit: int) -> list[Buffer]:
        """Up to `limit` bytes as buffers for one gathering write; empty when there is nothing to send."""
        self._keep_up()
        self._offer = []
        size = 0
        for item in self._waiting():
            self._offer.append(item)
            size += len(item[2])
            if size >= limit:
                break
        buffers = [buffer for _, _, buffer in self._offer]
        if size > limit:
            buffers[-1] = memoryview(buffers[-1])[: limit - size]
        return buffers

    def next_frame(self) -> Buffer | None:
        """The next frame (or the rest of one), taken whole; None when there is nothing to send."""
        self._keep_up()
        self._offer = []
        item = next(self._waiting(), None)
        if item is None:
            return None
        self._begin(*item)
        self._rest = None
        return item[2]

    def next_bytes(self, limit: int) -> Buffer:
        """The same as one buffer; copies only where several frames are joined."""
        buffers = self.next_buffers(limit)
        return buffers[0] if len(buffers) == 1 else b"".join(buffers)

    def consumed(self, size_bytes: int) -> None:
        """The socket took so many bytes of what was last offered. Raises ValueError for more than that."""
        left = size_bytes
        for source, number, buffer in self._offer:
            if not left:
                break
            self._begin(source, number, buffer)
            took = min(left, len(buffer))
            left -= took
            self._rest = memoryview(buffer)[took:] if took < len(buffer) else None
        self._offer = []
        if left:
            raise ValueError(f"{left} bytes more than were offered")

    def _keep_up(self) -> None:
        if self._ring.behind_bytes(self._number) > self._ring.capacity_bytes // 2:
            self.jumps += 1
            self.skipped_frames += self._ring.live - self._number
            self._go_to(self._ring.live)

    def _go_to(self, number: int) -> None:
        while number in self._without:
            number += 1
        self._number = number
        self._without = {one for one in self._without if one > number}

    def _waiting(self) -> Iterator[tuple[_Source, int, Buffer]]:
        if self._rest is not None:
            yield _Source.REST, 0, self._rest
        for frame in self._time:
            yield _Source.TIME, 0, frame
        for frame in self._control:
            yield _Source.CONTROL, 0, frame
        for number, frame in self._ring.frames(self._number):
            if number not in self._without:
                yield _Source.AUDIO, number, frame

    def _begin(self, source: _Source, number: int, buffer: Buffer) -> None:
        """Take an offered frame out of its queue: from now on it goes out whole."""
        if source is _Source.AUDIO:
            self._go_to(number + 1)
        elif source is _Source.CONTROL:
            self._control_bytes -= len(self._control.popleft())
        elif source is _Source.TIME and self._time and self._time[0] is buffer:
            self._time.popleft()  # else newer answers have pushed it out since it was offered


class Bursts:
    """When to release the ring: every BURST_NS; missed turns are not made up for."""

    __slots__ = ("next_ns", "period_ns")

    def __init__(self, now_ns: int, period_ns: int = BURST_NS) -> None:
        self.period_ns = period_ns
        self.next_ns = now_ns

    def due(self, now_ns: int) -> bool:
        """Whether to release now; True moves `next_ns` on."""
        if now_ns < self.next_ns:
            return False
        self.next_ns += ((now_ns - self.next_ns) // self.period_ns + 1) * self.period_ns
        return True
