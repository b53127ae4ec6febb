"""Copies that are held up, stopped, broken off or killed: what came is kept, and they go on."""

import asyncio
import itertools
import os
import random
import signal
import sys
import threading
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.adapters.transfer import Fetched, Pace, Transfers
from hocket.adapters.transfer import source as source_module
from hocket.adapters.transfer.pace import BURST_S, Bucket, Stopped
from hocket.adapters.transfer.partial import Partial, sweep
from hocket.adapters.transfer.pool import NICE
from hocket.adapters.transfer.source import SMALL_PIECE_BYTES
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import Role
from hocket.wire.messages.library import FetchOrder
from tests.adapters.transfer_kit import (
    SONG,
    TAKER,
    TIMEOUT_S,
    TRACK,
    Holder,
    Place,
    copy,
    fetch,
    id_of,
    taker_context,
    with_holder,
)
from tests.kit.identities import credentials
from tests.kit.processes import Program


def test_a_copy_goes_on_where_it_was_broken_off(place: Place) -> None:
    place.partial.write_bytes(SONG[:2_000_000])

    async def work(source: Holder) -> None:
        job = fetch(source.order(TRACK, "Song.wav", len(SONG)), place.ours)
        await asyncio.to_thread(job.run)
        assert job.resumed_bytes == 2_000_000
        assert len(SONG) - 2_000_000 < source.server.sent_bytes < len(SONG) - 2_000_000 + 10_000

    with_holder(place, work)
    assert (place.ours / "Song.wav").read_bytes() == SONG


@pytest.mark.parametrize("there", [bytes(2_000_000), SONG + b"more", SONG[:1_000_000] + bytes(1000)])
def test_what_is_there_is_not_believed(place: Place, there: bytes) -> None:
    place.partial.write_bytes(there)

    async def work(source: Holder) -> None:
        await copy(source.order(TRACK, "Song.wav", len(SONG)), place)

    with_holder(place, work)
    assert (place.ours / "Song.wav").read_bytes() == SONG
    assert not place.partial.exists()


def test_a_partial_file_that_is_another_files_second_name_is_not_written(place: Place) -> None:
    precious = place.ours / "precious.wav"
    precious.write_bytes(b"precious")
    os.link(precious, place.partial)

    async def work(source: Holder) -> None:
        await copy(source.order(TRACK, "Song.wav", len(SONG)), place)

    with_holder(place, work)
    assert precious.read_bytes() == b"precious"
    assert (place.ours / "Song.wav").read_bytes() == SONG


def test_one_track_is_received_by_one_process_at_a_time(place: Place) -> None:
    with Partial(place.ours, TRACK, "Song.wav"), pytest.raises(HocketError) as caught:
        Partial(place.ours, TRACK, "Song.wav")
    assert caught.value.code is ErrorCode.BACKING_OFF


@pytest.mark.parametrize("throw_away", [False, True])
def test_what_is_stopped_is_kept_and_what_is_cancelled_is_not(place: Place, throw_away: bool) -> None:
    def ended(order: FetchOrder, result: Fetched | HocketError) -> None:
        results.append(result)

    async def work(source: Holder) -> None:
        transfers = Transfers(place.ours, taker_context(), (Role.PLANE, TAKER), Pace(200_000), ended)
        transfers.order(source.order(TRACK, "Song.wav", len(SONG)))
        await asyncio.wait_for(source.asked.wait(), TIMEOUT_S)
        if throw_away:
            await transfers.cancelled(TRACK)
        await transfers.stop()
        assert place.partial.exists() is not throw_away

    results: list[Fetched | HocketError] = []
    with_holder(place, work)
    assert [type(result) for result in results] == [HocketError]
    assert place.listed == []


def test_a_pause_lets_nothing_through_until_it_ends(place: Place) -> None:
    async def work(source: Holder) -> None:
        pace = Pace()
        pace.pause(True)
        job = fetch(source.order(TRACK, "Song.wav", len(SONG)), place.ours, pace)
        copying = asyncio.create_task(asyncio.to_thread(job.run))
        await asyncio.wait_for(source.asked.wait(), TIMEOUT_S)
        assert job.done_bytes == 0
        pace.pause(False)
        assert (await copying).name == "Song.wav"

    with_holder(place, work)


def test_a_source_that_breaks_off_is_asked_again_for_the_rest(place: Place) -> None:
    async def work(source: Holder) -> None:
        job = fetch(source.order(TRACK, "Song.wav", len(SONG)), place.ours, Pace(2_000_000))
        copying = asyncio.create_task(asyncio.to_thread(job.run))
        await job.received(500_000)
        for connection in source.server.connections:
            connection.close()
        await copying
        assert len(source.opened) == 2
        assert source.server.sent_bytes < len(SONG) + 1_500_000

    with_holder(place, work)
    assert (place.ours / "Song.wav").read_bytes() == SONG


@pytest.mark.parametrize("plain", [False, True])
def test_a_source_that_only_drips_is_given_up_within_a_piece(
    place: Place, monkeypatch: pytest.MonkeyPatch, plain: bool
) -> None:
    """By its clock each receive takes ten seconds, and a minute has to bring the whole song."""
    ticks = itertools.count(0, 10)
    monkeypatch.setattr(source_module, "time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    monkeypatch.setattr(source_module, "SLOWEST_BYTES", len(SONG))

    async def work(source: Holder) -> None:
        job = fetch(source.order(TRACK, "Song.wav", len(SONG), plain=plain), place.ours)
        with pytest.raises(HocketError, match="too slow") as caught:
            await asyncio.to_thread(job.run)
        assert caught.value.code is ErrorCode.TIMED_OUT

    with_holder(place, work)
    assert place.listed == []


def test_a_song_that_is_deleted_while_it_is_copied_still_arrives(place: Place) -> None:
    async def work(source: Holder) -> None:
        job = fetch(source.order(TRACK, "Song.wav", len(SONG)), place.ours, Pace(4_000_000))
        copying = asyncio.create_task(asyncio.to_thread(job.run))
        await job.received(1)
        place.song.unlink()
        await copying

    with_holder(place, work)
    assert (place.ours / "Song.wav").read_bytes() == SONG


def test_killed_at_any_moment_it_goes_on_and_never_shows_a_half_file(place: Place) -> None:
    """A receiving process is killed again and again; what was written before each kill is not asked for again."""
    chance = random.Random(5)

    async def work(source: Holder) -> None:
        order = source.order(TRACK, "Song.wav", len(SONG))
        task = msgspec.json.encode((order, str(place.ours), credentials(Role.PLANE, TAKER), 600_000)).decode()
        there = [0]
        for _ in range(8):
            with Program([sys.executable, "-m", "tests.adapters.transfer_child"]) as child:
                child.write_line(task)
                await asyncio.to_thread(child.wait_line, "^receiving$")
                await asyncio.sleep(chance.uniform(0, 0.15))
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.wait_exit)
            assert place.listed == []
            there.append(place.partial.stat().st_size if place.partial.exists() else 0)
        assert there == sorted(there)
        assert 0 < there[-1] < len(SONG)
        sent_before = source.server.sent_bytes
        await copy(order, place)
        assert source.server.sent_bytes - sent_before < len(SONG) - there[-1] + 10_000

    with_holder(place, work)
    assert place.listed == ["Song.wav"]
    assert (place.ours / "Song.wav").read_bytes() == SONG


def test_killed_around_the_end_the_file_is_there_whole_or_not_at_all(place: Place) -> None:
    """At full speed a kill may also meet the flush to the disk and the rename."""
    chance = random.Random(6)

    async def work(source: Holder) -> None:
        task = msgspec.json.encode(
            (source.order(TRACK, "Song.wav", len(SONG)), str(place.ours), credentials(Role.PLANE, TAKER), 0)
        ).decode()
        for _ in range(6):
            with Program([sys.executable, "-m", "tests.adapters.transfer_child"]) as child:
                child.write_line(task)
                await asyncio.to_thread(child.wait_line, "^receiving$")
                await asyncio.sleep(chance.uniform(0, 0.1))
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.wait_exit)
            song = place.ours / "Song.wav"
            assert place.listed == (["Song.wav"] if song.exists() else [])
            if song.exists():
                assert song.read_bytes() == SONG
                song.unlink()
        await copy(source.order(TRACK, "Song.wav", len(SONG)), place)

    with_holder(place, work)
    assert place.listed == ["Song.wav"]


def test_old_partial_files_are_swept_but_not_those_in_use(place: Place) -> None:
    place.partial.write_bytes(b"old")
    with Partial(place.ours, id_of(b"x"), "Other.wav") as partial:
        assert sweep(place.ours, lambda track: False) == 1
        assert partial.path.exists()
    assert not place.partial.exists()


@given(st.lists(st.tuples(st.integers(1, 100_000), st.floats(0, 2)), max_size=50), st.integers(1_000, 1_000_000))
def test_a_bucket_keeps_its_rate(pieces: list[tuple[int, float]], rate: int) -> None:
    bucket, now_s, taken = Bucket(rate, 0.0), 0.0, 0
    for size_bytes, idle_s in pieces:
        now_s += idle_s + bucket.wait_s(now_s + idle_s)
        taken += size_bytes
        bucket.take(size_bytes, now_s)
        assert taken - size_bytes <= rate * (now_s + 0.25) + 1


def test_a_rate_limit_holds_a_copy_back(place: Place) -> None:
    clock = [0.0]
    burst = -(-int(1_000_000 * BURST_S) // SMALL_PIECE_BYTES) * SMALL_PIECE_BYTES

    async def work(source: Holder) -> None:
        pace = Pace(1_000_000, lambda: clock[0])
        job = fetch(source.order(TRACK, "Song.wav", len(SONG)), place.ours, pace)
        copying = asyncio.create_task(asyncio.to_thread(job.run))
        await job.received(burst)
        assert not pace.try_take(1)
        assert job.done_bytes == burst
        clock[0] = 10.0  # no more than a burst is saved up
        await job.received(2 * burst)
        assert job.done_bytes == 2 * burst
        job.stop()
        with pytest.raises(Stopped):
            await copying

    with_holder(place, work)


def test_copies_come_last(place: Place) -> None:
    async def work(source: Holder) -> None:
        transfers = Transfers(place.ours, taker_context(), (Role.PLANE, TAKER), Pace(200_000), lambda *_: None)
        transfers.order(source.order(TRACK, "Song.wav", len(SONG)))
        await asyncio.wait_for(source.asked.wait(), TIMEOUT_S)
        threads = [thread.native_id for thread in threading.enumerate() if thread.name.startswith("transfer")]
        assert [os.getpriority(os.PRIO_PROCESS, thread or 0) >= NICE for thread in threads] == [True]
        await transfers.stop()

    with_holder(place, work)


def test_who_waits_for_the_pace_can_be_stopped() -> None:
    stop = threading.Event()
    pace = Pace(1.0)
    pace.take(1000, stop)
    stop.set()
    with pytest.raises(Stopped):
        pace.take(1, stop)
