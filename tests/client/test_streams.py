"""Lines to streaming nodes while the session ends."""

import asyncio
from typing import cast

import pytest

from hocket.adapters.clocks import SystemClock
from hocket.client.prime import PrimeLine
from hocket.client.streams import StreamLine, Streams
from hocket.client.tickets import Wallet
from hocket.core.address import HostPort
from hocket.core.errors import NotReachable
from hocket.core.ids import NodeId
from hocket.wire.messages.login import StreamAt

AT = StreamAt(NodeId("file-000000000001"), HostPort("127.0.0.1", 1), plain=False)


class Prime:
    """Names a streaming node once it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def ask_as_user(self, *_: object) -> StreamAt:
        self.asked.set()
        await self.may_answer.wait()
        return AT


class Connections:
    """Stands for the connections of lines: how many are open, and when they may open."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.open = 0
        self.begun = asyncio.Event()
        self.may_open = asyncio.Event()
        self.may_open.set()

        async def open_(line: StreamLine, *_: object) -> None:
            self.begun.set()
            await self.may_open.wait()
            self.open += 1

        def close(line: StreamLine) -> None:
            self.open -= 1

        patch.setattr(StreamLine, "open", open_)
        patch.setattr(StreamLine, "close", close)


def streams_of(prime: Prime) -> Streams:
    clock = SystemClock()
    return Streams(
        cast(PrimeLine, prime),
        Wallet(clock),
        clock,
        on_change=lambda: None,
        on_session_ended=lambda code, text: None,
        on_library_changed=lambda revision: None,
    )


def test_who_waits_for_a_line_when_the_session_ends_opens_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is asked for while the first line is still looked for; then the window is closed."""

    async def run() -> None:
        prime, connections = Prime(), Connections(monkeypatch)
        streams = streams_of(prime)
        streams.keep_warm()
        await prime.asked.wait()
        waiting = asyncio.create_task(streams.get())
        await asyncio.sleep(0)
        prime.may_answer.set()
        await streams.close()
        with pytest.raises(NotReachable, match="session is over"):
            await waiting
        assert connections.open == 0

    asyncio.run(run())


def test_a_line_that_stands_only_after_the_session_has_ended_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        prime, connections = Prime(), Connections(monkeypatch)
        streams = streams_of(prime)
        prime.may_answer.set()
        connections.may_open.clear()
        waiting = asyncio.create_task(streams.get())
        await connections.begun.wait()
        await streams.close()
        connections.may_open.set()
        with pytest.raises(NotReachable, match="session is over"):
            await waiting
        assert connections.open == 0

    asyncio.run(run())
