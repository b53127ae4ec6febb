"""A state machine as a transition table: (state, event) -> (next state, command)."""

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from hocket.core.errors import ErrorCode, HocketError
from hocket.core.story import Story

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
C = TypeVar("C")


class IllegalTransition(HocketError):
    """An event that a state does not know; carries the machine's last events."""

    code = ErrorCode.ILLEGAL_TRANSITION


class Machine(Generic[S, E, C]):
    """One instance of a machine; the table is shared.

    `feed` returns the command that the transition asks for. Raises IllegalTransition for an event
    that the table does not list for the present state.
    """

    __slots__ = ("_table", "state", "story")

    def __init__(self, table: Mapping[tuple[S, E], tuple[S, C]], start: S) -> None:
        self._table = table
        self.state = start
        self.story = Story()

    def feed(self, event: E) -> C:
        try:
            after, command = self._table[self.state, event]
        except KeyError:
            raise IllegalTransition(f"{event.name} in {self.state.name} (story: {self.story})") from None
        self.story.note(f"{self.state.name} {event.name}")
        self.state = after
        return command
