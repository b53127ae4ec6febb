"""What the client engine tells: typed values, and the JSON lines of `--events`."""

import re
from typing import Any

import msgspec

from hocket.core.errors import HocketError
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.relay.nearby import Neighbour


class Event(msgspec.Struct, frozen=True):
    """Base of all events. `frame` and `frames` count frames of the track."""


class Pinned(Event, frozen=True):
    """A cluster was met for the first time; from now on it is known by this fingerprint."""

    address: str
    fingerprint: str


class LoggedIn(Event, frozen=True):
    """The session is open, at this authentication node."""

    user: str
    session: str
    node: str


class LoggedOut(Event, frozen=True):
    """The session is over because this side wanted it."""


class Prime(Event, frozen=True):
    """The prime came into reach or went out of it. Music goes on without it."""

    reachable: bool
    text: str = ""


class SessionMoved(Event, frozen=True):
    """Another authentication node keeps the session."""

    origin: str = msgspec.field(name="from")
    to: str
    why: str


class Tracks(Event, frozen=True):
    """How many tracks matched what was asked for."""

    count: int


class LibraryChanged(Event, frozen=True):
    """Ask for the list again."""

    revision: int


class Opened(Event, frozen=True):
    """This track plays from now on. `source` is a node's id, or `cache`."""

    track: str
    name: str
    title: str
    artist: str
    rate: int
    channels: int
    bits: int
    frames: int
    source: str


class Playing(Event, frozen=True):
    """The first sample was handed to the device, so long after it was asked for; 0 when one track follows another."""

    latency_ms: float


class Position(Event, frozen=True):
    """Heard now, by the device's clock. Once a second."""

    frame: int


class Paused(Event, frozen=True):
    frame: int


class Resumed(Event, frozen=True):
    frame: int


class Seeked(Event, frozen=True):
    frame: int


class Stalled(Event, frozen=True):
    """The device ran dry: the network is slower than the music."""

    frame: int


class Unstalled(Event, frozen=True):
    """It plays again after a silence of `ms`."""

    ms: float


class Moved(Event, frozen=True):
    """Another node serves the music from now on."""

    origin: str = msgspec.field(name="from")
    to: str
    why: str


class Ended(Event, frozen=True):
    """A track is over, heard to its end or stopped. `frames` of it were heard, with so many stalls."""

    frames: int
    stalls: int
    complete: bool


class Hosting(Event, frozen=True):
    """Friends can join at this address from now on, or (in other networks) at one of `also`.

    `mapping`: what the router says where it was asked: mapped, behind_another_router, refused, none; else empty.
    """

    address: str
    also: tuple[str, ...] = ()
    mapping: str = ""
    why: str = ""


class InviteState(msgspec.Struct, frozen=True):
    """One invite of this session. `friends`: who came by it."""

    id: str
    uses_left: int
    uses: int
    scope: str
    expires_in_s: int
    friends: tuple[str, ...] = ()
    revoked: bool = False


class Nearby(Event, frozen=True):
    """Who hosts in this network, as far as they say so themselves: once it is asked for, and when it changes.

    `problem`: why nobody can be found.
    """

    friends: tuple[Neighbour, ...]
    problem: str = ""


class Invited(Event, frozen=True):
    """A new invite, to be sent to a friend. `scope`: listen, or control (may pause, seek, skip and suggest)."""

    id: str
    invite: str
    uses: int
    scope: str
    expires_in_s: int


class Invites(Event, frozen=True):
    """All invites of this session that have not expired: when asked for, and when one was made, used or revoked."""

    invites: tuple[InviteState, ...]
    is_asked: bool = False


class Revoked(Event, frozen=True):
    """Nobody comes in by this invite any more. `friends` came by it, and stay until they leave or are sent away."""

    id: str
    friends: tuple[str, ...]


class PeerJoined(Event, frozen=True):
    """A friend listens along."""

    name: str


class PeerLeft(Event, frozen=True):
    """A friend is gone."""

    name: str


class Joined(Event, frozen=True):
    """This listener follows somebody; `at` is whom it is connected to."""

    host: str
    at: str


class Reach(Event, frozen=True):
    """By which way this listener has its host: direct, mapped, punched, relayed or through-node.

    `via`: the friend or the streaming node that the music comes from, where it is not the host.
    """

    how: str
    via: str = ""


class Offset(Event, frozen=True):
    """How far ahead of the host this listener plays, as measured; once a second."""

    ms: float


class QueueChanged(Event, frozen=True):
    """The queue, its order, or what plays in it is another."""


class OutputChanged(Event, frozen=True):
    """The music goes elsewhere than it was meant to, and why."""

    output: str
    why: str


class Error(Event, frozen=True):
    """Something went wrong; what it was about goes no further. `hint` says what to do."""

    code: str
    text: str
    hint: str = ""

    @classmethod
    def of(cls, error: HocketError) -> "Error":
        return cls(error.code.value, error.text, error.hint)


def opened(track: Track, form: AudioFormat, source: str) -> Opened:
    """The event for a track that begins."""
    return Opened(
        track.id, track.name, track.title, track.artist, form.rate_hz, form.channels, form.bits, track.frames, source
    )


def name_of(event: Event) -> str:
    """`SessionMoved` is `session_moved` in JSON."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def json_line(event: Event, t_s: float) -> str:
    """One object: `event`, `t` in seconds, then the event's fields. No newline."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return msgspec.json.encode({"event": name_of(event), "t": round(t_s, 3), **fields}).decode()
