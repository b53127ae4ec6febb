"""All children of one control node as processes: `Supervision` decides, `ChildProcess` does."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from hocket.adapters.clocks import random_bytes
from hocket.adapters.processes import ChildProcess
from hocket.control.children import Child
from hocket.control.supervision import Supervision
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role


class Program(msgspec.Struct, frozen=True):
    """How a child is started; `first_line` carries its settings and secrets, `argv` never does."""

    argv: tuple[str | Path, ...]
    first_line: bytes
    ready_pattern: str
    env: Mapping[str, str] | None = None


class Brood:
    """Starts and stops the children of this process. Its owner awaits `stop_all` in the end, always.

    `on_gone` is called on the event loop for each child that is over, with the time (monotonic seconds)
    before which no other of its role is started.
    """

    def __init__(
        self,
        supervision: Supervision,
        on_gone: Callable[[Child, float], None],
        *,
        ready_timeout_s: float,
        stop_grace_s: float,
    ) -> None:
        self.supervision = supervision
        self._on_gone = on_gone
        self._ready_timeout_s = ready_timeout_s
        self._stop_grace_s = stop_grace_s
        self._processes: dict[NodeId, ChildProcess] = {}
        self._closing = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def spawn(self, node_id: NodeId, role: Role, program: Program) -> str:
        """Start a child and wait until it is ready; returns the text that its ready pattern matched.

        Raises HocketError: what `Supervision.admit` raises, ChildFailed with the child's last words,
        DRAINING once `stop_all` began. Given up meanwhile (cancelled), the child lives on: `stop` it.
        """
        self._refuse_when_closing()
        loop = asyncio.get_running_loop()
        child = self.supervision.admit(
            node_id,
            role,
            loop.time(),
            ready_timeout_s=self._ready_timeout_s,
            stop_grace_s=self._stop_grace_s,
        )
        self._empty.clear()
        try:
            process = await ChildProcess.start(
                child,
                program.argv,
                first_line=program.first_line,
                ready_pattern=program.ready_pattern,
                env=program.env,
            )
        except BaseException:
            self._gone(child)
            raise
        self._processes[node_id] = process
        process.call_when_over(lambda over: self._gone(over.child))
        if self._closing:
            await process.stop()
        return (await process.wait_ready()).group()

    async def stop(self, node_id: NodeId) -> str:
        """Stop a child; returns how it ended. Raises HocketError NODE_MISSING."""
        process = self._processes.get(node_id)
        if process is None:
            raise HocketError(f"{node_id} is no child of this control node", code=ErrorCode.NODE_MISSING)
        return await process.stop()

    async def stop_all(self) -> None:
        """Stop all children at the same time; none is started any more."""
        self._closing = True
        await asyncio.gather(*(process.stop() for process in tuple(self._processes.values())))
        await self._empty.wait()  # for those that were just being started

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise HocketError("this control node is stopping", code=ErrorCode.DRAINING)

    def _gone(self, child: Child) -> None:
        self._processes.pop(child.node_id, None)
        jitter = int.from_bytes(random_bytes(4), "big") / 2**32
        not_before_s = self.supervision.remove(child, asyncio.get_running_loop().time(), jitter)
        if not len(self.supervision):
            self._empty.set()
        self._on_gone(child, not_before_s)
