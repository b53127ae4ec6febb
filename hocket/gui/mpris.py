"""The desktop's own media controls, through MPRIS on the session's D-Bus.

Source: "Media Player Remote Interfacing Specification", version 2.2, specifications.freedesktop.org.
jeepney speaks D-Bus in Python alone; Qt's own binding cannot send a number as the 64-bit type that MPRIS wants.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jeepney import DBusAddress, HeaderFields, Message, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from PySide6.QtCore import QObject, QSocketNotifier, Signal

from hocket.client.queue import Repeat
from hocket.gui import texts
from hocket.gui.view import Playing

if TYPE_CHECKING:
    from hocket.gui.controller import Controller

log = logging.getLogger(__name__)

NAME = "org.mpris.MediaPlayer2.hocket"
PATH = "/org/mpris/MediaPlayer2"
ROOT = "org.mpris.MediaPlayer2"
PLAYER = "org.mpris.MediaPlayer2.Player"
PROPERTIES = "org.freedesktop.DBus.Properties"
US_PER_S = 1_000_000
_NO_TRACK = "/org/mpris/MediaPlayer2/TrackList/NoTrack"
_UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
_IS_PRIMARY_OWNER = 1

Variant = tuple[str, Any]

_LOOPS = {Repeat.OFF: "None", Repeat.ALL: "Playlist", Repeat.ONE: "Track"}
_ARGUMENTS = {"Seek": (("Offset", "x"),), "SetPosition": (("TrackId", "o"), ("Position", "x"))}
_METHODS = {
    ROOT: ("Raise", "Quit"),
    PLAYER: ("Next", "Previous", "Pause", "PlayPause", "Stop", "Play", "Seek", "SetPosition"),
}
_WRITABLE = ("LoopStatus", "Shuffle", "Volume", "Rate")


def root_properties() -> dict[str, Variant]:
    """What the window is."""
    return {
        "CanQuit": ("b", True),
        "CanRaise": ("b", True),
        "HasTrackList": ("b", False),
        "Identity": ("s", texts.APP),
        "DesktopEntry": ("s", "hocket"),
        "SupportedUriSchemes": ("as", []),
        "SupportedMimeTypes": ("as", []),
    }


def track_path(now: Playing) -> str:
    """The queue's entry as an object path: the same track twice in the queue is two."""
    return f"/org/hocket/entry/{now.entry_id}" if now.track is not None else _NO_TRACK


def metadata(now: Playing) -> dict[str, Variant]:
    """What plays, in the names of xesam."""
    found: dict[str, Variant] = {"mpris:trackid": ("o", track_path(now))}
    if now.track is not None:
        found["mpris:length"] = ("x", round(now.length_s * US_PER_S))
        found["xesam:title"] = ("s", now.title)
        if now.track.artist:
            found["xesam:artist"] = ("as", [now.track.artist])
        if now.album:
            found["xesam:album"] = ("s", now.album)
    return found


def player_properties(now: Playing, volume: int) -> dict[str, Variant]:
    """How it plays; `volume` is the slider's, 0 to 100."""
    status = "Playing" if now.is_playing else "Paused" if now.can_stop else "Stopped"
    return {
        "PlaybackStatus": ("s", status),
        "LoopStatus": ("s", _LOOPS[now.repeat]),
        "Rate": ("d", 1.0),
        "MinimumRate": ("d", 1.0),
        "MaximumRate": ("d", 1.0),
        "Shuffle": ("b", now.shuffle),
        "Metadata": ("a{sv}", metadata(now)),
        "Volume": ("d", volume / 100),
        "Position": ("x", round(now.position_s * US_PER_S)),
        "CanGoNext": ("b", now.can_stop),
        "CanGoPrevious": ("b", now.can_stop),
        "CanPlay": ("b", now.can_play),
        "CanPause": ("b", now.can_stop),
        "CanSeek": ("b", now.can_seek),
        "CanControl": ("b", True),
    }


def introspection() -> str:
    """The XML that lists all of it."""
    lines = ["<node>"]
    for interface, known in ((ROOT, root_properties()), (PLAYER, player_properties(Playing(), 100))):
        lines.append(f'<interface name="{interface}">')
        for method in _METHODS[interface]:
            wanted = _ARGUMENTS.get(method, ())
            arguments = "".join(f'<arg direction="in" name="{name}" type="{kind}"/>' for name, kind in wanted)
            lines.append(f'<method name="{method}">{arguments}</method>')
        if interface == PLAYER:
            lines.append('<signal name="Seeked"><arg name="Position" type="x"/></signal>')
        for name, (kind, _) in known.items():
            access = "readwrite" if name in _WRITABLE else "read"
            lines.append(f'<property name="{name}" type="{kind}" access="{access}"/>')
        lines.append("</interface>")
    return "".join([*lines, "</node>"])


class Mpris(QObject):
    """Answers the desktop. Where there is no session bus nothing happens. `raised`: show the window."""

    raised = Signal()

    def __init__(self, control: "Controller") -> None:
        super().__init__()
        self._control = control
        self._now = Playing()
        self._volume = control.window.bar.volume.value()
        self._told: dict[str, Variant] = {}
        self._connection: DBusConnection | None = None
        self._notifier: QSocketNotifier | None = None
        self._actions: dict[str, Callable[[], object]] = {
            "Raise": self.raised.emit,
            "Quit": control.close,
            "Next": control.skip,
            "Previous": control.go_back,
            "Pause": control.pause,
            "PlayPause": control.toggle,
            "Stop": control.stop,
            "Play": control.resume,
        }
        control.playing_changed.connect(self._show)
        control.volume_changed.connect(self._show_volume)
        control.position_jumped.connect(self._jumped)
        if os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
            control.bridge.background(_connect, self._connected)

    def close(self) -> None:
        """Leave the bus. Safe to call twice."""
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            self._notifier = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- telling

    def _connected(self, connection: DBusConnection | None) -> None:
        if connection is None:
            return
        if self._control.is_closing:
            connection.close()
            return
        self._connection = connection
        self._notifier = QSocketNotifier(connection.sock.fileno(), QSocketNotifier.Type.Read)
        self._notifier.activated.connect(self._read)
        self._told = player_properties(self._now, self._volume)

    def _show(self, now: Playing) -> None:
        self._now = now
        self._tell()

    def _show_volume(self, volume: int) -> None:
        self._volume = volume
        self._tell()

    def _tell(self) -> None:
        """What changed, but the position: that goes by itself."""
        if self._connection is None:
            return
        found = player_properties(self._now, self._volume)
        changed = {name: value for name, value in found.items() if name != "Position" and value != self._told.get(name)}
        self._told = found
        if changed:
            self._send(new_signal(_emitter(PROPERTIES), "PropertiesChanged", "sa{sv}as", (PLAYER, changed, [])))

    def _jumped(self, position_s: float) -> None:
        self._send(new_signal(_emitter(PLAYER), "Seeked", "x", (round(position_s * US_PER_S),)))

    def _send(self, message: Message) -> None:
        if self._connection is not None:
            try:
                self._connection.send(message)
            except OSError as error:
                log.info("the session bus is gone: %s", error)
                self.close()

    # -- answering

    def _read(self) -> None:
        """Everything that has come."""
        while self._connection is not None:
            try:
                message = self._connection.receive(timeout=0)
            except TimeoutError:
                return
            except (OSError, EOFError) as error:
                log.info("the session bus is gone: %s", error)
                self.close()
                return
            if message.header.message_type is MessageType.method_call:
                self._send(self._answer(message))

    def _answer(self, call: Message) -> Message:
        fields, body = call.header.fields, call.body
        interface, member = fields.get(HeaderFields.interface, ""), fields[HeaderFields.member]
        if member == "Introspect":
            return new_method_return(call, "s", (introspection(),))
        if member == "Ping":
            return new_method_return(call)
        if interface == PROPERTIES and member in ("Get", "GetAll", "Set"):
            return self._property(call, member, body)
        if self._do(member, body):
            return new_method_return(call)
        return new_error(call, _UNKNOWN_METHOD, "s", (f"there is no {member}",))

    def _property(self, call: Message, member: str, body: tuple[Any, ...]) -> Message:
        known = root_properties() if body[0] == ROOT else player_properties(self._now, self._volume)
        if member == "GetAll":
            return new_method_return(call, "a{sv}", (known,))
        if body[1] not in known:
            return new_error(call, "org.freedesktop.DBus.Error.UnknownProperty", "s", (f"there is no {body[1]}",))
        if member == "Set":
            self._set(body[1], body[2][1])
            return new_method_return(call)
        return new_method_return(call, "v", (known[body[1]],))

    def _set(self, name: str, value: Any) -> None:
        if name == "Volume":
            self._control.set_volume(round(min(1.0, max(0.0, float(value))) * 100))
        elif name == "Shuffle":
            self._control.set_shuffle(bool(value))
        elif name == "LoopStatus":
            for repeat, word in _LOOPS.items():
                if word == value:
                    self._control.set_repeat(repeat)

    def _do(self, member: str, body: tuple[Any, ...]) -> bool:
        if (action := self._actions.get(member)) is not None:
            action()
        elif member == "Seek":
            self._control.seek_by(body[0] / US_PER_S)
        elif member == "SetPosition":
            if body[0] == track_path(self._now) and 0 <= body[1] <= self._now.length_s * US_PER_S:
                self._control.seek(body[1] / US_PER_S)
        else:
            return False
        return True


def _emitter(interface: str) -> DBusAddress:
    return DBusAddress(PATH, interface=interface)


def _connect() -> DBusConnection | None:
    """On the session bus, under our name or one with our process's number; None where there is no bus."""
    try:
        connection = open_dbus_connection(bus="SESSION")
    except (OSError, KeyError, ValueError) as error:
        log.info("no media controls of the desktop: %s", error)
        return None
    try:
        for name in (NAME, f"{NAME}.instance{os.getpid()}"):
            reply = connection.send_and_get_reply(message_bus.RequestName(name, 4), timeout=2.0)
            if reply.body[0] == _IS_PRIMARY_OWNER:
                return connection
    except (OSError, TimeoutError) as error:
        log.info("no media controls of the desktop: %s", error)
    with contextlib.suppress(OSError):
        connection.close()
    return None
