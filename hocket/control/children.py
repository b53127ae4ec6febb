"""The life of one child process, from its start to its last words."""

from collections.abc import Mapping
from enum import Enum, auto

from hocket.core.ids import NodeId, Role
from hocket.core.machine import Machine
from hocket.core.story import Story

LAST_LINES = 40


class State(Enum):
    STARTING = auto()
    READY = auto()
    STOPPING = auto()  # asked to end
    KILLED = auto()  # did not end when asked
    HUNG = auto()  # killed because it never became ready
    ENDED = auto()
    CRASHED = auto()


class Event(Enum):
    READY_LINE = auto()
    STOP = auto()
    LATE = auto()  # the time that its state allows ran out
    EXITED = auto()  # exit code 0
    BROKE = auto()  # any other end, or it could not be started at all


class Command(Enum):
    NOTHING = auto()
    ANNOUNCE = auto()  # it serves
    TERMINATE = auto()  # ask it to end
    KILL = auto()  # its whole process group, at once
    REPORT = auto()  # it is over: say so, free its slot


_NEXT: Mapping[tuple[State, Event], tuple[State, Command]] = {
    (State.STARTING, Event.READY_LINE): (State.READY, Command.ANNOUNCE),
    (State.STARTING, Event.STOP): (State.STOPPING, Command.TERMINATE),
    (State.STARTING, Event.LATE): (State.HUNG, Command.KILL),
    (State.STARTING, Event.EXITED): (State.CRASHED, Command.REPORT),  # ended without ever being ready
    (State.STARTING, Event.BROKE): (State.CRASHED, Command.REPORT),
    (State.READY, Event.READY_LINE): (State.READY, Command.NOTHING),
    (State.READY, Event.STOP): (State.STOPPING, Command.TERMINATE),
    (State.READY, Event.EXITED): (State.ENDED, Command.REPORT),
    (State.READY, Event.BROKE): (State.CRASHED, Command.REPORT),
    (State.STOPPING, Event.READY_LINE): (State.STOPPING, Command.NOTHING),
    (State.STOPPING, Event.STOP): (State.STOPPING, Command.NOTHING),
    (State.STOPPING, Event.LATE): (State.KILLED, Command.KILL),
    (State.STOPPING, Event.EXITED): (State.ENDED, Command.REPORT),
    (State.STOPPING, Event.BROKE): (State.ENDED, Command.REPORT),
    (State.KILLED, Event.READY_LINE): (State.KILLED, Command.NOTHING),
    (State.KILLED, Event.STOP): (State.KILLED, Command.NOTHING),
    (State.KILLED, Event.EXITED): (State.ENDED, Command.REPORT),
    (State.KILLED, Event.BROKE): (State.ENDED, Command.REPORT),
    (State.HUNG, Event.READY_LINE): (State.HUNG, Command.NOTHING),  # too late: the kill is on its way
    (State.HUNG, Event.STOP): (State.HUNG, Command.NOTHING),
    (State.HUNG, Event.EXITED): (State.CRASHED, Command.REPORT),
    (State.HUNG, Event.BROKE): (State.CRASHED, Command.REPORT),
    # No way out of ENDED and CRASHED: the next one is another child with another id.
}

_SHOWN = {
    State.STARTING: "starting",
    State.READY: "ready",
    State.ENDED: "stopped",
    State.CRASHED: "crashed",
}


class Child:
    """One child: its state, its deadline, its last lines. Each method returns what the I/O shell does next."""

    def __init__(
        self, node_id: NodeId, role: Role, now_s: float, *, ready_timeout_s: float, stop_grace_s: float
    ) -> None:
        self.node_id = node_id
        self.role = role
        self.pid = 0
        self.why = ""
        self.started_s = now_s
        self.ready_s: float | None = None
        self.ended_s: float | None = None
        self.deadline_s: float | None = now_s + ready_timeout_s
        self._ready_timeout_s = ready_timeout_s
        self._stop_grace_s = stop_grace_s
        self._machine = Machine(_NEXT, State.STARTING)
        self._lines = Story(LAST_LINES)

    @property
    def state(self) -> State:
        return self._machine.state

    @property
    def shown(self) -> str:
        """The state as `status` words it."""
        return _SHOWN.get(self.state, "stopping")

    @property
    def is_over(self) -> bool:
        return self.ended_s is not None

    @property
    def crashed(self) -> bool:
        return self.state is State.CRASHED

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What it logged last, oldest first."""
        return self._lines.events

    def healthy_s(self, now_s: float) -> float:
        """How long it has served, or had served when it ended; 0.0 if it never did."""
        if self.ready_s is None:
            return 0.0
        return (now_s if self.ended_s is None else self.ended_s) - self.ready_s

    def line(self, text: str) -> None:
        """It logged a line."""
        self._lines.note(text)

    def ready(self, now_s: float) -> Command:
        """It printed its ready line."""
        command = self._machine.feed(Event.READY_LINE)
        if command is Command.ANNOUNCE:
            self.ready_s, self.deadline_s = now_s, None
        return command

    def stop(self, now_s: float) -> Command:
        """It is to end; it gets its grace first."""
        if self.is_over:
            return Command.NOTHING
        command = self._machine.feed(Event.STOP)
        if command is Command.TERMINATE:
            self.deadline_s = now_s + self._stop_grace_s
        return command

    def late(self, now_s: float) -> Command:
        """Time has passed: is it past the child's deadline?"""
        if self.deadline_s is None or now_s < self.deadline_s:
            return Command.NOTHING
        self.deadline_s = None
        command = self._machine.feed(Event.LATE)
        self.why = (
            f"not ready within {self._ready_timeout_s:g} s"
            if self.state is State.HUNG
            else f"did not end within {self._stop_grace_s:g} s"
        )
        return command

    def ended(self, words: str, now_s: float, *, clean: bool) -> Command:
        """The process is over, `words` say how; `clean` means exit code 0."""
        command = self._machine.feed(Event.EXITED if clean else Event.BROKE)
        if self.ready_s is None and self.state is State.CRASHED and not self.why:
            words = f"{words} before it was ready"
        self.why = f"{self.why}, {words}" if self.why else words
        self.ended_s, self.deadline_s = now_s, None
        return command
