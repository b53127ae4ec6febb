"""Child processes from the control node's side, with real processes."""

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from hocket.adapters.processes import ChildFailed, ChildProcess, exit_words, memory_bytes, usage
from hocket.control.children import Child, State
from hocket.core.errors import ErrorCode
from hocket.core.ids import NodeId, Role
from tests.adapters import childprograms as programs
from tests.kit import proc

PATIENCE_S = 60.0
"""For what has to happen on a machine that is busy with other things; never waited out when all is well."""


def child(ready_timeout_s: float = PATIENCE_S, stop_grace_s: float = PATIENCE_S, name: str = "auth-1") -> Child:
    now_s = asyncio.get_running_loop().time()
    return Child(NodeId(name), Role.AUTH, now_s, ready_timeout_s=ready_timeout_s, stop_grace_s=stop_grace_s)


async def start(source: str, own: Child, first_line: bytes = b"settings") -> ChildProcess:
    return await ChildProcess.start(
        own, programs.python(source), first_line=first_line, ready_pattern=r"^auth ready(?: (?P<address>\S+))?$"
    )


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(bounded())


class Heard(logging.Handler):
    """Lets a test wait for a line that a child logs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.put_nowait(record.getMessage())

    async def __call__(self, text: str) -> str:
        """The next line that holds this text."""
        while text not in (line := await self._lines.get()):
            continue
        return line


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Heard]:
    logger, handler = logging.getLogger("hocket.child"), Heard()
    with caplog.at_level(logging.INFO, logger="hocket.child"):
        logger.addHandler(handler)
        yield handler
        logger.removeHandler(handler)


def test_a_child_becomes_ready_and_stops_when_asked() -> None:
    async def test() -> None:
        process = await start(programs.READY, child())
        found = await process.wait_ready()
        assert found["address"] == "127.0.0.1:4000"
        assert process.child.shown == "ready"
        used = usage(process.child.pid)
        assert used is not None
        assert used.rss_bytes > 1_000_000
        assert await process.stop() == "was ended by SIGTERM"
        assert process.child.state is State.ENDED
        assert process.child.last_lines == ("hello",)
        assert not proc.alive(process.child.pid)
        assert await process.stop() == "was ended by SIGTERM"

    run(test)


def test_settings_come_by_stdin_alone_into_a_session_of_its_own() -> None:
    async def test() -> None:
        process = await start(programs.ECHO_SETTINGS, child(), b'{"key": "secret"}')
        await process.wait_ready()
        pid = process.child.pid
        assert "secret" not in proc.command(pid)
        await process.stop()
        assert process.child.last_lines == (f'got {{"key": "secret"}} in group {pid} as {pid} session {pid}',)

    run(test)


def test_a_crash_before_readiness_keeps_the_last_lines(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        process = await start(programs.CRASH, child())
        with pytest.raises(ChildFailed) as failed:
            await process.wait_ready()
        assert failed.value.code is ErrorCode.SPAWN_FAILED
        assert failed.value.text == "auth-1 ended with exit code 7 before it was ready"
        assert failed.value.hint.endswith("line 98 | line 99")
        await process.wait()
        assert process.child.crashed
        assert process.child.last_lines == tuple(f"line {number}" for number in range(60, 100))

    with caplog.at_level(logging.INFO, logger="hocket.child"):
        run(test)
    assert "auth-1: line 0" in caplog.messages
    assert "auth-1 ended with exit code 7 before it was ready" in caplog.messages


def test_a_child_that_never_gets_ready_is_killed() -> None:
    async def test() -> None:
        process = await start(programs.HANG, child(ready_timeout_s=1.0))
        with pytest.raises(ChildFailed, match=r"not ready within 1 s, was ended by SIGKILL"):
            await process.wait_ready()
        assert process.child.crashed
        assert not proc.alive(process.child.pid)

    run(test)


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace() -> None:
    async def test() -> None:
        process = await start(programs.STUBBORN, child(stop_grace_s=0.3))
        await process.wait_ready()
        assert await process.stop() == "did not end within 0.3 s, was ended by SIGKILL"
        assert not process.child.crashed

    run(test)


def test_a_clean_end_is_no_crash() -> None:
    async def test() -> None:
        process = await start(programs.POLITE, child())
        await process.wait_ready()
        os.kill(process.child.pid, 15)
        assert await process.wait() == "ended with exit code 0"
        assert not process.child.crashed

    run(test)


def test_kill_9_of_a_ready_child_is_a_crash_that_says_so() -> None:
    async def test() -> None:
        process = await start(programs.READY, child())
        await process.wait_ready()
        os.kill(process.child.pid, 9)
        assert await process.wait() == "was ended by SIGKILL"
        assert process.child.crashed

    run(test)


def test_a_huge_line_is_shortened_and_the_next_one_whole() -> None:
    async def test() -> None:
        process = await start(programs.HUGE_LINE, child())
        await process.wait_ready()
        await process.stop()
        huge, after = process.child.last_lines
        assert huge == "x" * 4096 + " … (4995904 bytes more)"
        assert after == "after"

    run(test)


def test_a_noisy_child_is_never_blocked_by_its_pipes(said: Heard) -> None:
    async def test() -> None:
        process = await start(programs.NOISY, child())
        await process.wait_ready()
        for _ in range(2):
            await said("noise 19999")
        await process.stop()
        assert len(process.child.last_lines) == 40

    run(test)


def test_last_words_without_a_line_end_are_kept() -> None:
    async def test() -> None:
        process = await start(programs.LAST_WORDS, child())
        await process.wait()
        assert process.child.last_lines[-1] == "last words without an end"

    run(test)


def test_what_a_child_leaves_in_its_group_goes_with_it(said: Heard) -> None:
    async def test() -> None:
        process = await start(programs.GRANDCHILD, child())
        await process.wait_ready()
        grandchild = int((await said("grandchild")).split()[-1])
        os.kill(process.child.pid, 9)
        await process.wait()
        assert proc.wait_dead(grandchild, PATIENCE_S)

    run(test)


def test_a_program_that_is_not_there_is_a_clear_error() -> None:
    async def test() -> None:
        own = child()
        with pytest.raises(ChildFailed, match="could not be started"):
            await ChildProcess.start(own, [Path("/no/such/program")], first_line=b"", ready_pattern="ready")
        assert own.crashed
        assert own.is_over
        own = child()
        with pytest.raises(ValueError, match="line end within"):
            await start(programs.READY, own, b"two\nlines")
        assert own.is_over

    run(test)


def test_a_start_that_is_given_up_leaves_nothing() -> None:
    async def test() -> None:
        own = child()
        task = asyncio.create_task(start(programs.READY, own))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert own.is_over

    run(test)


def test_whoever_gives_up_waiting_for_readiness_disturbs_nobody() -> None:
    async def test() -> None:
        process = await start(programs.HANG, child())
        impatient = asyncio.create_task(process.wait_ready())
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        await process.stop()
        with pytest.raises(ChildFailed):
            await process.wait_ready()

    run(test)


def test_twenty_children_leave_no_descriptor_and_share_no_pipe() -> None:
    async def test() -> None:
        before = proc.open_files()
        processes = [await start(programs.READY, child(name=f"auth-{number}")) for number in range(20)]
        await asyncio.gather(*(process.wait_ready() for process in processes))
        held = [proc.open_files(process.child.pid) for process in processes]
        pipes = [target for files in held for target in files.values() if re.match(r"pipe:|socket:", target)]
        assert len(pipes) == len(set(pipes)) == 60
        await asyncio.gather(*(process.stop() for process in processes))
        assert set(proc.open_files()) == set(before)
        assert not [process for process in processes if proc.alive(process.child.pid)]

    run(test)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (7, "ended with exit code 7"),
        (-9, "was ended by SIGKILL"),
        (-11, "was ended by SIGSEGV"),
        (-250, "was ended by signal 250"),
        (None, "ended for an unknown reason"),
    ],
)
def test_ends_in_words(code: int | None, words: str) -> None:
    assert exit_words(code) == words


def test_usage_of_a_process_that_is_gone() -> None:
    assert usage(2**22 + 1) is None
    assert memory_bytes(2**22 + 1) == 0
    assert memory_bytes(os.getpid()) > 1_000_000


def test_a_start_given_up_at_any_moment_leaves_nothing_and_harms_no_one_else() -> None:
    async def test() -> None:
        for turns in range(1, 12):
            own = child()
            task = asyncio.create_task(start(programs.READY, own))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            try:
                process = await task
            except asyncio.CancelledError:
                assert own.is_over
            else:
                await process.stop()

    run(test)
