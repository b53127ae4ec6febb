"""What the window shows, as values that a test can look at: no Qt, no I/O, no clock.

`View` takes the engine's events and snapshots and says which parts of the window have to be drawn anew.
"""

from enum import Flag, StrEnum, auto

import msgspec

from hocket.client import events
from hocket.client.engine import Capability, Snapshot
from hocket.client.playing import State
from hocket.client.queue import Repeat
from hocket.core.address import BadAddress, ClusterAddress, HostPort
from hocket.core.errors import HocketError
from hocket.core.settings import PRIME
from hocket.core.track import Track
from hocket.gui import texts

DEFAULT_PORT = HostPort.parse(PRIME).port


class Part(Flag):
    """Parts of the window that change together."""

    NOTHING = 0
    PLAYER = auto()
    QUEUE = auto()
    LIBRARY = auto()  # the list must be fetched again
    NOTICE = auto()
    SESSION = auto()  # logged in or out


class Tone(StrEnum):
    """How grave a notice is."""

    INFO = "info"
    BAD = "bad"


class Notice(msgspec.Struct, frozen=True):
    """A banner: what happened, and what to do."""

    title: str
    text: str = ""
    tone: Tone = Tone.INFO
    lasts: bool = False  # until it is closed or what it tells of is over


def notice_of(code: str, text: str, hint: str = "") -> Notice:
    """An error in the window's words: a title by its code, the engine's text, what to do."""
    said = texts.HINTS.get(code, hint)
    title = texts.TITLES.get(code, texts.TITLE_OTHER)
    first = "" if text.lower() == title.lower() else _sentence(text)
    return Notice(title, f"{first} {_sentence(said)}".strip(), Tone.BAD)


def error_notice(error: HocketError) -> Notice:
    return notice_of(error.code.value, error.text, error.hint)


def _sentence(text: str) -> str:
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?…" else f"{text}."


# -- the log-in


class Field(StrEnum):
    """Fields of the log-in form."""

    SERVER = "server"
    USER = "user"
    PASSWORD = "password"


class LoginForm(msgspec.Struct, frozen=True):
    """The log-in page. `fingerprint`: of a cluster that is met for the first time, for the person to compare."""

    server: str = ""
    user: str = ""
    busy: bool = False
    wrong: Field | None = None
    notice: Notice | None = None
    fingerprint: str = ""


def check_form(server: str, user: str, password: str) -> tuple[LoginForm, ClusterAddress | None]:
    """The form after a press of the button, and the address to go to if nothing is wrong with it."""
    form = LoginForm(server.strip(), user.strip())
    for field, text, title in (
        (Field.SERVER, form.server, texts.SERVER_MISSING),
        (Field.USER, form.user, texts.USER_MISSING),
        (Field.PASSWORD, password, texts.PASSWORD_MISSING),
    ):
        if not text:
            return msgspec.structs.replace(form, wrong=field, notice=Notice(title, texts.FILL_IN, Tone.BAD)), None
    try:
        address = ClusterAddress.parse(form.server, DEFAULT_PORT)
    except BadAddress as error:
        return msgspec.structs.replace(form, wrong=Field.SERVER, notice=error_notice(error)), None
    return msgspec.structs.replace(form, busy=True), address


def refused_form(form: LoginForm, error: HocketError) -> LoginForm:
    """The form when the log-in failed, with the field to look at."""
    wrong = {"LOGIN_REFUSED": Field.PASSWORD, "NOT_REACHABLE": Field.SERVER, "FINGERPRINT_CHANGED": Field.SERVER}
    return msgspec.structs.replace(
        form, busy=False, fingerprint="", wrong=wrong.get(error.code.value), notice=error_notice(error)
    )


def grouped(fingerprint: str) -> str:
    """Hex digits in fours, four groups a line: two people can compare that."""
    fours = [fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4)]
    return "\n".join("   ".join(fours[at : at + 4]) for at in range(0, len(fours), 4))


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


def following(base: Playing, host: str, track: Track, frame: int) -> Playing:
    """What is heard of a friend's music. Stop leaves; the friend decides about the rest."""
    form = track.format
    if form is None:
        return base
    return msgspec.structs.replace(
        base,
        track=track,
        title=track.title,
        artist=track.artist or texts.UNKNOWN_ARTIST,
        album=track.album,
        form=texts.sound_format(form.rate_hz, form.bits, form.is_float, form.channels),
        position_s=form.seconds(frame),
        length_s=track.duration_s,
        is_playing=True,
        can_play=True,
        can_stop=True,
        source=texts.following(host),
        via=texts.with_friend(host),
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


Heard = tuple[str, Track, int]
"""From a friend: whose music, the track, the frame that is heard."""


# -- the whole


class View:
    """The state behind the window. `take` and `take_snapshot` say what has to be drawn anew."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.capabilities: frozenset[Capability] = frozenset()
        self.playing = Playing()
        self.notice: Notice | None = None
        self.is_following = False

    @property
    def is_logged_in(self) -> bool:
        return self.snapshot is not None and bool(self.snapshot.user)

    def take_snapshot(
        self, snapshot: Snapshot, capabilities: frozenset[Capability], heard: Heard | None = None
    ) -> Part:
        """What the engine says that it is now; `heard`: from a friend."""
        was_in, was_playing, before = self.is_logged_in, self.playing, self.capabilities
        self.snapshot, self.capabilities = snapshot, capabilities
        self.playing = playing(snapshot)
        if heard is not None:
            self.playing = following(self.playing, *heard)
        self.is_following = heard is not None
        parts = Part.NOTHING
        if self.is_logged_in != was_in or capabilities != before:
            parts |= Part.SESSION
        if self.playing != was_playing:
            parts |= Part.PLAYER
        if self.playing.entry_id != was_playing.entry_id:
            parts |= Part.QUEUE
        return parts

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
                return self.tell(Notice(texts.moved(event.to, event.why)))
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
