"""Friends who listen together: listener to listener. Signed values of `hocket.relay` travel as opaque bytes,
so that a relay passes on exactly what the host signed."""

from typing import Annotated

from msgspec import Meta

from hocket.core.ids import Role, TrackId
from hocket.wire.kinds import Kind
from hocket.wire.limits import Blob, Count, ShortText
from hocket.wire.message import PEOPLE, Message
from hocket.wire.messages.common import Done, Signature

FRIENDS = frozenset({Role.LISTENER})
MAX_LEAF_BYTES = 16 * 1024
MAX_LINES = 32
MAX_HELD = 64
MAX_DISTANCES = 8
MAX_MEMBERS = 257

Port = Annotated[int, Meta(ge=0, le=65535)]
Token = Annotated[bytes, Meta(max_length=512)]
Small = Annotated[bytes, Meta(max_length=1024)]
Large = Annotated[bytes, Meta(max_length=60 * 1024)]
Page = Annotated[bytes, Meta(max_length=MAX_LEAF_BYTES)]
Nanoseconds = Annotated[int, Meta(ge=-(2**62), le=2**62)]


class Admitted(Message, kind=Kind.ADMITTED):
    """Come in. Who serves here, proven by its ticket; who hosts the group (`reign`), and what plays when (`lines`)."""

    ticket: Blob
    proof: Signature
    group: ShortText
    scope: ShortText
    reign: Large
    lines: Annotated[tuple[Small, ...], Meta(max_length=MAX_LINES)]
    path: Annotated[tuple[ShortText, ...], Meta(max_length=64)] = ()  # ids of the relays above, the host's first
    queue: Large = b""


class JoinFriend(Message, kind=Kind.JOIN_FRIEND, senders=FRIENDS, receivers=FRIENDS, reply=Admitted):
    """Let me listen along; goes with HELLO. `proof` signs "joins", the other's certificate and the client's Finished.

    The answer's signs "serves" and the same. `port`: where I serve others, 0 if I do not. `listens`: whether to push
    music, or only time and news. `group`: the one that I am in already. INVITE_REFUSED, NOT_ALLOWED, NODE_FULL,
    TICKET_REFUSED.
    """

    ticket: Blob
    proof: Signature
    token: Token = b""
    port: Port = 0
    listens: bool = True
    upload_bps: Count = 0
    group: ShortText = ""


class AskTime(Message, kind=Kind.ASK_TIME, senders=FRIENDS, receivers=FRIENDS):
    """What time is it at the group? Answered by TimeIs with the same number, ahead of everything else."""

    number: Count


class TimeIs(Message, kind=Kind.TIME_IS, senders=FRIENDS, receivers=FRIENDS):
    """When the question came and when this answer left, in group time."""

    number: Count
    received_ns: Nanoseconds
    sent_ns: Nanoseconds


class TimePace(Message, kind=Kind.TIME_PACE, senders=FRIENDS, receivers=FRIENDS):
    """Ask for the time no more often than this, the first half second apart: the host's line is shared.

    Nothing heard for `silence_ms` may be its line; more, and it is gone.
    """

    question_ms: Count
    silence_ms: Count


class LineNews(Message, kind=Kind.LINE_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """A signed line of the host, passed on unchanged and at once."""

    line: Small


class ReignNews(Message, kind=Kind.REIGN_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """Who hosts, and by what right."""

    reign: Large


class HandoverNews(Message, kind=Kind.HANDOVER_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """The host leaves, signed by it."""

    handover: Small


class QueueNews(Message, kind=Kind.QUEUE_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """The host's queue, signed by it."""

    queue: Large


class LedgerNews(Message, kind=Kind.LEDGER_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """For those who may succeed the host: its rules or its count of one invite, signed by it. Not passed on."""

    house: Large = b""
    account: Large = b""


class ManifestIs(Message, kind=Kind.MANIFEST_IS):
    """A track and its manifest, signed by the cluster."""

    vouched: Large


class AskManifest(Message, kind=Kind.ASK_MANIFEST, senders=FRIENDS, receivers=FRIENDS, reply=ManifestIs):
    """What are the bytes of this track? TRACK_MISSING where it is unknown."""

    track: TrackId


class PageIs(Message, kind=Kind.PAGE_IS):
    """One page of a manifest's leaf hashes."""

    page: Page


class AskPage(Message, kind=Kind.ASK_PAGE, senders=FRIENDS, receivers=FRIENDS, reply=PageIs):
    """A page of leaf hashes."""

    track: TrackId
    number: Count


class LeafIs(Message, kind=Kind.LEAF_IS):
    """16 KiB of a track."""

    data: Page


class AskLeaf(Message, kind=Kind.ASK_LEAF, senders=FRIENDS, receivers=FRIENDS, reply=LeafIs):
    """Some of a track. TRACK_MISSING while it is not held (yet)."""

    track: TrackId
    leaf: Count


class LeafNews(Message, kind=Kind.LEAF_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """A leaf that will be played soon, sent unasked."""

    track: TrackId
    leaf: Count
    data: Page


class Held(Message, kind=Kind.HELD, senders=FRIENDS, receivers=FRIENDS):
    """Leave these out of what you push: I have them, or get them elsewhere."""

    track: TrackId
    leaves: Annotated[tuple[Count, ...], Meta(max_length=MAX_HELD)]


class TrackNews(Message, kind=Kind.TRACK_NEWS, senders=FRIENDS, receivers=FRIENDS):
    """For a newcomer: the track that plays, vouched for by the cluster, and the hashes for what is heard next."""

    vouched: Annotated[bytes, Meta(max_length=24 * 1024)]
    number: Count
    page: Page


class Report(Message, kind=Kind.REPORT, senders=FRIENDS, receivers=FRIENDS):
    """How a follower is, once a second; relays pass on what those below report."""

    peer: ShortText
    name: ShortText
    address: ShortText  # HOST:PORT where it serves others; "" if it does not
    offset_us: int
    buffer_ms: Count
    round_trip_us: Count
    key: Token = b""
    jitter_us: Count = 0  # by how much round trips differ
    lost_ppm: Annotated[int, Meta(ge=0, le=1_000_000)] = 0  # of what is sent to it, by whoever sends


class Members(Message, kind=Kind.MEMBERS, senders=FRIENDS, receivers=FRIENDS):
    """Who is in the group, by the host: all (`whole`), or those of whom there is news, and who is gone."""

    members: Annotated[tuple[Report, ...], Meta(max_length=MAX_MEMBERS)]
    whole: bool = True
    gone: Annotated[tuple[ShortText, ...], Meta(max_length=MAX_MEMBERS)] = ()


class Parents(Message, kind=Kind.PARENTS, senders=FRIENDS, receivers=FRIENDS):
    """Where to take the music from, the first that answers; each HOST:PORT. The host's wish for one follower."""

    addresses: Annotated[tuple[ShortText, ...], Meta(max_length=8)]


class AskDistances(Message, kind=Kind.ASK_DISTANCES, senders=FRIENDS, receivers=FRIENDS):
    """The host to a follower: how far are these friends from you? Each HOST:PORT. Answered by Distances, in a while."""

    addresses: Annotated[tuple[ShortText, ...], Meta(max_length=MAX_DISTANCES)]


class Distances(Message, kind=Kind.DISTANCES, senders=FRIENDS, receivers=FRIENDS):
    """The shortest round trips to those that answered, `round_trips_us` in the order of `addresses`."""

    addresses: Annotated[tuple[ShortText, ...], Meta(max_length=MAX_DISTANCES)]
    round_trips_us: Annotated[tuple[Count, ...], Meta(max_length=MAX_DISTANCES)]


class Pulse(Message, kind=Kind.PULSE, senders=FRIENDS, receivers=FRIENDS):
    """The host lives: four times a second, passed on at once. `path`: ids of those it came by, the host's first."""

    number: Count
    path: Annotated[tuple[ShortText, ...], Meta(max_length=64)] = ()


class Listens(Message, kind=Kind.LISTENS, senders=FRIENDS, receivers=FRIENDS):
    """Push me music from now on, or no longer."""

    listens: bool


class Wish(Message, kind=Kind.WISH, senders=FRIENDS, receivers=FRIENDS, reply=Done):
    """Do this, host: pause, resume, skip, seek (value: seconds), suggest (text: a track's id). NOT_ALLOWED."""

    what: ShortText
    value: float = 0.0
    text: ShortText = ""


class TrackVouched(Message, kind=Kind.TRACK_VOUCHED):
    """A track and its manifest under the cluster's signature."""

    vouched: Large


class GetManifest(Message, kind=Kind.GET_MANIFEST, senders=PEOPLE, receivers={Role.PRIME}, reply=TrackVouched):
    """Sign for the bytes of a track. Needs a ticket on this connection. TRACK_MISSING: no machine can hash it now."""

    track: TrackId


class ManifestPage(Message, kind=Kind.MANIFEST_PAGE):
    """One page of leaf hashes."""

    page: Page


class GetManifestPage(Message, kind=Kind.GET_MANIFEST_PAGE, senders=PEOPLE, receivers={Role.PRIME}, reply=ManifestPage):
    """A page of leaf hashes of a track whose manifest was asked for. Needs a ticket on this connection."""

    track: TrackId
    number: Count
