"""Signed values as they travel."""

from typing import TypeVar

import msgspec

from hocket.core.errors import ErrorCode, ProtocolError

T = TypeVar("T", bound=msgspec.Struct)

encode = msgspec.msgpack.encode


def decode(blob: bytes, kind: type[T]) -> T:
    """Raises ProtocolError (MALFORMED)."""
    try:
        return msgspec.msgpack.decode(blob, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        raise ProtocolError(f"a {kind.__name__} that cannot be read", code=ErrorCode.MALFORMED) from None
