"""The page for listening together: hosting, joining, friends nearby, who is here, invites."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from hocket.gui import texts
from hocket.gui.invites import Invites
from hocket.gui.people import People
from hocket.gui.togetherview import Commands, Together
from hocket.gui.widgets import (
    UNIT,
    Elided,
    Icon,
    IconButton,
    Look,
    card,
    label,
    margins,
    restyle,
    scrolling,
    text_button,
)
from hocket.relay.nearby import Neighbour


class NeighbourLine(QWidget):
    """Somebody in this network, with a button that joins them."""

    def __init__(self, look: Look, friend: Neighbour) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        margins(row, 0, 4, 0, 4, gap=12)
        row.addWidget(Icon(look, "person", colour="muted"))
        words = QVBoxLayout()
        margins(words, gap=0)
        name, machine = Elided(), Elided("small")
        name.setText(friend.user)
        parts = (friend.name, texts.NEARBY_INVITE if friend.invite_only else "")
        machine.setText(texts.SEPARATOR.join(part for part in parts if part))
        words.addWidget(name)
        words.addWidget(machine)
        row.addLayout(words, 1)
        self.join = text_button(texts.JOIN)
        self.join.setAccessibleName(f"{texts.JOIN} {friend.user}, {friend.name}")
        row.addWidget(self.join)
        self.setToolTip(friend.address)


class TogetherPage(QWidget):
    """Shows a Together; asks `commands` for what the person wants. Left out of the window while there are none."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._state = Together()
        self.commands: Commands | None = None
        outer = QVBoxLayout(self)
        margins(outer, gap=0)
        inside = QWidget()
        outer.addWidget(scrolling(inside))
        column = QVBoxLayout(inside)
        margins(column, 3 * UNIT, 3 * UNIT, 3 * UNIT, 3 * UNIT, gap=2 * UNIT)
        column.addWidget(label(texts.TOGETHER, "title"))
        self.state = label(role="muted", wrap=True)
        column.addWidget(self.state)
        row = QHBoxLayout()
        margins(row, gap=2 * UNIT)
        row.addWidget(self._host_card(), 1)
        row.addWidget(self._join_card(), 1)
        column.addLayout(row)
        second = QHBoxLayout()
        margins(second, gap=2 * UNIT)
        self.people = People(look)
        self.people.sent_away.connect(self._send_away)
        second.addWidget(self.people, 2)
        second.addWidget(self._nearby_card(), 1)
        column.addLayout(second, 1)
        self.invites = Invites(look)
        self.invites.wanted.connect(self._invite)
        self.invites.revoked.connect(self._revoke)
        column.addWidget(self.invites)
        self.show_state(self._state)

    def _host_card(self) -> QFrame:
        frame, column = card()
        self.host = QCheckBox(texts.HOST_ON)
        self.host.setAccessibleName(texts.HOST_ON)
        self.host.clicked.connect(self._host)
        column.addWidget(self.host, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(label(texts.HOST_HINT, "muted", wrap=True))
        column.addStretch(1)
        self._share = QWidget()
        share = QHBoxLayout(self._share)
        margins(share, gap=UNIT)
        self.address = QLineEdit()
        self.address.setReadOnly(True)
        self.address.setAccessibleName(texts.SHARE_ADDRESS)
        self.copy = IconButton(self._look, "copy", texts.COPY)
        self.copy.clicked.connect(self._copy)
        share.addWidget(self.address, 1)
        share.addWidget(self.copy)
        column.addWidget(self._share)
        self.mapping = label(role="small", wrap=True)
        column.addWidget(self.mapping)
        return frame

    def _join_card(self) -> QFrame:
        frame, column = card()
        column.addWidget(label(texts.JOIN_TITLE, "heading"))
        column.addWidget(label(texts.JOIN_HINT, "muted", wrap=True))
        column.addStretch(1)
        row = QHBoxLayout()
        margins(row, gap=UNIT)
        self.target = QLineEdit()
        self.target.setPlaceholderText(texts.JOIN_PLACEHOLDER)
        self.target.setAccessibleName(texts.JOIN_TITLE)
        self.target.returnPressed.connect(self._join)
        self.join = text_button(texts.JOIN, "primary", self._join)
        self.leave = text_button(texts.LEAVE, "", self._leave)
        row.addWidget(self.target, 1)
        row.addWidget(self.join)
        row.addWidget(self.leave)
        column.addLayout(row)
        return frame

    def _nearby_card(self) -> QFrame:
        frame, column = card()
        column.addWidget(label(texts.NEARBY, "heading"))
        self.nobody_near = label(texts.NEARBY_NOBODY, "muted", wrap=True)
        column.addWidget(self.nobody_near)
        self._near = QVBoxLayout()
        margins(self._near, gap=4)
        column.addLayout(self._near)
        column.addStretch(1)
        self.neighbours: list[NeighbourLine] = []
        return frame

    # -- showing

    def show_state(self, state: Together) -> None:
        """Who hosts, who is here."""
        self._state = state
        self.state.setText(state.state)
        self.host.setChecked(state.may_host)
        self.host.setEnabled(not state.is_following)
        self._share.setVisible(state.is_hosting)
        self.mapping.setVisible(state.is_hosting and bool(self.mapping.text()))
        if self.address.text() != state.address:
            self.address.setText(state.address)
            self.copy.show_as("copy", texts.COPY)
        self.leave.setVisible(state.is_following)
        self.join.setVisible(not state.is_following)
        self.target.setEnabled(not state.is_following)
        self.invites.setVisible(state.is_hosting)
        self.people.show_peers(state.peers)

    def show_nearby(self, friends: Sequence[Neighbour], problem: str) -> None:
        """Who lets friends listen along in this network; why nobody can be found, if so."""
        self.nobody_near.setText(problem or texts.NEARBY_NOBODY)
        self.nobody_near.setVisible(not friends)
        for line in self.neighbours:
            self._near.removeWidget(line)
            line.deleteLater()
        self.neighbours = []
        for friend in friends:
            line = NeighbourLine(self._look, friend)
            line.join.clicked.connect(lambda _=False, address=friend.address: self._join_at(address))
            self.neighbours.append(line)
            self._near.addWidget(line)

    # -- what the person does

    def _host(self, on: bool) -> None:
        if self.commands is not None:
            self.commands.host(on)

    def _leave(self) -> None:
        if self.commands is not None:
            self.commands.leave()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.address.text())
        self.copy.show_as("check", texts.COPIED)

    def _join(self) -> None:
        address = self.target.text().strip()
        restyle(self.target, "wrong", not address)
        if address:
            self._join_at(address)

    def _join_at(self, address: str) -> None:
        if self.commands is not None:
            self.commands.join(address)

    def _invite(self, life_s: int, uses: int, may_control: bool) -> None:
        if self.commands is not None:
            self.commands.invite(life_s, uses, may_control)

    def _revoke(self, invite_id: str) -> None:
        if self.commands is not None:
            self.commands.revoke(invite_id)

    def _send_away(self, name: str, ban: bool) -> None:
        if self.commands is not None:
            self.commands.send_away(name, ban)
