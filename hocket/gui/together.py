"""The page for listening together: hosting, joining, who is here and how closely in step."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from hocket.gui import texts
from hocket.gui.togetherview import Commands, Peer, Together
from hocket.gui.widgets import (
    UNIT,
    Elided,
    Empty,
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

_TONES = {"good": "good", "fair": "warn", "poor": "bad", "": ""}


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
        column.addWidget(self._people_card(), 1)
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

    def _people_card(self) -> QFrame:
        frame, column = card(gap=UNIT)
        column.addWidget(label(texts.WHO_IS_HERE, "heading"))
        self._people = QVBoxLayout()
        margins(self._people, gap=4)
        column.addLayout(self._people)
        self._nobody = Empty(self._look, "together", texts.NOBODY_YET, texts.NOBODY_YET_HINT)
        column.addWidget(self._nobody, 1)
        column.addStretch(0)
        return frame

    # -- showing

    def show_state(self, state: Together) -> None:
        """Who hosts, who is here."""
        changed = state.peers != self._state.peers or self._people.count() == 0
        self._state = state
        self.state.setText(state.state)
        self.host.setChecked(state.may_host)
        self.host.setEnabled(not state.is_following)
        self._share.setVisible(state.is_hosting)
        if self.address.text() != state.address:
            self.address.setText(state.address)
            self.copy.show_as("copy", texts.COPY)
        self.leave.setVisible(state.is_following)
        self.join.setVisible(not state.is_following)
        self.target.setEnabled(not state.is_following)
        self._nobody.setVisible(not state.peers)
        if changed:
            while (item := self._people.takeAt(0)) is not None:
                if (widget := item.widget()) is not None:
                    widget.deleteLater()
            for peer in state.peers:
                self._people.addWidget(self._person(peer))

    def _person(self, peer: Peer) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        margins(row, 0, 4, 0, 4, gap=12)
        row.addWidget(Icon(self._look, "crown" if peer.name == self._state.host else "person", colour="muted"))
        name = Elided()
        name.setText(peer.name)
        row.addWidget(name, 1)
        if peer.offset_ms is not None:
            row.addWidget(label(texts.offset_ms(peer.offset_ms), "muted"))
        quality = label(texts.LINES[peer.line], "pill")
        restyle(quality, "tone", _TONES[peer.line])
        row.addWidget(quality, 0, Qt.AlignmentFlag.AlignVCenter)
        line.setAccessibleName(f"{peer.name}, {texts.LINES[peer.line]}")
        return line

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
        if address and self.commands is not None:
            self.commands.join(address)
