"""One who misbehaves: `python -m benchmarks.crowd.villains WHAT`, with a Crowd as JSON on the first line of stdin.

Says `ready`, and with every `go SECONDS` does it for so long and tells what came of it as one line of JSON.
"""

import asyncio
import contextlib
import errno
import itertools
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.crowd import places
from benchmarks.crowd.friends import logged_in
from benchmarks.crowd.story import Crowd
from hocket.adapters.trust import KnownClusters
from hocket.client.tickets import Wallet
from hocket.core.address import HostPort
from hocket.wire.codec import Flag, header
from hocket.wire.kinds import Kind
from hocket.wire.messages.together import AskTime, Wish
from tests.client.strangers import Stranger, admitted, stranger

JOINS_PER_S = 1_000
ASKS_PER_S = 1_000
AGAIN_S = 1.0
_UNDER_WAY = {errno.EINPROGRESS, errno.EAGAIN, 0}

Deed = Callable[[HostPort, Wallet, float], Awaitable[dict[str, Any]]]


async def joins(at: HostPort, wallet: Wallet, seconds: float, *, speaks: bool = False) -> dict[str, Any]:
    """A thousand connections a second, each from another address; none says a word, each goes after a second."""
    open_ones: deque[tuple[float, socket.socket]] = deque()
    begun_s, count = time.monotonic(), 0
    while (now_s := time.monotonic()) < begun_s + seconds:
        for _ in range(min(200, int((now_s - begun_s) * JOINS_PER_S) - count)):
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((f"127.2.{count // 250 % 250}.{count % 250 + 1}", 0))
            if sock.connect_ex((at.host, at.port)) in _UNDER_WAY:
                open_ones.append((now_s, sock))
            count += 1
        while open_ones and open_ones[0][0] < now_s - 1:
            open_ones.popleft()[1].close()
        await asyncio.sleep(0.005)
    for _, sock in open_ones:
        sock.close()
    return {"connections": count}


async def stalled(at: HostPort, wallet: Wallet, seconds: float) -> dict[str, Any]:
    """Comes in and never reads."""
    async with stranger(at) as one:
        await admitted(one, wallet)
        one.read_nothing()
        await asyncio.sleep(seconds)
    return {"connections": 1}


async def _again(at: HostPort, seconds: float, deed: Callable[[Stranger], Awaitable[None]]) -> dict[str, Any]:
    """One connection after the other, as often as the host lets in."""
    end_s, count, cut = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end_s:
        with contextlib.suppress(ConnectionError, OSError, TimeoutError, AssertionError):
            async with stranger(at) as one:
                count += 1
                async with asyncio.timeout(max(0.1, end_s - time.monotonic())):
                    await deed(one)
                    await one.thrown_out()
                    cut += 1
        await asyncio.sleep(min(AGAIN_S, max(0.0, end_s - time.monotonic())))
    return {"connections": count, "cut": cut}


async def frames(at: HostPort, wallet: Wallet, seconds: float) -> dict[str, Any]:
    """Headers of frames that are too large."""

    async def deed(one: Stranger) -> None:
        await admitted(one, wallet)
        one.write(header(Kind.ASK_TIME, Flag.NONE, 0, 0xFFFFFF))

    return await _again(at, seconds, deed)


async def hellos(at: HostPort, wallet: Wallet, seconds: float) -> dict[str, Any]:
    """Its own HELLO once more, and the host's sent back."""

    async def deed(one: Stranger) -> None:
        await admitted(one, wallet)
        assert one.theirs is not None
        one.say(one.theirs)

    return await _again(at, seconds, deed)


async def _flood(one: Stranger, say: Callable[[int], None]) -> None:
    begun_s = time.monotonic()
    for number in itertools.count(2):
        say(number)
        if number % 10 == 0:
            await asyncio.sleep(max(0.0, begun_s + number / ASKS_PER_S - time.monotonic()))
            if number > 10 * ASKS_PER_S or one.is_closing:
                return


async def times(at: HostPort, wallet: Wallet, seconds: float) -> dict[str, Any]:
    """Questions about the time, a thousand a second."""

    async def deed(one: Stranger) -> None:
        await admitted(one, wallet)
        await _flood(one, lambda number: one.say(AskTime(number)))

    return await _again(at, seconds, deed)


async def commands(at: HostPort, wallet: Wallet, seconds: float) -> dict[str, Any]:
    """Wishes that are not granted, a thousand a second."""

    async def deed(one: Stranger) -> None:
        await admitted(one, wallet)
        await _flood(one, lambda number: one.say(Wish("pause"), number))

    return await _again(at, seconds, deed)


DEEDS: dict[str, Deed] = {
    "joins": joins,
    "stalled": stalled,
    "frames": frames,
    "hellos": hellos,
    "times": times,
    "commands": commands,
}


async def run(what: str, crowd: Crowd, folder: Path) -> None:
    places.here.set(places.Place(source=crowd.seats[0].source))
    cluster = await logged_in(crowd, KnownClusters(folder))
    print("ready", flush=True)
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            done = await DEEDS[what](HostPort.parse(crowd.host), cluster.wallet, float(line.split()[1]))
            print(msgspec.json.encode({what: done}).decode(), flush=True)
    finally:
        await cluster.close()


def main() -> None:
    places.install()
    crowd = msgspec.json.decode(sys.stdin.readline(), type=Crowd)
    with tempfile.TemporaryDirectory(prefix="villain-") as folder:
        asyncio.run(run(sys.argv[1], crowd, Path(folder)))


if __name__ == "__main__":
    main()
