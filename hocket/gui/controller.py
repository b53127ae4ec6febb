"""Joins the window, the view-model and the engine: what happens goes in, what the person wants goes out."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from hocket.client import events
from hocket.client.engine import Capability, Engine, EngineOptions, Snapshot
from hocket.client.playing import State
from hocket.client.queue import Entry, Repeat
from hocket.client.together.together import TogetherState
from hocket.core.address import ClusterAddress
from hocket.core.errors import HocketError
from hocket.core.track import Track
from hocket.gui import settings, texts
from hocket.gui.bridge import Bridge
from hocket.gui.company import Company
from hocket.gui.listed import Listed
from hocket.gui.loading import Loader
from hocket.gui.loginview import refused_form
from hocket.gui.looks import Looks
from hocket.gui.notices import Notice, error_notice, notice_of
from hocket.gui.operating import Operating
from hocket.gui.view import Heard, Part, View, gain_of, seek_target
from hocket.gui.waveform import STEP_S
from hocket.gui.window import Window

log = logging.getLogger(__name__)

TICK_MS = 250
NOTICE_MS = 6_000
VOLUME_STEP = 5

Command = Callable[[Engine], Coroutine[Any, Any, Any]]


class Controller(QObject):
    """One window with one engine. `playing_changed` and `volume_changed` are for the desktop's own controls."""

    playing_changed = Signal(object)
    volume_changed = Signal(int)
    position_jumped = Signal(float)
    ended = Signal()

    def __init__(self, options: EngineOptions, remembered: settings.Remembered, window: Window) -> None:
        """`window` is furnished, shows the theme, and its log-in page what was remembered."""
        super().__init__()
        self.remembered = remembered
        self.window = window
        QGuiApplication.styleHints().colorSchemeChanged.connect(lambda _: self.apply_theme())
        self.view = View()
        self.is_closing = False
        self._folder = options.folders.config
        self.bridge = Bridge(options)
        self.bridge.happened.connect(self._event)
        self.loader = Loader(self.bridge)
        self._asked = False
        self._password = ""
        self._tick = _timer(TICK_MS, self._ask_snapshot)
        self._notice_timer = _timer(NOTICE_MS, self._notice_over, once=True)
        self._queue_timer = _timer(0, self._ask_queue, once=True)
        self.looks = Looks(self.bridge, self.window)
        self.company = Company(self.window, options.together.host, self._do, self.tell)
        self.operating = Operating(self.bridge, self.window, self.tell)
        self._connect()
        self._restore()

    # -- wiring

    def _connect(self) -> None:
        window = self.window
        window.shell.notice.closed.connect(lambda: self._draw(self.view.dismiss()))
        window.login.wanted.connect(self.log_in)
        window.songs.play.connect(self.play_tracks)
        window.songs.add.connect(self._add)
        window.songs.refresh.connect(self.reload)
        self.loader.piece.connect(window.songs.append)
        self.loader.finished.connect(self._list_whole)
        self.loader.failed.connect(self._list_failed)
        bar, queue = window.bar, window.queue
        bar.toggled.connect(self.toggle)
        bar.stopped.connect(self.stop)
        bar.skipped.connect(self.skip)
        bar.went_back.connect(self.go_back)
        bar.sought.connect(self.seek)
        window.now.sought.connect(self.seek)
        bar.shuffled.connect(self.set_shuffle)
        bar.repeated.connect(self.set_repeat)
        bar.volume_changed.connect(self._volume)
        queue.play.connect(lambda entry: self._do(lambda engine: engine.play_entry(entry)))
        queue.remove.connect(lambda entry: self._do(lambda engine: engine.remove(entry)))
        queue.moved.connect(lambda entry, place: self._do(lambda engine: engine.move(entry, place)))
        queue.cleared.connect(lambda: self._do(Engine.clear))

    def _restore(self) -> None:
        kept = self.remembered
        self.window.bar.volume.setValue(kept.volume)
        self._volume(kept.volume)
        self.window.bar.queue.setChecked(kept.queue_shown)
        if kept.keep_password and kept.user:
            self.bridge.background(lambda: settings.kept_password(kept.server, kept.user), self._take_password)

    # -- appearance

    def apply_theme(self) -> None:
        """Dark or light, as was chosen or as the system has it."""
        self.window.show_theme(self.remembered.theme)

    def set_theme(self, name: str) -> None:
        self.remembered = msgspec.structs.replace(self.remembered, theme=name)
        self.apply_theme()

    # -- logging in and out

    def _take_password(self, password: str) -> None:
        field = self.window.login.password
        if password and not field.text():
            field.setText(password)
            self.window.login.focus_first()

    def log_in(self, address: ClusterAddress, user: str, password: str) -> None:
        """The fingerprint first: a password goes to nobody that the person has not vouched for."""
        self._password = password

        def met(fingerprint: str) -> None:
            if fingerprint:
                self.window.login.ask_trust(address, fingerprint)
            else:
                self.bridge.run(lambda engine: engine.log_in(address, user, password), self._logged_in, self._refused)

        self.bridge.run(lambda engine: engine.first_contact(address), met, self._refused)

    def _refused(self, error: HocketError) -> None:
        login = self.window.login
        login.show_form(refused_form(login.form, error))

    def _logged_in(self, _: object) -> None:
        login = self.window.login
        form, keep, password = login.form, login.keep.isChecked(), self._password
        self._password, was_kept = "", self.remembered.keep_password
        self.remembered = msgspec.structs.replace(
            self.remembered, server=form.server, user=form.user, keep_password=keep
        )
        self._save()
        if keep:
            self.bridge.background(
                lambda: settings.keep_password(form.server, form.user, password),
                failed=lambda error: self.tell(Notice(texts.KEYRING_FAILED, texts.KEYRING_HINT)),
            )
        else:
            login.password.clear()
            if was_kept:
                self.bridge.background(lambda: settings.forget_password(form.server, form.user))
        login.show_form(msgspec.structs.replace(form, busy=False, notice=None, fingerprint="", wrong=None))
        self.window.side.show_user(form.user)
        self.window.show_shell()
        self.reload()
        self.company.begin()
        self._ask_snapshot()
        self._tick.start()

    def log_out(self) -> None:
        self._do(Engine.log_out)

    def _session_changed(self) -> None:
        self.window.offer_page(texts.TOGETHER, Capability.TOGETHER in self.view.capabilities)
        self.operating.allow(Capability.OPERATE in self.view.capabilities)
        if self.view.is_logged_in or self.window.is_at_login:
            return
        self._tick.stop()
        self.loader.forget()
        self.window.songs.clear()
        notice = self.view.notice
        login = self.window.login
        login.show_form(msgspec.structs.replace(login.form, busy=False, notice=notice))
        self._draw(self.view.dismiss())
        self.window.show_login()

    # -- the engine speaks

    def _event(self, event: events.Event) -> None:
        parts = self.view.take(event)
        self.company.take(event)
        if isinstance(event, events.Seeked):
            self.position_jumped.emit(self.view.playing.position_s)
        if not isinstance(event, events.LoggedIn):
            self._ask_snapshot()
        self._draw(parts)

    def _ask_snapshot(self) -> None:
        if not self._asked:
            self._asked = True
            self.bridge.read(_told, self._take_snapshot)

    def _take_snapshot(self, told: "Told") -> None:
        self._asked = False
        self._draw(
            self.view.take_snapshot(told.snapshot, told.capabilities, told.heard, is_following=told.is_following)
        )
        self.operating.show_here(told.snapshot)
        self.company.show(told.state, told.snapshot.user, is_moving=not self.view.friend_has_paused)

    def _draw(self, parts: Part) -> None:
        if Part.SESSION in parts:
            self._session_changed()
        if Part.PLAYER in parts:
            self._draw_player()
        if Part.QUEUE in parts:
            self._queue_timer.start()
        if Part.LIBRARY in parts and self.view.is_logged_in:
            self.loader.load()
        if Part.NOTICE in parts:
            notice = self.view.notice
            self.window.show_banner(notice)
            self._notice_timer.stop()
            if notice is not None and not notice.lasts:
                self._notice_timer.start()

    def _draw_player(self) -> None:
        now = self.view.playing
        self.window.bar.show_playing(now)
        self.window.now.show_playing(now)
        self.window.songs.mark(now.track.id if now.track else "", now.is_playing)
        self.window.setWindowTitle(texts.window_title(now.title, now.artist) if now.track else texts.APP)
        self.looks.show_track(now.track)
        self.playing_changed.emit(now)

    def _ask_queue(self) -> None:
        self.bridge.read(lambda engine: engine.queue, self._take_queue)

    def _take_queue(self, entries: tuple[Entry, ...]) -> None:
        self.window.queue.show_entries(entries, self.view.playing.entry_id)

    # -- the song list

    def reload(self) -> None:
        """Get the song list again."""
        self.window.songs.begin()
        self.loader.load()

    def _list_whole(self, listed: Listed, was_shown: bool) -> None:
        """The first list was shown as it came; a later one takes its place."""
        if was_shown:
            self.window.songs.finish(listed)
        else:
            self.window.songs.replace(listed)

    def _list_failed(self, error: HocketError) -> None:
        self.window.songs.end()
        if self.view.is_logged_in:
            notice = error_notice(error)
            self.tell(msgspec.structs.replace(notice, title=texts.LIST_FAILED))

    # -- what the person wants

    def _do(self, command: Command) -> None:
        """A command whose error is a banner."""
        self.bridge.run(command, lambda _: self._ask_snapshot(), lambda error: self.tell(error_notice(error)))

    def tell(self, notice: Notice) -> None:
        """Show a banner."""
        self._draw(self.view.tell(notice))

    def _notice_over(self) -> None:
        self._draw(self.view.dismiss())

    def play_tracks(self, tracks: list[Track], index: int) -> None:
        """These become the queue, from one of them on. One that cannot play says why."""
        chosen = tracks[index]
        if chosen.problem:
            self.tell(notice_of("TRACK_UNPLAYABLE", f"'{chosen.title}': {chosen.problem}"))
        else:
            self._do(lambda engine: engine.play_all(tracks, index))

    def _add(self, tracks: list[Track], is_next: bool) -> None:
        said = texts.plays_next(len(tracks)) if is_next else texts.added(len(tracks))
        self._do(lambda engine: engine.add(tracks, next=is_next))
        self.tell(Notice(said))

    def toggle(self) -> None:
        """Pause, or play on."""
        if self.view.is_following:
            self._do(Engine.pause if self.view.playing.is_playing else Engine.resume)
            return
        is_active = self.view.snapshot is not None and self.view.snapshot.state in (
            State.PLAYING,
            State.LOADING,
            State.STALLED,
        )
        if is_active:
            self._do(Engine.pause)
        elif self.view.playing.track is None and self.window.queue.model.entries:
            first = self.window.queue.model.entries[0].id
            self._do(lambda engine: engine.play_entry(first) if not _has_current(engine) else engine.resume())
        else:
            self._do(Engine.resume)

    def pause(self) -> None:
        self._do(Engine.pause)

    def resume(self) -> None:
        if not self.view.playing.is_playing:
            self.toggle()

    def stop(self) -> None:
        self._do(Engine.stop)

    def skip(self) -> None:
        self._do(Engine.next)

    def go_back(self) -> None:
        self._do(Engine.previous)

    def seek(self, seconds: float) -> None:
        self._do(lambda engine: engine.seek(seconds))

    def seek_by(self, seconds: float) -> None:
        now = self.view.playing
        if now.can_seek:
            self.seek(seek_target(now.position_s, seconds, now.length_s))

    def jump_back(self) -> None:
        self.seek_by(-STEP_S)

    def jump_ahead(self) -> None:
        self.seek_by(STEP_S)

    def set_shuffle(self, on: bool) -> None:
        self._do(lambda engine: engine.set_shuffle(on))

    def set_repeat(self, repeat: Repeat) -> None:
        self._do(lambda engine: engine.set_repeat(repeat))

    def set_volume(self, percent: int) -> None:
        """The slider's value; the slider tells the engine."""
        self.window.bar.volume.setValue(percent)

    def louder(self) -> None:
        self.set_volume(self.window.bar.volume.value() + VOLUME_STEP)

    def quieter(self) -> None:
        self.set_volume(self.window.bar.volume.value() - VOLUME_STEP)

    def _volume(self, percent: int) -> None:
        self.bridge.read(lambda engine: engine.set_volume(gain_of(percent)))
        self.volume_changed.emit(percent)

    # -- the end

    def _save(self) -> None:
        remembered, folder = self.remembered, self._folder
        self.bridge.background(
            lambda: settings.save(folder, remembered), failed=lambda error: self.tell(error_notice(error))
        )

    def close(self) -> None:
        """Remember the window, log out, end the engine. Safe to call twice."""
        if self.is_closing:
            return
        self.is_closing = True
        self.remembered = msgspec.structs.replace(
            self.remembered,
            geometry=self.window.kept_geometry,
            volume=self.window.bar.volume.value(),
            queue_shown=self.window.bar.queue.isChecked(),
        )
        for timer in (self._tick, self._notice_timer, self._queue_timer):
            timer.stop()
        self.operating.close()
        self.loader.forget()
        self._save()
        self.window.hide()
        self.bridge.close()
        self.window.close_for_good()
        self.ended.emit()


class Told(msgspec.Struct, frozen=True):
    """Everything that is shown, at one moment."""

    snapshot: Snapshot
    capabilities: frozenset[Capability]
    state: TogetherState
    heard: Heard | None
    is_following: bool


def _told(engine: Engine) -> Told:
    """On the engine's thread."""
    state, snapshot, found = engine.together.state, engine.snapshot(), engine.together.heard()
    heard = None
    if found is not None:
        own = next((one.buffer_s for one in state.members if one.name == snapshot.user), None)
        heard = Heard("" if state.hosting else state.following, *found, own, state.reach)
    return Told(snapshot, engine.capabilities, state, heard, engine.together.is_following)


def _has_current(engine: Engine) -> bool:
    return engine.snapshot().entry is not None


def _timer(interval_ms: int, action: Callable[[], None], *, once: bool = False) -> QTimer:
    timer = QTimer()
    timer.setInterval(interval_ms)
    timer.setSingleShot(once)
    timer.timeout.connect(action)
    return timer
