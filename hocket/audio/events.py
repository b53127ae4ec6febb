"""What an output reports, and the measured points of its clock."""

import msgspec

from hocket.core.errors import HocketError


class Started(msgspec.Struct, frozen=True):
    """`frame` was handed to the device as the first one after silence."""

    frame: int
    monotonic_ns: int


class Room(msgspec.Struct, frozen=True):
    """A `write` was not accepted whole; by now at least half of the buffer is free."""

    frames: int


class Underrun(msgspec.Struct, frozen=True):
    """The device ran dry although more was due: `frame` is the one that it lacked. It plays on as soon as fed."""

    frame: int
    monotonic_ns: int


class Drained(msgspec.Struct, frozen=True):
    """After `drain`: all frames before `frame` were heard."""

    frame: int


class Lost(msgspec.Struct, frozen=True):
    """The device or file is gone; nothing plays until the next `open`."""

    error: HocketError


OutputEvent = Started | Room | Underrun | Drained | Lost


class DeviceTime(msgspec.Struct, frozen=True):
    """One measured point of the line from frames to time.

    `frame` leaves the device at `monotonic_ns` (`time.monotonic_ns`), its output latency counted.
    While `line` stays the same, points lie on one line that runs at the device's own rate; a
    pause, seek, underrun or start at another time begins a new one.
    """

    frame: int
    monotonic_ns: int
    line: int
