"""Who is here: everybody of the group, how they are connected, and for the host what to do about them."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from hocket.gui import texts
from hocket.gui.togetherview import Peer
from hocket.gui.widgets import Elided, Empty, Icon, IconButton, Look, card, label, margins, restyle

_TONES = {"good": "good", "fair": "warn", "poor": "bad", "": ""}


class PersonLine(QWidget):
    """One of them; changes in place, so that whoever is on its button with the keyboard stays there."""

    def __init__(self, look: Look, name: str, send_away: Callable[[bool], object]) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        margins(row, 0, 4, 0, 4, gap=12)
        self._icon = Icon(look, "person", colour="muted")
        row.addWidget(self._icon)
        words = QVBoxLayout()
        margins(words, gap=0)
        self._name = Elided()
        self._name.setText(name)
        self.detail = Elided("small")
        words.addWidget(self._name)
        words.addWidget(self.detail)
        row.addLayout(words, 1)
        self.step = label(role="pill")
        row.addWidget(self.step, 0, Qt.AlignmentFlag.AlignVCenter)
        self.more = IconButton(look, "menu", f"{texts.MORE} {name}", size_px=16)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        self.go = menu.addAction(texts.SEND_AWAY)
        self.go.triggered.connect(lambda: send_away(False))
        self.ban = menu.addAction(texts.BAN)
        self.ban.triggered.connect(lambda: send_away(True))
        self.more.setMenu(menu)
        row.addWidget(self.more, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_peer(self, peer: Peer) -> None:
        """How it is now."""
        self._icon.show_as("crown" if peer.leads else "person", "muted")
        self.detail.setText(peer.detail)
        self.detail.setVisible(bool(peer.detail))
        says_step = peer.leads or bool(peer.step)
        self.step.setText(texts.STEPS[peer.step])
        self.step.setVisible(says_step)
        restyle(self.step, "tone", _TONES[peer.step])
        self.more.setVisible(peer.can_be_sent_away)
        said = (peer.name, texts.STEPS[peer.step] if says_step else "", peer.detail)
        self.setAccessibleName(", ".join(part for part in said if part))


class People(QWidget):
    """The list, or what stands in its place. `sent_away`: (name, for a day)."""

    sent_away = Signal(str, bool)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        outer = QVBoxLayout(self)
        margins(outer, gap=0)
        frame, column = card()
        outer.addWidget(frame)
        column.addWidget(label(texts.WHO_IS_HERE, "heading"))
        self._column = QVBoxLayout()
        margins(self._column, gap=4)
        column.addLayout(self._column)
        self._nobody = Empty(look, "together", texts.NOBODY_YET, texts.NOBODY_YET_HINT)
        column.addWidget(self._nobody, 1)
        column.addStretch(0)
        self.lines: list[tuple[str, PersonLine]] = []

    def show_peers(self, peers: tuple[Peer, ...]) -> None:
        """Who is here now."""
        self._nobody.setVisible(not peers)
        if [name for name, _ in self.lines] != [peer.name for peer in peers]:
            self._rebuild([peer.name for peer in peers])
        for (_, line), peer in zip(self.lines, peers, strict=True):
            line.show_peer(peer)

    def _rebuild(self, names: list[str]) -> None:
        for _, line in self.lines:
            self._column.removeWidget(line)
            line.deleteLater()
        self.lines = []
        for name in names:
            line = PersonLine(self._look, name, partial(self.sent_away.emit, name))
            self.lines.append((name, line))
            self._column.addWidget(line)
