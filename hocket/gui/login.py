"""The log-in page."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from hocket.core.address import ClusterAddress
from hocket.gui import icons, texts
from hocket.gui.loginview import Field, LoginForm, check_form, grouped
from hocket.gui.widgets import UNIT, Icon, Look, NoticeBar, label, margins, restyle, text_button

WIDTH_PX = 424


class LoginPage(QWidget):
    """Server, user, password; the fingerprint of a new cluster; what went wrong.

    `wanted` is emitted with (address, user, password) when the button is pressed and the form is in
    order, and again with the fingerprint in the address when the person has compared it.
    """

    wanted = Signal(object, str, str)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self.form = LoginForm()
        self._address: ClusterAddress | None = None
        self.server = self._field(texts.SERVER, texts.SERVER_PLACEHOLDER)
        self.user = self._field(texts.USER)
        self.password = self._field(texts.PASSWORD)
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self._eye = self.password.addAction(
            icons.icon("eye", look.palette.muted), QLineEdit.ActionPosition.TrailingPosition
        )
        self._eye.setToolTip(texts.SHOW_PASSWORD)
        self._eye.setCheckable(True)
        self._eye.toggled.connect(self._show_password)
        look.follow(lambda palette: self._eye.setIcon(icons.icon("eye", palette.muted)))
        self.keep = QCheckBox(texts.KEEP_PASSWORD)
        self.keep.setAccessibleName(texts.KEEP_PASSWORD)
        self.button = text_button(texts.LOG_IN, "primary", self._press)
        self.notice = NoticeBar(look)
        self._build()
        self.show_form(self.form)

    def _field(self, name: str, placeholder: str = "") -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(name)
        field.setPlaceholderText(placeholder)
        field.returnPressed.connect(self._press)
        field.textEdited.connect(lambda: restyle(field, "wrong", False))
        return field

    def _build(self) -> None:
        outer = QHBoxLayout(self)
        margins(outer, 2 * UNIT, 2 * UNIT, 2 * UNIT, 2 * UNIT)
        box = QFrame()
        box.setObjectName("login")
        box.setFixedWidth(WIDTH_PX)
        outer.addStretch(1)
        outer.addWidget(box, 0, Qt.AlignmentFlag.AlignVCenter)
        outer.addStretch(1)
        column = QVBoxLayout(box)
        margins(column, 4 * UNIT, 4 * UNIT, 4 * UNIT, 4 * UNIT, gap=UNIT)
        brand = QHBoxLayout()
        margins(brand, gap=UNIT)
        brand.addWidget(Icon(self._look, "hocket", 28, "accent"))
        name = label(texts.APP)
        name.setObjectName("brand")
        brand.addWidget(name, 1)
        column.addLayout(brand)
        column.addWidget(label(texts.LOGIN_HINT, "muted", wrap=True))
        column.addSpacing(UNIT)
        column.addWidget(self.notice)
        column.addWidget(self._fields())
        column.addWidget(self._first_contact())
        column.addSpacing(UNIT)
        column.addWidget(self.button)

    def _fields(self) -> QWidget:
        self._form = QWidget()
        column = QVBoxLayout(self._form)
        margins(column, gap=4)
        for name, field in ((texts.SERVER, self.server), (texts.USER, self.user), (texts.PASSWORD, self.password)):
            above = label(name, "label")
            above.setBuddy(field)
            column.addWidget(above)
            column.addWidget(field)
            column.addSpacing(UNIT)
        column.addWidget(self.keep, 0, Qt.AlignmentFlag.AlignLeft)
        return self._form

    def _first_contact(self) -> QWidget:
        self._contact = QWidget()
        column = QVBoxLayout(self._contact)
        margins(column, gap=UNIT)
        column.addWidget(label(texts.FIRST_CONTACT, "heading", wrap=True))
        column.addWidget(label(texts.FIRST_CONTACT_HINT, "muted", wrap=True))
        self.fingerprint = label(role="mono", selectable=True)
        self.fingerprint.setObjectName("fingerprint")
        column.addWidget(self.fingerprint)
        column.addSpacing(UNIT)
        self.trust = text_button(texts.TRUST, "primary", self._trust)
        self.cancel = text_button(texts.DO_NOT_TRUST, "", lambda: self.show_form(LoginForm(*self._typed())))
        column.addWidget(self.trust)
        column.addWidget(self.cancel)
        return self._contact

    # -- showing

    def show_form(self, form: LoginForm) -> None:
        """Show what the form is like now; the password stays as it was typed."""
        self.form = form
        asks = bool(form.fingerprint)
        self._form.setVisible(not asks)
        self.button.setVisible(not asks)
        self._contact.setVisible(asks)
        self.fingerprint.setText(grouped(form.fingerprint))
        self.notice.show_notice(form.notice)
        for widget in (self.server, self.user, self.password, self.keep, self.button, self.trust):
            widget.setEnabled(not form.busy)
        self.button.setText(texts.LOGGING_IN if form.busy else texts.LOG_IN)
        fields = {Field.SERVER: self.server, Field.USER: self.user, Field.PASSWORD: self.password}
        for field, widget in fields.items():
            restyle(widget, "wrong", form.wrong is field)
        if asks and not form.busy:
            self.trust.setFocus()
        elif form.wrong is not None:
            fields[form.wrong].setFocus()
            fields[form.wrong].selectAll()

    def fill(self, server: str, user: str, keep: bool) -> None:
        """What was remembered; the first empty field gets the cursor."""
        self.server.setText(server)
        self.user.setText(user)
        self.keep.setChecked(keep)
        self.focus_first()

    def focus_first(self) -> None:
        """The cursor goes where something is missing."""
        missing = next((field for field in (self.server, self.user, self.password) if not field.text()), self.button)
        missing.setFocus()

    def ask_trust(self, address: ClusterAddress, fingerprint: str) -> None:
        """Show the fingerprint of a cluster that is met for the first time."""
        self._address = ClusterAddress(address.at, fingerprint)
        self.show_form(LoginForm(*self._typed(), fingerprint=fingerprint))

    # -- what the person does

    def _typed(self) -> tuple[str, str]:
        return self.server.text().strip(), self.user.text().strip()

    def _press(self) -> None:
        if self.form.busy:
            return
        form, address = check_form(self.server.text(), self.user.text(), self.password.text())
        self.show_form(form)
        if address is not None:
            self.wanted.emit(address, form.user, self.password.text())

    def _trust(self) -> None:
        if self._address is not None:
            form, _ = check_form(self.server.text(), self.user.text(), self.password.text())
            self.show_form(form)
            self.wanted.emit(self._address, form.user, self.password.text())

    def _show_password(self, shown: bool) -> None:
        self.password.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)
