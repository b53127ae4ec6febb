"""Lists that are cut so that they fit into one message."""

from collections.abc import Sequence

import msgspec

from hocket.core.track import Track
from hocket.wire import limits

_PAGE_BYTES = limits.MAX_CONTROL_BODY_BYTES - 8 * 1024


def that_fit(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """As many tracks from the front as fit into one TrackPage, at least one: names may be long."""
    size_bytes, fit = 0, 0
    for track in tracks:
        size_bytes += len(msgspec.msgpack.encode(track))
        if size_bytes > _PAGE_BYTES and fit:
            break
        fit += 1
    return tuple(tracks[:fit])
