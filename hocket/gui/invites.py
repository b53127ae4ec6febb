"""The host's invites: made, copied, listed, withdrawn."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from hocket.gui import texts
from hocket.gui.togetherview import LIVES, Invite
from hocket.gui.widgets import UNIT, Elided, Icon, IconButton, Look, card, label, margins, text_button

MOST_USES = 200


class InviteLine(QWidget):
    """One invite: what it allows, how much of it is left, and two buttons."""

    def __init__(self, look: Look, invite: Invite) -> None:
        super().__init__()
        self._text = invite.text
        row = QHBoxLayout(self)
        margins(row, 0, 4, 0, 4, gap=12)
        row.addWidget(Icon(look, "key", colour="muted"))
        words = QVBoxLayout()
        margins(words, gap=0)
        allows = Elided()
        allows.setText(invite.allows)
        detail = Elided("small")
        detail.setText(invite.detail)
        words.addWidget(allows)
        words.addWidget(detail)
        row.addLayout(words, 1)
        self.copy = IconButton(look, "copy", texts.COPY_INVITE)
        self.copy.clicked.connect(self._copy)
        row.addWidget(self.copy)
        self.copy.setVisible(bool(invite.text))
        self.revoke = text_button(texts.REVOKE)
        self.revoke.setAccessibleName(f"{texts.REVOKE}: {invite.allows}, {invite.detail}")
        row.addWidget(self.revoke)
        self.revoke.setVisible(invite.is_good)
        self.setAccessibleName(f"{invite.allows}, {invite.detail}")

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text)
        self.copy.show_as("check", texts.COPIED)


class Invites(QWidget):
    """`wanted`: (seconds, uses, may control); `revoked`: (id)."""

    wanted = Signal(int, int, bool)
    revoked = Signal(str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._invites: tuple[Invite, ...] = ()
        outer = QVBoxLayout(self)
        margins(outer, gap=0)
        frame, column = card()
        outer.addWidget(frame)
        column.addWidget(label(texts.INVITES, "heading"))
        column.addWidget(label(texts.INVITES_HINT, "muted", wrap=True))
        column.addSpacing(4)
        column.addLayout(self._form())
        self._column = QVBoxLayout()
        margins(self._column, gap=0)
        column.addLayout(self._column)
        self.lines: list[InviteLine] = []

    def _form(self) -> QHBoxLayout:
        row = QHBoxLayout()
        margins(row, gap=UNIT)
        self.life = QComboBox()
        self.life.setAccessibleName(texts.INVITE_LIFE)
        self.life.setToolTip(texts.INVITE_LIFE)
        for life_s in LIVES:
            self.life.addItem(texts.duration(life_s), life_s)
        self.life.setCurrentIndex(2)
        self.uses = QSpinBox()
        for part in (self.uses, self.uses.lineEdit()):
            part.setAccessibleName(texts.INVITE_USES)
        self.uses.setToolTip(texts.INVITE_USES)
        self.uses.lineEdit().setTextMargins(UNIT, 0, 0, 0)
        self.uses.setRange(1, MOST_USES)
        self.uses.valueChanged.connect(self._say_friends)
        self._say_friends(1)
        self.control = QCheckBox(texts.INVITE_CONTROL)
        self.control.setAccessibleName(texts.INVITE_CONTROL)
        self.make = text_button(texts.MAKE_INVITE, "primary", self._make)
        row.addWidget(self.life)
        row.addWidget(self.uses)
        row.addWidget(self.control, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addStretch(1)
        row.addWidget(self.make)
        return row

    def _say_friends(self, count: int) -> None:
        self.uses.setSuffix(texts.friends(count).removeprefix(str(count)))

    def _make(self) -> None:
        self.wanted.emit(self.life.currentData(), self.uses.value(), self.control.isChecked())

    def show_invites(self, invites: tuple[Invite, ...]) -> None:
        """All that have not expired."""
        if invites == self._invites:
            return
        self._invites = invites
        for line in self.lines:
            self._column.removeWidget(line)
            line.deleteLater()
        self.lines = []
        for invite in invites:
            line = InviteLine(self._look, invite)
            line.revoke.clicked.connect(lambda _=False, invite_id=invite.id: self.revoked.emit(invite_id))
            self.lines.append(line)
            self._column.addWidget(line)
