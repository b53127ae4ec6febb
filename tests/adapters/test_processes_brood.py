"""All children of one control node, as real processes."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hocket.adapters.brood import Brood, Program
from hocket.adapters.processes import ChildFailed, ChildProcess
from hocket.control.backoff import BackoffRule
from hocket.control.children import Child
from hocket.control.supervision import Supervision
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role
from tests.adapters import childprograms as programs
from tests.kit import proc

PATIENCE_S = 60.0
RULE = BackoffRule(base_s=1000.0, cap_s=1000.0, healthy_s=1000.0)


class Gone:
    """What a brood told of its children's ends."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[Child, float]] = asyncio.Queue()

    def __call__(self, child: Child, not_before_s: float) -> None:
        self.queue.put_nowait((child, not_before_s))


def program(source: str) -> Program:
    return Program(tuple(programs.python(source)), b"settings", r"^auth ready")


def run(test: Callable[[Brood, Gone], Awaitable[None]], max_load: int = 3) -> None:
    async def whole() -> None:
        gone = Gone()
        brood = Brood(Supervision(max_load, RULE), gone, ready_timeout_s=PATIENCE_S, stop_grace_s=PATIENCE_S)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await test(brood, gone)
        finally:
            await brood.stop_all()
        assert len(brood.supervision) == 0

    asyncio.run(whole())


def spawn(brood: Brood, number: int, source: str = programs.READY) -> asyncio.Task[str]:
    return asyncio.create_task(brood.spawn(NodeId(f"auth-{number}"), Role.AUTH, program(source)))


def test_children_start_take_slots_and_stop() -> None:
    async def test(brood: Brood, gone: Gone) -> None:
        assert await asyncio.gather(*(spawn(brood, number) for number in range(3))) == ["auth ready"] * 3
        with pytest.raises(HocketError) as full:
            await spawn(brood, 9)
        assert full.value.code is ErrorCode.NODE_FULL
        assert [row.state for row in brood.supervision.status(asyncio.get_running_loop().time())] == ["ready"] * 3
        assert await brood.stop(NodeId("auth-1")) == "was ended by SIGTERM"
        child, not_before_s = await gone.queue.get()
        assert (child.node_id, not_before_s) == ("auth-1", 0.0)
        await spawn(brood, 9)

    run(test)


def test_a_crash_loop_backs_off_and_shows_its_last_words() -> None:
    async def test(brood: Brood, gone: Gone) -> None:
        for number in range(2):
            with pytest.raises(ChildFailed):
                await spawn(brood, number, programs.CRASH)
        with pytest.raises(HocketError) as waiting:
            await spawn(brood, 2, programs.CRASH)
        assert waiting.value.code is ErrorCode.BACKING_OFF
        assert 400 < waiting.value.retry_s <= 1000
        assert "exit code 7" in str(waiting.value)
        _, not_before_s = await gone.queue.get()
        assert not_before_s <= asyncio.get_running_loop().time()  # the first one costs nothing
        _, not_before_s = await gone.queue.get()
        assert not_before_s > asyncio.get_running_loop().time()
        [row] = brood.supervision.status(asyncio.get_running_loop().time())
        assert (row.state, row.failures, row.last_lines[-1]) == ("waiting", 2, "line 99")
        await asyncio.create_task(brood.spawn(NodeId("file-1"), Role.FILE, program(programs.READY)))

    run(test)


def test_kill_9_of_a_child_is_told_at_once() -> None:
    async def test(brood: Brood, gone: Gone) -> None:
        await spawn(brood, 1)
        child = brood.supervision.get(NodeId("auth-1"))
        assert child is not None
        os.kill(child.pid, 9)
        dead, _ = await gone.queue.get()
        assert dead is child
        assert dead.why == "was ended by SIGKILL"

    run(test)


def test_stop_all_takes_those_with_it_that_are_just_being_started() -> None:
    pids: list[int] = []

    async def test(brood: Brood, gone: Gone) -> None:
        ready = spawn(brood, 1)
        await ready
        pids.extend(child.pid for child in brood.supervision)
        starting = [spawn(brood, number, programs.HANG) for number in (2, 3)]
        await asyncio.sleep(0)
        await brood.stop_all()
        assert all(isinstance(end, HocketError) for end in await asyncio.gather(*starting, return_exceptions=True))
        with pytest.raises(HocketError) as late:
            await spawn(brood, 4)
        assert late.value.code is ErrorCode.DRAINING

    run(test)
    assert not any(proc.alive(pid) for pid in pids)


def test_a_program_that_is_not_there_frees_its_slot() -> None:
    async def test(brood: Brood, gone: Gone) -> None:
        missing = Program((Path("/no/such/program"),), b"", "ready")
        with pytest.raises(ChildFailed):
            await brood.spawn(NodeId("auth-1"), Role.AUTH, missing)
        assert len(brood.supervision) == 0
        with pytest.raises(HocketError) as unknown:
            await brood.stop(NodeId("auth-1"))
        assert unknown.value.code is ErrorCode.NODE_MISSING

    run(test)


def test_whoever_gives_up_waiting_leaves_the_child_to_the_brood(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(brood: Brood, gone: Gone) -> None:
        started = asyncio.get_running_loop().create_future()
        wait_ready = ChildProcess.wait_ready

        async def told(process: ChildProcess) -> re.Match[str]:
            started.set_result(None)
            return await wait_ready(process)

        monkeypatch.setattr(ChildProcess, "wait_ready", told)
        impatient = spawn(brood, 1, programs.HANG)
        await started
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        assert await brood.stop(NodeId("auth-1")) == "was ended by SIGTERM"

    run(test)
