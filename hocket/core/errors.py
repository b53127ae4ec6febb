"""Errors as types: a stable code, what happened, what to do.

The code crosses the wire and decides a program's exit code; the text is for people.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Append-only: scripts and older peers rely on these words."""

    BUG = "BUG"
    USAGE = "USAGE"
    # refused
    LOGIN_REFUSED = "LOGIN_REFUSED"
    TOO_MANY_ATTEMPTS = "TOO_MANY_ATTEMPTS"
    TICKET_REFUSED = "TICKET_REFUSED"
    TOKEN_REFUSED = "TOKEN_REFUSED"
    NOT_ALLOWED = "NOT_ALLOWED"
    FINGERPRINT_CHANGED = "FINGERPRINT_CHANGED"
    CERTIFICATE_REFUSED = "CERTIFICATE_REFUSED"
    SESSION_ENDED = "SESSION_ENDED"
    # wire
    VERSION_TOO_OLD = "VERSION_TOO_OLD"
    VERSION_TOO_NEW = "VERSION_TOO_NEW"
    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    UNKNOWN_KIND = "UNKNOWN_KIND"
    PROTOCOL = "PROTOCOL"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
    # reach
    NOT_REACHABLE = "NOT_REACHABLE"
    TIMED_OUT = "TIMED_OUT"
    CONNECTION_LOST = "CONNECTION_LOST"
    # things
    TRACK_MISSING = "TRACK_MISSING"
    TRACK_UNPLAYABLE = "TRACK_UNPLAYABLE"
    TRACK_DAMAGED = "TRACK_DAMAGED"
    AMBIGUOUS = "AMBIGUOUS"
    NODE_MISSING = "NODE_MISSING"
    USER_MISSING = "USER_MISSING"
    USER_EXISTS = "USER_EXISTS"
    BAD_NAME = "BAD_NAME"
    BAD_PASSWORD = "BAD_PASSWORD"
    # capacity
    CLUSTER_FULL = "CLUSTER_FULL"
    NODE_FULL = "NODE_FULL"
    DRAINING = "DRAINING"
    # this machine
    PORT_BUSY = "PORT_BUSY"
    DATA_IN_USE = "DATA_IN_USE"
    DATA_UNWRITABLE = "DATA_UNWRITABLE"
    RECORDS_BROKEN = "RECORDS_BROKEN"
    RECORDS_UNREACHABLE = "RECORDS_UNREACHABLE"
    MUSIC_UNREADABLE = "MUSIC_UNREADABLE"
    SOUND_DEVICE = "SOUND_DEVICE"
    PLAYBACK_LOST = "PLAYBACK_LOST"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    # listening together
    INVITE_REFUSED = "INVITE_REFUSED"
    QUEUE_FULL = "QUEUE_FULL"
    CHUNK_MISMATCH = "CHUNK_MISMATCH"
    # nodes and their processes
    ID_IN_USE = "ID_IN_USE"
    ID_COPIED = "ID_COPIED"
    PARENT_MISSING = "PARENT_MISSING"
    SPAWN_FAILED = "SPAWN_FAILED"
    # the data folder
    DATA_MISSING = "DATA_MISSING"
    DATA_BROKEN = "DATA_BROKEN"
    RECORDS_TOO_NEW = "RECORDS_TOO_NEW"
    BACKING_OFF = "BACKING_OFF"
    # copies between machines
    DISK_FULL = "DISK_FULL"
    MUSIC_UNWRITABLE = "MUSIC_UNWRITABLE"
    SOURCE_LIES = "SOURCE_LIES"


class HocketError(Exception):
    """What happened and what to do, under a stable code.

    Subclass it where code catches one kind apart from others; otherwise raise it with a code.
    """

    code: ErrorCode = ErrorCode.BUG

    def __init__(self, text: str, *, code: ErrorCode | None = None, hint: str = "", retry_s: float = 0.0) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.retry_s = retry_s  # trying again sooner than this is of no use
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.text}: {self.hint}" if self.hint else self.text


class Refused(HocketError):
    """The other side answered with an error; its code and text are kept."""


class NotReachable(HocketError):
    """Nobody answered at an address, or the connection broke before the answer."""

    code = ErrorCode.NOT_REACHABLE


class ProtocolError(HocketError):
    """A peer broke the wire's rules; its connection is closed."""

    code = ErrorCode.PROTOCOL


class TicketRefused(HocketError):
    """A ticket that is forged, expired, revoked, or shown by somebody else."""

    code = ErrorCode.TICKET_REFUSED


class TrackMissing(HocketError):
    """Nobody who was asked holds this track."""

    code = ErrorCode.TRACK_MISSING


class TrackUnplayable(HocketError):
    """A file that is there but cannot be played, with the reason."""

    code = ErrorCode.TRACK_UNPLAYABLE
