"""Friends who lie, flood, keep silent or never read: they are thrown out, and nobody else hears it."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hocket.client import events
from hocket.client.tickets import Wallet
from hocket.client.together.passport import JOINS
from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode
from hocket.relay.lineage import Reign, found
from hocket.relay.timeline import Line, State, sign_line
from hocket.wire.codec import Flag, header
from hocket.wire.kinds import Kind
from hocket.wire.messages.common import ErrorReply
from hocket.wire.messages.together import AskLeaf, AskTime, LineNews, ReignNews, Wish
from tests.client.strangers import admitted, stranger
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, Song, make_song

pytestmark = pytest.mark.in_time

Scene = Callable[[HostPort, Ear, Wallet], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def song() -> Song:
    return make_song("guarded.wav", 60)


def on_stage(tmp_path: Path, song: Song, scene: Scene) -> None:
    """A host, a friend in good standing, and a scene; the friend must hear nothing of it."""

    async def run() -> None:
        async with (
            FakeCluster(song) as cluster,
            ear(cluster, tmp_path, "host") as host,
            ear(cluster, tmp_path, "friend") as friend,
            ear(cluster, tmp_path, "villain") as villain,
        ):
            at = HostPort.parse(await play(host, song))
            await friend.engine.together.join(str(at))
            await friend.told.wait(events.Offset)
            assert villain.engine._cluster is not None
            await scene(at, host, villain.engine._cluster.wallet)
            await friend.heard(22_050)
            assert not friend.told.of(events.Stalled)
            assert not friend.told.of(events.Error)

    asyncio.run(run())


def test_forged_tickets_and_proofs(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        for changes in (
            {"ticket": wallet.ticket[:-1] + bytes([wallet.ticket[-1] ^ 1])},
            {"proof": bytes(64)},
            {"token": b"no invite"},
        ):
            async with stranger(at) as one:
                await one.greet()
                said = await one.join(wallet, **changes)
                assert isinstance(said, ErrorReply)
                assert said.code in (ErrorCode.TICKET_REFUSED, ErrorCode.INVITE_REFUSED)

    on_stage(tmp_path, song, scene)


def test_a_proof_for_one_connection_is_none_for_another(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as first, stranger(at) as second:
            await first.greet()
            await second.greet()
            stolen = wallet.friend_proof(JOINS, first.binding)
            said = await second.join(wallet, proof=stolen)
            assert isinstance(said, ErrorReply)
            assert said.code == ErrorCode.TICKET_REFUSED

    on_stage(tmp_path, song, scene)


def test_a_second_hello(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            await admitted(one, wallet)
            one.say(one.theirs)  # type: ignore[arg-type]
            said = await one.thrown_out()
            assert said is None or "HELLO" in said.text

    on_stage(tmp_path, song, scene)


def test_a_follower_that_sends_lines(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            welcome = await admitted(one, wallet)
            line = Line(welcome.group, 0, 999, State.PAUSED, song.track.id, time.monotonic_ns(), 0, 44_100)  # type: ignore[arg-type]
            one.say(LineNews(msgspec.msgpack.encode(sign_line(line, wallet.sign))))
            said = await one.thrown_out()
            assert said is None or "only the host" in said.text
        assert not host.told.of(events.Paused)

    on_stage(tmp_path, song, scene)


def test_a_forged_claim_to_host(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            welcome = await admitted(one, wallet)
            mine = found(welcome.group, wallet.public_key, wallet.sign)  # type: ignore[arg-type]
            theirs = msgspec.msgpack.decode(welcome.reign, type=Reign)
            forged = Reign((*theirs.links, *mine.links), mine.roster)
            one.say(ReignNews(msgspec.msgpack.encode(forged)))
            await one.thrown_out()
        assert host.engine.together.state.hosting

    on_stage(tmp_path, song, scene)


def test_who_says_nothing_is_closed(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        loop = asyncio.get_running_loop()
        with socket.create_connection((at.host, at.port)) as silent:
            silent.setblocking(False)
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await loop.sock_recv(silent, 1) == b""

    on_stage(tmp_path, song, scene)


@pytest.mark.parametrize("size", [64 * 1024 + 1, 0xFFFFFFFF])
def test_frames_that_are_too_large_are_cut_at_the_header(tmp_path: Path, song: Song, size: int) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            await admitted(one, wallet)
            one.write(header(Kind.ASK_TIME, Flag.NONE, 0, size))
            said = await one.thrown_out()
            assert said is None or said.code == ErrorCode.TOO_LARGE

    on_stage(tmp_path, song, scene)


def test_floods_of_questions_and_commands(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            await admitted(one, wallet)
            for number in range(3000):
                one.say(AskTime(number))
            await one.thrown_out()
        async with stranger(at) as one:
            await admitted(one, wallet)
            for number in range(500):
                one.say(Wish("pause"), number + 2)
            await one.thrown_out()
        assert not host.told.of(events.Paused)

    on_stage(tmp_path, song, scene)


def test_leaves_that_do_not_exist_and_tracks_of_others(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            await admitted(one, wallet)
            one.say(AskLeaf(song.track.id, 1 << 40), 7)
            said = await one.hear(reply=True)
            assert isinstance(said, ErrorReply)
            assert said.code == ErrorCode.TRACK_MISSING

    on_stage(tmp_path, song, scene)


def test_a_flood_of_connections(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        for _ in range(300):
            with contextlib.suppress(OSError):
                socket.create_connection((at.host, at.port), timeout=1).close()
            await asyncio.sleep(0)
        assert host.engine.together.turned_away > 200

    on_stage(tmp_path, song, scene)


def test_a_friend_who_never_reads_is_cut_off_and_disturbs_nobody(tmp_path: Path, song: Song) -> None:
    async def scene(at: HostPort, host: Ear, wallet: Wallet) -> None:
        async with stranger(at) as one:
            await admitted(one, wallet)
            await host.told.wait(events.PeerJoined)
            await host.told.wait(events.PeerJoined)
            one.read_nothing()
            left = await host.told.wait(events.PeerLeft)
            assert left.name

    on_stage(tmp_path, song, scene)
