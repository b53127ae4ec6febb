"""Joins the page for listening together with the engine."""

from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtGui import QGuiApplication

from hocket.client import events
from hocket.client.engine import Engine
from hocket.client.together.together import TogetherState
from hocket.core.address import HostPort
from hocket.core.settings import P2PPORT
from hocket.gui import texts
from hocket.gui.notices import Notice, sentence
from hocket.gui.togetherview import change_of_lead, invite_rows, together_view
from hocket.gui.window import Window

Command = Callable[[Engine], Coroutine[Any, Any, Any]]

EVERYWHERE = HostPort("0.0.0.0", P2PPORT)
"""Where friends are let in when a window that did not host begins to."""


class Company:
    """The page's commands; `do` runs one on the engine, its error becomes a banner; `tell` shows a banner."""

    def __init__(
        self, window: Window, at: HostPort | None, do: Callable[[Command], None], tell: Callable[[Notice], None]
    ) -> None:
        self._page = window.together
        self._at = at or EVERYWHERE
        self._may_host = at is not None
        self._do = do
        self._tell = tell
        self._state = TogetherState()
        self._wants_to_leave = False
        self._made: dict[str, str] = {}  # the texts of invites by their ids: the engine keeps only what they allow
        self._page.commands = self

    def begin(self) -> None:
        """Somebody has logged in: look for friends nearby."""
        self._made.clear()
        self._do(_watch_nearby)

    def show(self, state: TogetherState, me: str, *, is_moving: bool) -> None:
        """What the group is like; `is_moving`: the music is not paused."""
        said = change_of_lead(self._state, state, left=self._wants_to_leave)
        if state.following != self._state.following:
            self._wants_to_leave = False
        if not state.hosting and self._state.hosting:
            self._page.invites.show_invites(())
        self._state = state
        self._page.show_state(together_view(state, me, may_host=self._may_host, is_moving=is_moving))
        if said:
            self._tell(Notice(said))

    def take(self, event: events.Event) -> None:
        """Something happened; what is not about friends is passed over."""
        match event:
            case events.Hosting():
                self._page.mapping.setText(texts.mapping(event.mapping, sentence(event.why)))
            case events.Nearby():
                self._page.show_nearby(event.friends, sentence(event.problem))
            case events.Invited():
                self._made[event.id] = event.invite
                QGuiApplication.clipboard().setText(event.invite)
                self._tell(Notice(texts.INVITE_READY, texts.INVITE_READY_HINT))
            case events.Invites():
                self._page.invites.show_invites(invite_rows(event.invites, self._made))

    # -- togetherview.Commands

    def host(self, on: bool) -> None:
        self._may_host = on
        self._do(lambda engine: engine.together.set_hosting(self._at if on else None))

    def join(self, address: str) -> None:
        self._wants_to_leave = bool(self._state.following)
        self._do(lambda engine: engine.together.join(address))

    def leave(self) -> None:
        self._wants_to_leave = True
        self._do(lambda engine: engine.together.leave())

    def invite(self, life_s: int, uses: int, may_control: bool) -> None:
        async def make(engine: Engine) -> None:
            engine.together.invite(life_s=life_s, uses=uses, may_control=may_control)
            engine.together.tell_invites()

        self._do(make)

    def revoke(self, invite_id: str) -> None:
        async def withdraw(engine: Engine) -> None:
            engine.together.revoke(invite_id)
            engine.together.tell_invites()

        self._do(withdraw)

    def send_away(self, name: str, ban: bool) -> None:
        async def send(engine: Engine) -> None:
            engine.together.kick(name, ban=ban)

        self._do(send)
        self._tell(Notice(texts.sent_away(name)))


async def _watch_nearby(engine: Engine) -> None:
    engine.together.watch_nearby()
