"""Stamps of arrival: they may be late, as a queue makes them, but never early."""

import socket
import time

import pytest

from hocket.adapters.peers import stamps

PREEMPTED_NS = 300_000
SLEW_NS = 1_000_000
"""The calendar may be slewed against the monotonic clock meanwhile."""


class _Clocks:
    """Both clocks; whoever looks at one is held up before the next look."""

    def __init__(self) -> None:
        self.true_ns = time.time_ns()
        self.ahead_ns = time.time_ns() - time.monotonic_ns()

    def calendar(self) -> int:
        self.true_ns += PREEMPTED_NS
        return self.true_ns

    def monotonic(self) -> int:
        self.true_ns += PREEMPTED_NS
        return self.true_ns - self.ahead_ns


class _Socket:
    """Gives one datum that the kernel stamped."""

    def __init__(self, stamp_ns: int) -> None:
        self._stamp = stamps._TIMESPEC.pack(stamp_ns // 1_000_000_000, stamp_ns % 1_000_000_000)

    def recvmsg(self, size_bytes: int, ancillary_bytes: int) -> object:
        return b"time", [(socket.SOL_SOCKET, stamps.SO_TIMESTAMPNS, self._stamp)], 0, None


def test_a_program_that_is_held_up_stamps_late_never_early(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = _Clocks()
    arrived_ns = clocks.true_ns - 50_000
    monkeypatch.setattr(time, "time_ns", clocks.calendar)
    monkeypatch.setattr(time, "monotonic_ns", clocks.monotonic)
    data, at_ns = stamps.receive(_Socket(arrived_ns), 100)  # type: ignore[arg-type]
    assert data == b"time"
    assert arrived_ns - clocks.ahead_ns <= at_ns <= arrived_ns - clocks.ahead_ns + PREEMPTED_NS


def test_the_kernels_stamp_is_older_than_the_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stamps.enable(ours)
        before_ns = time.monotonic_ns()
        theirs.send(b"time")
        data, at_ns = stamps.receive(ours, 100)
        assert data == b"time"
        assert before_ns - SLEW_NS <= at_ns <= time.monotonic_ns()
