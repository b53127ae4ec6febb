"""The view-model without Qt: what each state looks like in words."""

import msgspec
import pytest

from hocket.client import events
from hocket.client.engine import Capability, Snapshot
from hocket.client.playing import State
from hocket.client.queue import Entry, Repeat
from hocket.client.together.reach import How, Reach
from hocket.core.errors import ErrorCode, HocketError, Refused
from hocket.core.ids import TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.gui import texts
from hocket.gui.loginview import Field, LoginForm, check_form, grouped, refused_form
from hocket.gui.notices import Tone, notice_of
from hocket.gui.view import Heard, Part, View, gain_of, playing, seek_target
from hocket.gui.waveform import QUIET, bars

TRACK = Track(
    TrackId("a" * 64), "a.wav", "Low Tide", "Ada", "Harbour", format=AudioFormat(44_100, 2, 16), frames=44_100 * 60
)
NOBODY = Snapshot("", "", False, "", "", State.STOPPED, None, 0, 0, 0.0, "", "speakers", 1.0, False, Repeat.OFF, 0)
LISTENING = msgspec.structs.replace(
    NOBODY, user="Someone", prime="a:1", prime_reachable=True, auth_node="auth-1", stream_node="file-1",
    state=State.PLAYING, entry=Entry(3, TRACK), position_frames=44_100 * 15, end_frames=44_100 * 60, buffer_s=9.96,
    source="file-1", queue_length=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("server", "user", "password", "wrong"),
    [
        ("", "a", "b", Field.SERVER),
        ("host", "", "b", Field.USER),
        ("host", "a", "", Field.PASSWORD),
        ("host:x", "a", "b", Field.SERVER),
        ("hocket://h:1#zz", "a", "b", Field.SERVER),
        ("::1", "a", "b", Field.SERVER),
    ],
)
def test_an_incomplete_form_marks_the_field(server: str, user: str, password: str, wrong: Field) -> None:
    form, address = check_form(server, user, password)
    assert address is None
    assert form.wrong is wrong
    assert form.notice is not None
    assert form.notice.tone is Tone.BAD
    assert not form.busy


def test_a_complete_form_goes_to_the_default_port() -> None:
    form, address = check_form(" music.example ", "Someone", "secret")
    assert form == LoginForm("music.example", "Someone", busy=True)
    assert str(address) == "music.example:50001"
    assert "secret" not in repr(form)


@pytest.mark.parametrize("code", [ErrorCode.LOGIN_REFUSED, ErrorCode.CLUSTER_FULL, ErrorCode.NOT_REACHABLE,
                                  ErrorCode.FINGERPRINT_CHANGED, ErrorCode.TOO_MANY_ATTEMPTS])  # fmt: skip
def test_a_refused_login_says_what_went_wrong_and_what_to_do(code: ErrorCode) -> None:
    error = Refused("the text of the server", code=code, hint="the server's hint")
    form = refused_form(LoginForm("h:1", "u", busy=True), error)
    assert not form.busy
    assert form.notice is not None
    assert form.notice.title == texts.TITLES[code.value]
    assert "The text of the server." in form.notice.text
    assert texts.HINTS.get(code.value, "The server's hint.") in form.notice.text


def test_an_unknown_error_keeps_its_own_words() -> None:
    notice = notice_of("NEW_CODE", "something odd", "turn it off and on")
    assert (notice.title, notice.text) == (texts.TITLE_OTHER, "Something odd. Turn it off and on.")


def test_a_fingerprint_in_groups_loses_nothing() -> None:
    fingerprint = "0123456789abcdef" * 4
    shown = grouped(fingerprint)
    assert "".join(shown.split()) == fingerprint
    assert len(shown.splitlines()) == 4


def test_what_plays_in_words() -> None:
    now = playing(LISTENING)
    assert (now.title, now.artist, now.album, now.form) == ("Low Tide", "Ada", "Harbour", "44.1 kHz · 16 bit · stereo")
    assert (now.elapsed, now.left) == ("0:15", "−0:45")
    assert now.is_playing
    assert (now.source, now.ahead) == ("Streaming node file-1", "10.0 s")


@pytest.mark.parametrize(
    ("state", "status", "is_playing"),
    [
        (State.PAUSED, texts.PAUSED, False),
        (State.STALLED, texts.STALLED, True),
        (State.LOADING, texts.LOADING, True),
        (State.PLAYING, "", True),
    ],
)
def test_states_of_the_player(state: State, status: str, is_playing: bool) -> None:
    now = playing(msgspec.structs.replace(LISTENING, state=state))
    assert (now.status, now.is_playing) == (status, is_playing)


def test_nothing_plays_but_something_could() -> None:
    assert not playing(NOBODY).can_play
    now = playing(msgspec.structs.replace(NOBODY, queue_length=1))
    assert now.can_play
    assert not now.can_seek
    assert now.title == texts.NOTHING_PLAYS


def test_the_view_says_what_changed() -> None:
    view = View()
    nothing: frozenset[Capability] = frozenset()
    assert view.take_snapshot(NOBODY, nothing) == Part.PLAYER
    assert view.take_snapshot(NOBODY, nothing) == Part.NOTHING
    assert view.take_snapshot(LISTENING, nothing) == Part.SESSION | Part.PLAYER | Part.QUEUE
    later = msgspec.structs.replace(LISTENING, position_frames=44_100 * 16)
    assert view.take_snapshot(later, nothing) == Part.PLAYER
    assert view.take_snapshot(later, frozenset({Capability.OPERATE})) == Part.SESSION
    assert view.take(events.LibraryChanged(3)) == Part.LIBRARY
    assert view.take(events.QueueChanged()) == Part.QUEUE
    assert view.take(events.Position(5)) == Part.NOTHING
    assert view.take_snapshot(NOBODY, nothing) & Part.SESSION


def test_the_prime_away_is_told_until_it_is_back() -> None:
    view = View()
    assert view.take(events.Prime(False, "gone")) == Part.NOTICE
    assert view.notice is not None
    assert view.notice.lasts
    assert Part.NOTICE in view.take(events.Prime(True))
    assert view.notice is None


def test_errors_of_playing_become_notices() -> None:
    view = View()
    view.take(events.Error.of(HocketError("no device", code=ErrorCode.SOUND_DEVICE, hint="plug one in")))
    assert view.notice is not None
    assert view.notice.title == texts.TITLES["SOUND_DEVICE"]
    assert "Plug one in." in view.notice.text


def test_jumps_stay_within_the_song() -> None:
    assert seek_target(3.0, -5.0, 60.0) == 0.0
    assert seek_target(58.0, 5.0, 60.0) == pytest.approx(59.95)
    assert seek_target(10.0, 5.0, 60.0) == 15.0


def test_the_volume_slider() -> None:
    assert (gain_of(0), gain_of(50), gain_of(100), gain_of(200)) == (0.0, 0.25, 1.0, 1.0)


def test_times() -> None:
    assert [texts.time(s) for s in (0, 59.9, 61, 3600, 3725, -3)] == [
        "0:00",
        "0:59",
        "1:01",
        "1:00:00",
        "1:02:05",
        "0:00",
    ]


def test_bars_keep_every_peak_and_fill_the_height() -> None:
    peaks = bytes([10, 0, 200, 0, 0, 50])
    assert bars(peaks, 3) == [10 / 200, 1.0, 50 / 200] or bars(peaks, 3) == [QUIET, 1.0, 0.25]
    assert len(bars(peaks, 100)) == 100
    assert bars(b"", 4) == [QUIET] * 4
    assert max(bars(bytes([3, 5]), 2)) < 0.2  # next to silent stays small


def test_a_friends_music_that_stands_still_is_a_pause() -> None:
    view = View()
    nobody = msgspec.structs.replace(NOBODY, user="Someone")
    seen = []
    for frame in (100, 200, 200, 200, 200, 300, 0, 400):
        heard = Heard("Ada", TRACK, frame, 4.9, Reach(How.PUNCHED)) if frame else None
        view.take_snapshot(nobody, frozenset(), heard, is_following=True)
        seen.append((view.playing.is_playing, view.playing.status))
    paused = (False, texts.host_paused("Ada"))
    assert seen == [*[(True, "")] * 4, paused, (True, ""), paused, (True, "")]
    assert (view.playing.via, view.playing.ahead) == (texts.with_friend("Ada"), texts.seconds_ahead(4.9))
    assert texts.reach("punched", "") in view.playing.source
    view.take_snapshot(nobody, frozenset(), Heard("", TRACK, 500), is_following=True)
    assert (view.playing.via, view.playing.source) == (texts.WITH_FRIENDS, texts.YOU_ARE_HOST)
    view.take_snapshot(nobody, frozenset())
    assert view.playing.track is None


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (events.Moved("10.0.0.7:1", "me", "the host is gone"), texts.YOU_LEAD),
        (events.Moved("10.0.0.7:1", "10.0.0.8:1", "another one hosts now"), texts.FRIEND_LEADS),
        (events.Moved("me", "10.0.0.8:1", "a friend hosts by now"), texts.FRIEND_LEADS),
        (events.Moved("file-1", "file-2", "it died"), texts.moved("file-2", "it died")),
    ],
)
def test_who_plays_on_is_said_without_addresses(event: events.Moved, said: str) -> None:
    view = View()
    view.take(event)
    assert view.notice is not None
    assert view.notice.title == said
