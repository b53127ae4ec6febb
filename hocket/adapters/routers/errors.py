"""Why there is no mapping."""

from hocket.core.errors import ErrorCode, HocketError


class NoRouter(HocketError):
    """Nobody answered who could be asked for a port."""

    code = ErrorCode.NOT_REACHABLE


class RouterRefused(HocketError):
    """A router answered, and said no."""

    code = ErrorCode.NOT_ALLOWED
