"""Bounded history of what happened to one thing, for errors and logs that explain themselves."""

from collections import deque

STORY_LENGTH = 32


class Story:
    """The last events of one thing, oldest first; memory stays flat however long it lives."""

    __slots__ = ("_events", "_told")

    def __init__(self, length: int = STORY_LENGTH) -> None:
        self._events: deque[str] = deque(maxlen=length)
        self._told = 0

    def note(self, event: str) -> None:
        """Add one event as a short line of text."""
        self._events.append(event)
        self._told += 1

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(self._events)

    def __str__(self) -> str:
        forgotten = self._told - len(self._events)
        lead = [f"({forgotten} earlier)"] if forgotten else []
        return " > ".join([*lead, *self._events])
