"""The library's entry, as every floor knows it."""

from hocket.core.track import NO_TRACK_ID, Track

__all__ = ["NO_TRACK_ID", "Track"]
