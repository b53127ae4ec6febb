"""Lists, tracks and their bytes."""

from typing import Annotated

from msgspec import Meta

from hocket.core.ids import Role, TrackId
from hocket.core.track import Sort, Track
from hocket.wire import limits
from hocket.wire.kinds import Kind
from hocket.wire.limits import Count, ShortText, Text
from hocket.wire.message import CONTROL, PEOPLE, Message
from hocket.wire.messages.common import Done

Handle = Annotated[int, Meta(ge=0, lt=2**32)]


class TrackPage(Message, kind=Kind.TRACK_PAGE):
    """Part of a list. `total` counts all matches; pages of one `revision` fit together."""

    revision: int
    total: int
    offset: int
    tracks: Annotated[tuple[Track, ...], Meta(max_length=limits.MAX_PAGE)]


class ListTracks(Message, kind=Kind.LIST_TRACKS, senders=PEOPLE, receivers={Role.FILE}, reply=TrackPage):
    """A page of the library. All words of `search` must occur in name, title, artist or album.

    A page may hold fewer than `limit` tracks; the next one starts after the last that came.
    """

    search: ShortText = ""
    offset: Count = 0
    limit: Annotated[int, Meta(ge=1, le=limits.MAX_PAGE)] = 100
    sort: Sort = Sort.NAME
    descending: bool = False


class TrackFound(Message, kind=Kind.TRACK_FOUND):
    """The one that was meant."""

    track: Track


class FindTrack(Message, kind=Kind.FIND_TRACK, senders=PEOPLE, receivers={Role.FILE}, reply=TrackFound):
    """A name, a unique part of one, or an id. AMBIGUOUS or TRACK_MISSING with what comes near."""

    text: Text


class TrackOpened(Message, kind=Kind.TRACK_OPENED):
    """Read it through `handle`, on this connection."""

    handle: Handle
    track: Track


class OpenTrack(Message, kind=Kind.OPEN_TRACK, senders=PEOPLE, receivers={Role.FILE}, reply=TrackOpened):
    """Open a track for reading. Needs a ticket on this connection. TRACK_MISSING, TRACK_UNPLAYABLE, DRAINING."""

    track: TrackId


class Chunk(Message, kind=Kind.CHUNK):
    """Raw body: the bytes of the file, as they are; flags RAW and REPLY. Never decoded as a message."""


class Read(Message, kind=Kind.READ, senders=PEOPLE | CONTROL, receivers={Role.FILE} | CONTROL, reply=Chunk):
    """Bytes of an open track, by offset in the FILE. Answered by one raw Chunk of exactly `length_bytes`,
    or fewer at the file's end. Several may be in flight; they are answered in order."""

    handle: Handle
    offset_bytes: Count
    length_bytes: Annotated[int, Meta(ge=1, le=limits.MAX_CHUNK_BYTES)]


class CloseTrack(Message, kind=Kind.CLOSE_TRACK, senders=PEOPLE | CONTROL, receivers={Role.FILE} | CONTROL, reply=Done):
    """Forget a handle."""

    handle: Handle


class CatalogueChanged(Message, kind=Kind.CATALOGUE_CHANGED, senders={Role.FILE}, receivers=PEOPLE):
    """The library changed; ask for the list again."""

    revision: int


class NodeDraining(Message, kind=Kind.NODE_DRAINING, senders={Role.FILE, Role.AUTH}, receivers=PEOPLE):
    """This node goes away soon: move to another one now, while it still serves. `why` is for people."""

    why: ShortText


class Waveform(Message, kind=Kind.WAVEFORM):
    """Peaks of equal parts of the track, from 0 (silence) to 255 (full scale), all channels together."""

    peaks: Annotated[bytes, Meta(max_length=limits.MAX_WAVEFORM_BYTES)]


class WaveformGet(Message, kind=Kind.WAVEFORM_GET, senders=PEOPLE, receivers={Role.FILE}, reply=Waveform):
    """What a track looks like. Worked out when it is first asked for, so the answer may take a second."""

    track: TrackId


class CoverOpened(Message, kind=Kind.COVER_OPENED):
    """A JPEG or PNG: Read `size_bytes` from `offset_bytes` through `handle`, then CloseTrack. Size 0: there is none,
    and no handle."""

    handle: Handle = 0
    offset_bytes: Count = 0
    size_bytes: Annotated[int, Meta(ge=0, le=limits.MAX_CHUNK_BYTES)] = 0


class CoverGet(Message, kind=Kind.COVER_GET, senders=PEOPLE, receivers={Role.FILE}, reply=CoverOpened):
    """Open the picture in the track's file, or the one beside it."""

    track: TrackId
