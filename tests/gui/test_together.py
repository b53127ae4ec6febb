"""Two windows: one plays, the other joins by the address that the first one shows."""

from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hocket.client.playing import State
from hocket.client.together.together import TogetherOptions
from hocket.core.address import HostPort
from hocket.gui import texts
from tests.gui.kit import person_at
from tests.kit.cluster import Cluster

HERE = TogetherOptions(HostPort("127.0.0.1", 0))


def test_a_friend_joins_hears_the_same_and_leaves(app: QApplication, cluster: Cluster, tmp_path: Path) -> None:
    with (
        person_at(app, cluster.address, tmp_path / "one", together=HERE) as host,
        person_at(app, cluster.address, tmp_path / "two", together=HERE, user="AnotherUser") as friend,
    ):
        host.log_in()
        friend.log_in()
        page, other = host.window.together, friend.window.together
        host.window.show_page(texts.TOGETHER)
        friend.window.show_page(texts.TOGETHER)
        assert page.state.text() == texts.HOSTS_WHEN_PLAYING
        host.window.show_page(texts.SONGS)
        host.double_click(host.row_of("Amber Room"))
        host.wait_state(State.PLAYING)
        host.window.show_page(texts.TOGETHER)
        host.wait(lambda: page.address.text(), "the address to share")
        host.click(page.copy)
        assert QGuiApplication.clipboard().text() == page.address.text()
        QTest.keyClicks(other.target, page.address.text())
        friend.click(other.join)
        friend.wait(lambda: other.leave.isVisible(), "that the friend follows")
        friend.wait(lambda: friend.window.bar.title.text() == "Amber Room", "what the host plays")
        host.wait(lambda: page._people.count() == 1, "the friend in the host's list")
        assert friend.window.bar.status.text() == texts.with_friend("Someone")
        friend.click(other.leave)
        friend.wait(lambda: other.join.isVisible(), "that the friend has left")
        host.wait(lambda: page._people.count() == 0, "an empty list")
        host.click(page.host)
        host.wait(lambda: not page.address.isVisible(), "that nobody is let in")
        assert host.state is State.PLAYING


def test_an_address_where_nobody_hosts_says_so(app: QApplication, cluster: Cluster, tmp_path: Path) -> None:
    with person_at(app, cluster.address, tmp_path / "home") as person:
        person.log_in()
        person.window.show_page(texts.TOGETHER)
        page = person.window.together
        person.click(page.join)
        assert page.target.property("wrong")
        QTest.keyClicks(page.target, "127.0.0.1:1")
        person.click(page.join)
        person.wait(lambda: not person.window.shell.notice.isHidden(), "the reason")
        assert person.window.shell.notice.title.text() in (
            texts.TITLES["NOT_REACHABLE"],
            texts.TITLES["CONNECTION_LOST"],
        )
