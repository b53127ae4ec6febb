"""Joins the page for listening together with the engine."""

from collections.abc import Callable, Coroutine
from typing import Any

from hocket.client.engine import Engine
from hocket.client.together.together import TogetherState
from hocket.core.address import HostPort
from hocket.core.settings import P2PPORT
from hocket.gui.togetherview import together_view
from hocket.gui.window import Window

Command = Callable[[Engine], Coroutine[Any, Any, Any]]

EVERYWHERE = HostPort("0.0.0.0", P2PPORT)
"""Where friends are let in when a window that did not host begins to."""


class Company:
    """The page's commands; `do` runs one on the engine, its error becomes a banner."""

    def __init__(self, window: Window, at: HostPort | None, do: Callable[[Command], None]) -> None:
        self._page = window.together
        self._at = at or EVERYWHERE
        self._may_host = at is not None
        self._do = do
        self._last_s = -1.0
        self._page.commands = self

    def show(self, state: TogetherState, me: str, position_s: float) -> None:
        """What the group is like; a position that stands still is a host's pause."""
        is_moving, self._last_s = position_s != self._last_s, position_s
        self._page.show_state(together_view(state, me, may_host=self._may_host, is_moving=is_moving))

    # -- togetherview.Commands

    def host(self, on: bool) -> None:
        self._may_host = on
        self._do(lambda engine: engine.together.set_hosting(self._at if on else None))

    def join(self, address: str) -> None:
        self._do(lambda engine: engine.together.join(address))

    def leave(self) -> None:
        self._do(lambda engine: engine.together.leave())
