"""Friends who pass the music on: in a ring, with other bytes, with other lines; only the host's are heard."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from hocket.client import events
from hocket.client.together.follower import Follower
from hocket.client.together.hall import Friend, Hall
from hocket.client.together.values import decode, encode
from hocket.relay.ring import Ring
from hocket.relay.timeline import SignedLine
from hocket.wire import codec
from hocket.wire.codec import Decoder
from hocket.wire.limits import MAX_CONTROL_BODY_BYTES
from hocket.wire.message import Message
from hocket.wire.messages.together import LeafNews, LineNews, Parents
from tests.client.kit import WAIT_S
from tests.client.together_kit import Ear, ear, play
from tests.kit.fakecluster import FakeCluster, Song, make_song

pytestmark = pytest.mark.in_time

SECOND = 44_100


@pytest.fixture(scope="module")
def song() -> Song:
    return make_song("relayed.wav", 60)


def followed(one: Ear) -> Follower:
    """The follower inside."""
    follower = one.engine.together._follower
    assert follower is not None
    return follower


async def until(one: Ear, is_so: Callable[[], bool]) -> None:
    """Look at every event of somebody who plays."""
    async with asyncio.timeout(WAIT_S):
        while not is_so():
            await one.told.wait(events.Position)


def check_unbroken(one: Ear) -> None:
    """Nothing was missing. (Three listeners in one busy process may starve one another for a moment.)"""
    assert not one.told.of(events.Error)
    assert len(one.told.of(events.Stalled)) == len(one.told.of(events.Unstalled))
    assert all(again.ms < 1000 for again in one.told.of(events.Unstalled))


class Scene(msgspec.Struct, frozen=True):
    """A host, and two friends as the host knows them."""

    host: Ear
    relay: Ear
    leaf: Ear
    relay_there: Friend
    leaf_there: Friend

    async def through_the_relay(self) -> None:
        """Let the leaf have its music from the relay."""
        self.leaf_there.link.send(Parents((str(self.relay_there.serves),)))
        hall = followed(self.relay).hall
        await until(self.leaf, lambda: any(friend.listens for friend in hall.friends))
        await until(self.leaf, lambda: not self.leaf_there.listens)


@asynccontextmanager
async def scene(folder: Path, song: Song) -> AsyncIterator[Scene]:
    async with (
        FakeCluster(song) as cluster,
        ear(cluster, folder, "host") as host,
        ear(cluster, folder, "relay") as relay,
        ear(cluster, folder, "leaf") as leaf,
    ):
        address = await play(host, song)
        hosting = host.engine.together._host
        there: list[Friend] = []
        for one in (relay, leaf):
            await one.engine.together.join(address)
            await one.told.wait(events.Offset)
            assert hosting is not None
            there += [friend for friend in hosting.hall.friends if friend not in there]
        yield Scene(host, relay, leaf, *there)


def test_a_ring_of_relays_falls_apart_before_anybody_hears_it(
    tmp_path: Path, song: Song, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with scene(tmp_path, song) as on:
            on.relay_there.link.send(Parents((str(on.leaf_there.serves),)))
            on.leaf_there.link.send(Parents((str(on.relay_there.serves),)))
            await asyncio.gather(on.relay.heard(7 * SECOND), on.leaf.heard(7 * SECOND))
            assert on.relay_there.listens or on.leaf_there.listens, "one at least is with the host again"
            check_unbroken(on.relay)
            check_unbroken(on.leaf)

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert "I hear myself through you" in caplog.text or "nothing of the host comes through you" in caplog.text


def test_a_relay_that_changes_a_byte_is_left_for_the_host(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with scene(tmp_path, song) as on:
            await on.through_the_relay()
            relay, leaf = followed(on.relay), followed(on.leaf)
            relay.hall._ring.__class__ = _BentRing
            await until(on.leaf, lambda: on.leaf_there.listens)
            assert relay.id in leaf.store._banned
            await on.leaf.heard(6 * SECOND)
            check_unbroken(on.leaf)
        if not on.leaf.told.of(events.Stalled):
            assert len(on.leaf.runs(song)) == 1, "every sample is the song's, in one piece"

    asyncio.run(run())


class _BentRing(Ring):
    """Flips the last bit of every leaf."""

    __slots__ = ()

    def push(self, frame: bytes) -> int:
        (whole,) = Decoder(MAX_CONTROL_BODY_BYTES).feed(frame)
        news = codec.decode(whole)
        assert isinstance(news, LeafNews)
        return super().push(codec.encode(LeafNews(news.track, news.leaf, news.data[:-1] + bytes([news.data[-1] ^ 1]))))


def test_a_relay_that_changes_a_line_is_left_and_the_hosts_own_counts(tmp_path: Path, song: Song) -> None:
    async def run() -> None:
        async with scene(tmp_path, song) as on:
            await on.through_the_relay()
            _bend_lines(followed(on.relay).hall)
            await on.host.engine.pause()
            frames = {(await one.told.wait(events.Paused)).frame for one in (on.host, on.relay, on.leaf)}
            assert len(frames) == 1
            await on.host.engine.resume()
            await on.leaf.told.wait(events.Resumed)
            await on.leaf.heard(SECOND)
            await until(on.leaf, lambda: not followed(on.relay).hall.friends)

    asyncio.run(run())


def _bend_lines(hall: Hall) -> None:
    tell = hall.broadcast

    def bent(message: Message, but: object = None) -> None:
        if isinstance(message, LineNews):
            signed = decode(message.line, SignedLine)
            later = msgspec.structs.replace(signed.line, m0_frames=signed.line.m0_frames + 44_100)
            message = LineNews(encode(msgspec.structs.replace(signed, line=later)))
        tell(message)

    hall.broadcast = bent  # type: ignore[method-assign]
