"""The desktop's media controls, over a message bus of the test's own."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jeepney import DBusAddress, MatchRule, Properties, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from PySide6.QtWidgets import QApplication

from hocket.client.playing import State
from hocket.gui.mpris import NAME, PATH, PLAYER, ROOT, introspection
from tests.gui.kit import Person, person_at
from tests.kit.cluster import Cluster
from tests.kit.needs import need_programs
from tests.kit.processes import Program

PLAYER_AT = DBusAddress(PATH, NAME, PLAYER)


@pytest.fixture
def bus() -> Iterator[str]:
    need_programs("dbus-daemon", why="a message bus of the test's own")
    with Program(["dbus-daemon", "--session", "--nofork", "--print-address=1"]) as daemon:
        address = daemon.wait_line(r"^(\S+)$").group(1)
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = address
        yield address
        del os.environ["DBUS_SESSION_BUS_ADDRESS"]


@pytest.fixture
def remote(app: QApplication, cluster: Cluster, bus: str, tmp_path: Path) -> Iterator["Remote"]:
    with person_at(app, cluster.address, tmp_path / "home") as person:
        person.log_in()
        person.wait(lambda: person.desktop.mpris._connection is not None, "the bus")
        with open_dbus_connection(bus) as connection:
            yield Remote(person, connection)


class Remote:
    """A desktop's panel; its calls run on a thread, as the window must answer meanwhile."""

    def __init__(self, person: Person, connection: DBusConnection) -> None:
        self.person = person
        self.connection = connection

    def ask(self, work: Callable[[], Any]) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(work()))
        thread.start()
        self.person.wait(lambda: not thread.is_alive(), "an answer over the bus")
        thread.join()
        return found[0]

    def call(self, member: str, signature: str = "", *body: object) -> Any:
        message = new_method_call(PLAYER_AT, member, signature or None, body)
        return self.ask(lambda: self.connection.send_and_get_reply(message, timeout=5.0))

    def get(self, name: str, at: DBusAddress = PLAYER_AT) -> Any:
        message = Properties(at).get(name)
        return self.ask(lambda: self.connection.send_and_get_reply(message, timeout=5.0)).body[0]

    def set(self, name: str, signature: str, value: object) -> None:
        message = Properties(PLAYER_AT).set(name, signature, value)
        self.ask(lambda: self.connection.send_and_get_reply(message, timeout=5.0))


def test_a_desktop_steers_what_plays(remote: Remote) -> None:
    person = remote.person
    assert remote.get("PlaybackStatus") == ("s", "Stopped")
    assert remote.get("Identity", DBusAddress(PATH, NAME, ROOT)) == ("s", "Hocket")
    person.double_click(person.row_of("Amber Room"))
    person.wait_state(State.PLAYING)
    kind, metadata = remote.get("Metadata")
    assert kind == "a{sv}"
    assert metadata["xesam:title"] == ("s", "Amber Room")
    assert metadata["mpris:length"] == ("x", 8_000_000)
    assert metadata["mpris:trackid"][0] == "o"
    remote.call("PlayPause")
    person.wait_state(State.PAUSED)
    remote.call("SetPosition", "ox", metadata["mpris:trackid"][1], 5_000_000)
    person.wait(lambda: abs(person.control.view.playing.position_s - 5) < 0.1, "the fifth second")
    assert remote.get("Position") == ("x", round(person.control.view.playing.position_s * 1e6))
    remote.set("Volume", "d", 0.4)
    person.wait(lambda: person.window.bar.volume.value() == 40, "the volume")
    remote.set("LoopStatus", "s", "Playlist")
    person.wait(lambda: person.control.view.playing.repeat.value == "all", "repeat")
    remote.call("Next")
    person.wait(lambda: person.control.view.playing.title != "Amber Room", "the next song")


def test_changes_are_told_and_nonsense_is_refused(remote: Remote) -> None:
    person, connection = remote.person, remote.connection
    rule = MatchRule(type="signal", path=PATH, member="PropertiesChanged")
    remote.ask(lambda: connection.send_and_get_reply(message_bus.AddMatch(rule), timeout=5.0))
    with connection.filter(rule) as told:
        person.double_click(person.row_of("Amber Room"))
        person.wait_state(State.PLAYING)
        seen: dict[str, Any] = {}
        while seen.get("PlaybackStatus") != ("s", "Playing"):
            seen.update(remote.ask(lambda: connection.recv_until_filtered(told, timeout=5.0)).body[1])
    assert seen["Metadata"][1]["xesam:title"] == ("s", "Amber Room")
    assert "Position" not in seen
    assert "UnknownMethod" in str(remote.call("Explode").header.fields.values())
    assert "UnknownProperty" in str(
        remote.ask(lambda: connection.send_and_get_reply(Properties(PLAYER_AT).get("Nope"), timeout=5.0)).header.fields
    )
    assert '<method name="SetPosition">' in introspection()
