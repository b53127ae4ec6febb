"""One library on many machines: manifests, orders to copy, rename and remove, and what came of them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hocket.core.address import HostPort
from hocket.core.ids import NodeId, Role, TrackId
from hocket.core.track import Track
from hocket.wire import limits
from hocket.wire.kinds import Kind
from hocket.wire.limits import Count, ShortText, Text
from hocket.wire.message import CONTROL, Message
from hocket.wire.messages.common import Done
from hocket.wire.messages.tracks import TrackOpened

PLANE = frozenset({Role.PLANE})
AT_PRIME = frozenset({Role.PRIME})
OPERATOR = frozenset({Role.OPERATOR})

MAX_REMOVED_IDS = 100
"""They fit beside a full page of tracks; when more is gone the whole list is sent."""

MAX_TRANSFERS_SHOWN = 64

MAX_LEAVES_BYTES = 128 * 1024
"""Eight pages of leaf hashes: 64 MiB of music."""

Tracks = Annotated[tuple[Track, ...], Meta(max_length=limits.MAX_PAGE)]


class HoldsPage(Message, kind=Kind.HOLDS_PAGE, senders=PLANE, receivers=AT_PRIME, reply=Done):
    """A part of everything that a machine holds, in order; the last part makes it count."""

    revision: int
    first: bool
    last: bool
    total: Count
    tracks: Tracks = ()


class HoldsChanged(Message, kind=Kind.HOLDS_CHANGED, senders=PLANE, receivers=AT_PRIME, reply=Done):
    """What changed since `base_revision`. PROTOCOL: the prime does not know that one, send everything again."""

    base_revision: int
    revision: int
    total: Count
    added: Tracks = ()
    removed: Annotated[tuple[TrackId, ...], Meta(max_length=MAX_REMOVED_IDS)] = ()


class TransferState(msgspec.Struct, frozen=True, array_like=True):
    """One copy that is under way to a machine."""

    track: TrackId
    name: str
    source: NodeId
    done_bytes: int
    size_bytes: int


class ReplicaState(Message, kind=Kind.REPLICA_STATE, senders=PLANE, receivers=AT_PRIME):
    """Where a machine hands out its files, what it is receiving, and why it cannot, if so."""

    address: HostPort
    transfers: Annotated[tuple[TransferState, ...], Meta(max_length=MAX_TRANSFERS_SHOWN)] = ()
    problem: Text = ""
    label: ShortText = ""  # what people call the machine: names are made of it in a conflict


class FetchOrder(Message, kind=Kind.FETCH_ORDER, senders=AT_PRIME, receivers=PLANE):
    """Get this track from that machine, under this name. Answered by FetchEnded in the end."""

    track: TrackId
    name: Text
    size_bytes: Count
    source: NodeId
    source_role: Role
    address: HostPort
    plain: bool = False  # the cluster's owner trusts the network: GoPlain before the bytes


class FetchCancel(Message, kind=Kind.FETCH_CANCEL, senders=AT_PRIME, receivers=PLANE):
    """Nobody wants that copy any more: stop, and throw away what came."""

    track: TrackId


class FetchEnded(Message, kind=Kind.FETCH_ENDED, senders=PLANE, receivers=AT_PRIME):
    """How an order ended: `code` is empty once the copy is in the folder and in the manifest.

    SOURCE_LIES: what `source` sent are not the track's bytes. DISK_FULL, MUSIC_UNWRITABLE: this machine cannot.
    """

    track: TrackId
    source: NodeId
    code: ShortText = ""
    text: Text = ""


class RenameCopy(Message, kind=Kind.RENAME_COPY, senders=AT_PRIME, receivers=PLANE):
    """Call a file otherwise, if it still holds the track and the new name is free. The manifest tells how it went."""

    track: TrackId
    old_name: Text
    new_name: Text


class Discard(Message, kind=Kind.DISCARD, senders=AT_PRIME, receivers=PLANE):
    """Move a track out of the folder into the trash, under all its names. Answered by Discarded."""

    track: TrackId


class Discarded(Message, kind=Kind.DISCARDED, senders=PLANE, receivers=AT_PRIME):
    """It is in the trash, and the manifest that shows it went before this. `problem`: it could not be."""

    track: TrackId
    problem: Text = ""


class PutBack(Message, kind=Kind.PUT_BACK, senders=AT_PRIME, receivers=PLANE):
    """Move a track from the trash back to where it was, if it is there."""

    track: TrackId


class SyncPause(Message, kind=Kind.SYNC_PAUSE, senders=AT_PRIME, receivers=PLANE):
    """Listeners need the machine: stop copying, or go on."""

    paused: bool


class OpenFile(Message, kind=Kind.OPEN_FILE, senders=CONTROL, receivers=CONTROL, reply=TrackOpened):
    """Open a track's file for copying, on a connection with a control node's certificate. TRACK_MISSING."""

    track: TrackId


class GoPlain(Message, kind=Kind.GO_PLAIN, senders=CONTROL, receivers=CONTROL, reply=Done):
    """On a connection for files, once both sides know each other: end TLS, and go on without it on the same socket.

    `seen_as`: refused unless the connection comes from there, so nothing lies between the two sockets.
    """

    seen_as: HostPort | None = None


class TracksElsewhere(
    Message, kind=Kind.TRACKS_ELSEWHERE, senders=AT_PRIME, receivers=frozenset({Role.FILE}), reply=Done
):
    """What the cluster's library holds beside the folder that a streaming node serves, so that its list is whole.

    The first part begins anew; later ones are changes. What the folder itself holds is none of this.
    """

    first: bool
    last: bool  # nothing more to tell at the moment
    tracks: Tracks = ()
    removed: Annotated[tuple[TrackId, ...], Meta(max_length=MAX_REMOVED_IDS)] = ()


class Leaves(Message, kind=Kind.LEAVES):
    """Pages of a track's leaf hashes from the asked one on, one after the other, and how many pages there are."""

    size_bytes: Count
    page_count: Count
    hashes: Annotated[bytes, Meta(max_length=MAX_LEAVES_BYTES)]


class LeavesGet(Message, kind=Kind.LEAVES_GET, senders=AT_PRIME, receivers=PLANE, reply=Leaves):
    """Hash a track that the machine holds, for friends who pass it on to one another. TRACK_MISSING, TRACK_DAMAGED."""

    track: TrackId
    from_page: Count = 0


class CopyRow(msgspec.Struct, frozen=True, array_like=True):
    """One track of the whole library and the machines that hold it now. `removed`: it can be restored."""

    track: Track
    holders: tuple[NodeId, ...] = ()
    removed: bool = False


class Copies(Message, kind=Kind.COPIES):
    """A part of the list; `more` says that another page follows the last name."""

    rows: Annotated[tuple[CopyRow, ...], Meta(max_length=limits.MAX_PAGE)]
    more: bool = False


class CopiesList(Message, kind=Kind.COPIES_LIST, senders=OPERATOR, receivers=AT_PRIME, reply=Copies):
    """Tracks of all machines from this place of the list on, the removed ones last."""

    offset: Count = 0


class TrackChanged(Message, kind=Kind.TRACK_CHANGED):
    """It is done, to this track."""

    track: TrackId
    name: Text


class TrackRemove(Message, kind=Kind.TRACK_REMOVE, senders=OPERATOR, receivers=AT_PRIME, reply=TrackChanged):
    """Take a track out of the library on every machine: a name, a unique part of one, or an id.

    TRACK_MISSING, AMBIGUOUS.
    """

    text: Text


class TrackRestore(Message, kind=Kind.TRACK_RESTORE, senders=OPERATOR, receivers=AT_PRIME, reply=TrackChanged):
    """Bring a removed track back from the trash. TRACK_MISSING."""

    text: Text
