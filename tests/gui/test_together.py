"""Two windows: one plays, the other joins by the address that the first one shows."""

from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from hocket.client import events
from hocket.client.playing import State
from hocket.client.together.together import TogetherOptions
from hocket.core.address import HostPort
from hocket.gui import texts
from hocket.relay.nearby import Neighbour
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
        host.wait(lambda: [name for name, _ in page.people.lines] == ["AnotherUser"], "the friend in the host's list")
        host.wait(lambda: "ping" in page.people.lines[0][1].detail.text(), "how the friend's line is")
        friend.wait(lambda: texts.reach("direct", "") in other.people.lines[0][1].detail.text(), "by which way")
        assert friend.window.bar.status.text() == texts.with_friend("Someone")
        friend.click(other.leave)
        friend.wait(lambda: other.join.isVisible(), "that the friend has left")
        host.wait(lambda: not page.people.lines, "an empty list")
        host.click(page.host)
        host.wait(lambda: not page.address.isVisible(), "that nobody is let in")
        assert host.state is State.PLAYING


def test_invites_are_made_used_withdrawn_and_a_guest_is_sent_away(
    app: QApplication, cluster: Cluster, tmp_path: Path
) -> None:
    closed = TogetherOptions(HostPort("127.0.0.1", 0), invite_only=True)
    with (
        person_at(app, cluster.address, tmp_path / "one", together=closed) as host,
        person_at(app, cluster.address, tmp_path / "two", together=HERE, user="AnotherUser") as friend,
    ):
        host.log_in()
        friend.log_in()
        page, other = host.window.together, friend.window.together
        assert not page.invites.isVisibleTo(page)
        host.double_click(host.row_of("Amber Room"))
        host.wait_state(State.PLAYING)
        host.window.show_page(texts.TOGETHER)
        host.wait(lambda: page.invites.isVisible(), "that invites can be made")
        page.invites.uses.setValue(2)
        host.click(page.invites.make)
        host.wait(lambda: page.invites.lines, "the invite")
        invite = QGuiApplication.clipboard().text()
        assert invite.startswith("hocket://")
        QGuiApplication.clipboard().clear()
        host.click(page.invites.lines[0].copy)
        assert QGuiApplication.clipboard().text() == invite
        friend.window.show_page(texts.TOGETHER)
        QTest.keyClicks(other.target, invite)
        friend.click(other.join)
        friend.wait(lambda: other.leave.isVisible(), "that the friend follows")
        host.wait(lambda: page.people.lines, "the friend in the host's list")
        host.wait(lambda: "AnotherUser" in page.invites.lines[0].accessibleName(), "who came by the invite")
        page.people.lines[0][1].go.trigger()
        friend.wait(lambda: other.join.isVisible(), "that the friend was sent away")
        host.wait(lambda: not page.people.lines, "an empty list")
        host.click(page.invites.lines[0].revoke)
        host.wait(lambda: not page.invites.lines[0].revoke.isVisible(), "that the invite is withdrawn")
        friend.click(other.join)
        title = friend.window.shell.notice.title
        # For some seconds whoever was sent away is told so again; after that, that the invite is withdrawn.
        refusals = [texts.TITLES[code] for code in ("NOT_ALLOWED", "INVITE_REFUSED")]
        friend.wait(lambda: title.text() in refusals, "that the friend is not let in")


def test_friends_nearby_are_listed_with_a_button_that_joins(
    app: QApplication, cluster: Cluster, tmp_path: Path
) -> None:
    with (
        person_at(app, cluster.address, tmp_path / "one", together=HERE) as host,
        person_at(app, cluster.address, tmp_path / "two", together=HERE, user="AnotherUser") as friend,
    ):
        host.log_in()
        friend.log_in()
        host.double_click(host.row_of("Amber Room"))
        host.wait_state(State.PLAYING)
        address = host.window.together.address
        host.wait(address.text, "the address to share")
        friend.window.show_page(texts.TOGETHER)
        page = friend.window.together
        friend.wait(lambda: page.nobody_near.text() != texts.NEARBY_NOBODY, "why nobody can be found")
        neighbour = Neighbour("Someone", "living-room", address.text())
        friend.control.company.take(events.Nearby((neighbour, Neighbour("Ben", "attic", "10.0.0.9:1", True))))
        assert not page.nobody_near.isVisible()
        assert len(page.neighbours) == 2
        assert "living-room" in page.neighbours[0].join.accessibleName()
        friend.click(page.neighbours[0].join)
        friend.wait(lambda: page.leave.isVisible(), "that the friend follows")
        friend.control.company.take(events.Nearby(()))
        assert page.nobody_near.text() == texts.NEARBY_NOBODY


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
