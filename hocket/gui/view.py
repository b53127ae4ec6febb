"""What the window shows, as values that a test can look at: no Qt, no I/O, no clock.

`View` takes the engine's events and snapshots and says which parts of the window have to be drawn anew.
"""

from enum import Flag, auto

import msgspec

from hocket.client import events
from hocket.client.engine import Capability, Snapshot
from hocket.client.playing import State
from hocket.client.queue import Repeat
from hocket.client.together.reach import Reach
from hocket.core.track import Track
from hocket.gui import texts
from hocket.gui.notices import Notice, Tone, notice_of
from hocket.gui.togetherview import reach_text


class Part(Flag):
    """Parts of the window that change together."""

    NOTHING = 0
    PLAYER = auto()
    QUEUE = auto()
    LIBRARY = auto()  # the list must be fetched again
    NOTICE = auto()
    SESSION = auto()  # logged in or out


# -- the player


class Playing(msgspec.Struct, frozen=True):
    """The player bar and its page, in words and numbers."""

    track: Track | None = None
    title: str = texts.NOTHING_PLAYS
    artist: str = ""
    album: str = ""
    form: str = ""
    status: str = ""
    position_s: float = 0.0
    length_s: float = 0.0
    is_playing: bool = False  # a press of the button pauses
    can_play: bool = False
    can_seek: bool = False
    can_stop: bool = False
    shuffle: bool = False
    repeat: Repeat = Repeat.OFF
    source: str = ""
    via: str = ""
    ahead: str = ""
    output: str = ""
    session: str = ""
    entry_id: int = 0

    @property
    def elapsed(self) -> str:
        return texts.time(self.position_s)

    @property
    def left(self) -> str:
        return texts.remaining(self.length_s - self.position_s)


_STATUS = {
    State.LOADING: texts.LOADING,
    State.STALLED: texts.STALLED,
    State.PAUSED: texts.PAUSED,
}
_ACTIVE = frozenset({State.LOADING, State.PLAYING, State.STALLED})


def playing(snapshot: Snapshot) -> Playing:
    """A snapshot in the words of the player bar. After the end the last track stays, ready to play again."""
    track, form = snapshot.track, snapshot.track.format if snapshot.track else None
    base = Playing(
        shuffle=snapshot.shuffle,
        repeat=snapshot.repeat,
        output=texts.OUTPUTS.get(snapshot.output, snapshot.output),
        session=snapshot.auth_node,
        can_play=snapshot.queue_length > 0,
    )
    if track is None or form is None or snapshot.entry is None:
        return base
    is_active = snapshot.state in _ACTIVE
    return msgspec.structs.replace(
        base,
        track=track,
        title=track.title,
        artist=track.artist or texts.UNKNOWN_ARTIST,
        album=track.album,
        form=texts.sound_format(form.rate_hz, form.bits, form.is_float, form.channels),
        status=_STATUS.get(snapshot.state, ""),
        position_s=form.seconds(snapshot.position_frames),
        length_s=track.duration_s,
        is_playing=is_active,
        can_play=True,
        can_seek=True,
        can_stop=True,
        source=source_text(snapshot.source),
        via=texts.via(snapshot.source),
        ahead=texts.seconds_ahead(snapshot.buffer_s),
        entry_id=snapshot.entry.id,
    )


class Heard(msgspec.Struct, frozen=True):
    """What comes from a friend: whose music, the track and the frame that is heard, music ahead, by which way.

    `host` is empty once this listener leads the group itself.
    """

    host: str
    track: Track
    frame: int
    buffer_s: float | None = None
    reach: Reach | None = None


def following(base: Playing, heard: Heard, *, is_moving: bool) -> Playing:
    """What is heard of a friend's music. Stop leaves; the friend decides about the rest."""
    track, form = heard.track, heard.track.format
    if form is None:
        return base
    return msgspec.structs.replace(
        base,
        track=track,
        title=track.title,
        artist=track.artist or texts.UNKNOWN_ARTIST,
        album=track.album,
        form=texts.sound_format(form.rate_hz, form.bits, form.is_float, form.channels),
        status="" if is_moving else texts.host_paused(heard.host) if heard.host else texts.PAUSED,
        position_s=form.seconds(heard.frame),
        length_s=track.duration_s,
        is_playing=is_moving,
        can_play=True,
        can_stop=True,
        source=texts.SEPARATOR.join(filter(None, (heard.host or texts.YOU_ARE_HOST, reach_text(heard.reach)))),
        via=texts.with_friend(heard.host) if heard.host else texts.WITH_FRIENDS,
        ahead="" if heard.buffer_s is None else texts.seconds_ahead(heard.buffer_s),
    )


def source_text(source: str) -> str:
    """Where the bytes come from, for people."""
    if not source:
        return ""
    return texts.FROM_CACHE if source == "cache" else texts.node_source(source)


def seek_target(position_s: float, by_s: float, length_s: float) -> float:
    """Where a jump lands: never past the end, nor before the start."""
    return min(max(0.0, position_s + by_s), max(0.0, length_s - 0.05))


def gain_of(slider: int) -> float:
    """Slider 0..100 -> linear gain: quadratic, as ears hear steps of loudness."""
    return (min(100, max(0, slider)) / 100) ** 2


# -- the whole

STILL = 3
"""A friend's music that stands at the same frame for so many snapshots is paused."""

ME = "me"
"""What the engine calls this listener where friends take over from one another."""


def _moved_notice(event: events.Moved) -> Notice:
    """Another node serves the music, or another friend leads."""
    if event.to == ME:
        return Notice(texts.YOU_LEAD)
    if ":" in event.to or event.origin == ME:  # a friend's address; nodes and caches have names
        return Notice(texts.FRIEND_LEADS)
    return Notice(texts.moved(event.to, event.why))


class View:
    """The state behind the window. `take` and `take_snapshot` say what has to be drawn anew."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.capabilities: frozenset[Capability] = frozenset()
        self.playing = Playing()
        self.notice: Notice | None = None
        self.is_following = False
        self._heard: Heard | None = None
        self._still = 0

    @property
    def is_logged_in(self) -> bool:
        return self.snapshot is not None and bool(self.snapshot.user)

    def take_snapshot(
        self,
        snapshot: Snapshot,
        capabilities: frozenset[Capability],
        heard: Heard | None = None,
        *,
        is_following: bool = False,
    ) -> Part:
        """What the engine says that it is now; `heard`: from a friend, nothing while that one has paused."""
        was_in, was_playing, before = self.is_logged_in, self.playing, self.capabilities
        self.snapshot, self.capabilities = snapshot, capabilities
        self.playing = playing(snapshot)
        self.is_following = is_following
        self._follow(heard)
        parts = Part.NOTHING
        if self.is_logged_in != was_in or capabilities != before:
            parts |= Part.SESSION
        if self.playing != was_playing:
            parts |= Part.PLAYER
        if self.playing.entry_id != was_playing.entry_id:
            parts |= Part.QUEUE
        return parts

    def _follow(self, heard: Heard | None) -> None:
        before = self._heard
        if not self.is_following:
            self._heard = None
        elif heard is not None:
            stands = before is not None and (heard.track.id, heard.frame) == (before.track.id, before.frame)
            self._still = self._still + 1 if stands else 0
            self._heard = heard
        elif before is not None:
            self._still = STILL
        if self._heard is not None:
            self.playing = following(self.playing, self._heard, is_moving=self._still < STILL)

    @property
    def friend_has_paused(self) -> bool:
        """Whether the one who is followed holds the music."""
        return self._heard is not None and self._still >= STILL

    def take(self, event: events.Event) -> Part:
        """Something happened."""
        match event:
            case events.LibraryChanged():
                return Part.LIBRARY
            case events.QueueChanged():
                return Part.QUEUE
            case events.Error():
                return self.tell(notice_of(event.code, event.text, event.hint))
            case events.Moved():
                return self.tell(_moved_notice(event))
            case events.OutputChanged():
                return self.tell(notice_of("SOUND_DEVICE", event.why))
            case events.Prime():
                return self._prime(event.reachable)
        return Part.NOTHING

    def tell(self, notice: Notice) -> Part:
        """Show a banner, in place of the one that is there."""
        self.notice = notice
        return Part.NOTICE

    def dismiss(self) -> Part:
        """Close the banner."""
        self.notice = None
        return Part.NOTICE

    def _prime(self, reachable: bool) -> Part:
        if not reachable:
            return self.tell(Notice(texts.PRIME_AWAY, texts.PRIME_AWAY_HINT, Tone.BAD, lasts=True))
        if self.notice is not None and self.notice.title == texts.PRIME_AWAY:
            return self.dismiss() | Part.LIBRARY
        return Part.LIBRARY
