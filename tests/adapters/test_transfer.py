"""Copies between machines over real sockets: whole, resumed, refused, and never half."""

import asyncio
import itertools
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.adapters.library.scan import scan
from hocket.adapters.streaming import Connection
from hocket.adapters.transfer import Fetched, Pace, Transfers, trash
from hocket.adapters.transfer import source as source_module
from hocket.adapters.transfer.fetch import Fetch, name_by_id
from hocket.adapters.transfer.lines import KEPT_S, Lines
from hocket.adapters.transfer.pace import BURST_S, Bucket, Stopped
from hocket.adapters.transfer.partial import Partial, sweep
from hocket.adapters.transfer.pool import NICE
from hocket.adapters.transfer.source import SMALL_PIECE_BYTES
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, TrackId
from hocket.media.paths import BadName
from hocket.wire.messages.library import FetchOrder
from tests.adapters.transfer_kit import (
    HOLDER,
    STRANGER,
    TAKER,
    TIMEOUT_S,
    Holder,
    fetch,
    holder,
    id_of,
    taker_context,
    wav,
)
from tests.kit.disks import fill, small_disk, unwritable
from tests.kit.identities import credentials
from tests.kit.processes import Program

SONG = wav(3_000_000)
TRACK = id_of(SONG)


class Place:
    """Two folders: the holder's, with the song, and the taker's, empty."""

    def __init__(self, folder: Path) -> None:
        self.theirs, self.ours = folder / "theirs", folder / "ours"
        self.theirs.mkdir()
        self.ours.mkdir()
        self.song = self.theirs / "Song.wav"
        self.song.write_bytes(SONG)
        self.index = folder / "index"

    @property
    def listed(self) -> list[str]:
        """What a scan of our folder shows."""
        return [track.name for track in scan(self.ours, self.index).library.catalogue.tracks]

    @property
    def partial(self) -> Path:
        return self.ours / f".hocket-{TRACK}.partial"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def with_holder(
    place: Place, work: Callable[[Holder], Coroutine[Any, Any, None]], data: bytes | None = None, **options: Any
) -> None:
    """Run a test's body beside a holder of the song."""

    async def run() -> None:
        async with holder({TRACK: place.song}, **options) as found:
            await work(found)

    if data is not None:
        place.song.write_bytes(data)
    asyncio.run(run())


async def copy(order: FetchOrder, place: Place) -> Fetched:
    return await asyncio.to_thread(fetch(order, place.ours).run)


def test_a_copy_has_the_bytes_and_the_name(place: Place) -> None:
    async def work(source: Holder) -> None:
        done = await copy(source.order(TRACK, "Albüm/Song: 1.wav", len(SONG)), place)
        assert done.name == "Albüm/Song: 1.wav"

    with_holder(place, work)
    assert (place.ours / "Albüm/Song: 1.wav").read_bytes() == SONG
    assert [path.name for path in place.ours.rglob("*") if path.is_file()] == ["Song: 1.wav"]


def test_a_copy_over_a_trusted_network_leaves_tls_after_the_certificates(place: Place) -> None:
    async def work(source: Holder) -> None:
        job = fetch(source.order(TRACK, "Song.wav", len(SONG), plain=True), place.ours, Pace(8_000_000))
        copying = asyncio.create_task(asyncio.to_thread(job.run))
        await job.received(1)
        assert [type(connection._sock) for connection in source.server.connections] == [socket.socket]
        await copying
        assert source.opened == [TRACK]

    with_holder(place, work)
    assert (place.ours / "Song.wav").read_bytes() == SONG


@pytest.mark.parametrize("plain", [False, True])
def test_one_connection_serves_file_after_file(place: Place, plain: bool) -> None:
    songs = {id_of(data): data for data in (wav(300_000, seed) for seed in range(4))}
    files = {track: place.theirs / f"{track}.wav" for track in songs}
    for track, data in songs.items():
        files[track].write_bytes(data)

    async def work() -> None:
        lines = Lines()
        async with holder(files) as source:
            seen: set[Connection] = set()
            for track, data in songs.items():
                order = source.order(track, f"{track}.wav", len(data), plain=plain)
                await asyncio.to_thread(fetch(order, place.ours, lines=lines).run)
                seen |= source.server.connections
            assert (len(seen), len(lines)) == (1, 1)
            assert [len(reader.files) for reader in (connection.user_data for connection in seen)] == [1]  # type: ignore[attr-defined]
            source.members.clear()
            with pytest.raises(HocketError, match="removed from the cluster"):
                await asyncio.to_thread(fetch(order, place.ours, lines=lines).run)
            assert len(lines) == 0
        lines.close()

    asyncio.run(work())
    assert {path.name: path.read_bytes() for path in place.ours.glob("*.wav")} == {
        f"{track}.wav": data for track, data in songs.items()
    }


def test_a_kept_connection_that_broke_off_is_no_failure(place: Place) -> None:
    async def work(source: Holder) -> None:
        lines = Lines()
        order = source.order(TRACK, "Song.wav", len(SONG))
        for _ in range(2):
            await asyncio.to_thread(fetch(order, place.ours, lines=lines).run)
            (place.ours / "Song.wav").unlink()
            for connection in source.server.connections:
                connection.close()
        assert len(source.opened) == 2
        lines.close()

    with_holder(place, work)


def test_connections_that_nobody_needs_are_closed(place: Place) -> None:
    clock = [0.0]

    async def work(source: Holder) -> None:
        lines = Lines(lambda: clock[0])
        await asyncio.to_thread(fetch(source.order(TRACK, "Song.wav", len(SONG)), place.ours, lines=lines).run)
        lines.close_old()
        assert len(lines) == 1
        clock[0] += KEPT_S
        lines.close_old()
        assert len(lines) == 0
        await asyncio.wait_for(source.left.wait(), TIMEOUT_S)
        assert not source.server.connections
        lines.close()

    with_holder(place, work)


@pytest.mark.parametrize("plain", [False, True])
def test_strangers_do_not_even_get_to_plain(place: Place, plain: bool) -> None:
    async def work(source: Holder) -> None:
        order = source.order(TRACK, "Song.wav", len(SONG), plain=plain)
        job = Fetch(order, place.ours, taker_context(cluster="another"), (Role.PLANE, TAKER), Pace())
        with pytest.raises(HocketError):
            await asyncio.to_thread(job.run)
        assert source.opened == []

    with_holder(place, work)


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


def test_other_bytes_than_the_tracks_never_become_a_file(place: Place) -> None:
    async def work(source: Holder) -> None:
        with pytest.raises(HocketError, match="other bytes than the track's") as caught:
            await copy(source.order(TRACK, "Song.wav", len(SONG)), place)
        assert caught.value.code is ErrorCode.SOURCE_LIES

    with_holder(place, work, data=SONG[:-1] + b"!")
    assert list(place.ours.iterdir()) == []


@pytest.mark.parametrize("told_bytes", [len(SONG) - 1, len(SONG) + 1, 2**60])
def test_another_size_than_announced_is_a_lie(place: Place, told_bytes: int) -> None:
    async def work(source: Holder) -> None:
        with pytest.raises(HocketError) as caught:
            await copy(source.order(TRACK, "Song.wav", len(SONG)), place)
        assert caught.value.code is ErrorCode.SOURCE_LIES

    with_holder(place, work, told_bytes=told_bytes)
    assert place.listed == []


def test_a_file_that_is_shorter_than_its_size_ends_the_copy(place: Place) -> None:
    async def work(source: Holder) -> None:
        with pytest.raises(HocketError) as caught:
            await copy(source.order(TRACK, "Song.wav", len(SONG)), place)
        assert caught.value.code in (ErrorCode.CONNECTION_LOST, ErrorCode.NOT_REACHABLE)

    with_holder(place, work, data=SONG[:1000], told_bytes=len(SONG))
    assert place.listed == []


@pytest.mark.parametrize(
    "name",
    ["../x.wav", "/etc/x.wav", "a/../../x.wav", "x" * 300 + ".wav", "x\n.wav", "x\u202e.wav", ".x.wav", "CON.wav", "x"],
)
def test_a_name_that_could_do_harm_is_refused(place: Place, name: str) -> None:
    async def work(source: Holder) -> None:
        with pytest.raises(BadName):
            await copy(source.order(TRACK, name, len(SONG)), place)
        assert source.opened == []

    with_holder(place, work)
    assert list(place.ours.iterdir()) == []
    assert sorted(path.name for path in place.ours.parent.iterdir()) == ["ours", "theirs"]


def test_a_folder_that_leads_outside_takes_nothing(place: Place) -> None:
    (place.ours / "link").symlink_to(place.theirs)

    async def work(source: Holder) -> None:
        with pytest.raises(HocketError, match="leads out of the music folder"):
            await copy(source.order(TRACK, "link/Other.wav", len(SONG)), place)

    with_holder(place, work)
    assert [path.name for path in place.theirs.iterdir()] == ["Song.wav"]


def test_another_file_in_its_place_stays_and_the_copy_is_called_otherwise(place: Place) -> None:
    other = wav(1000, seed=2)
    (place.ours / "Song.wav").write_bytes(other)

    async def work(source: Holder) -> None:
        order = source.order(TRACK, "Song.wav", len(SONG))
        assert (await copy(order, place)).name == name_by_id(order) == f"Song [{TRACK[:12]}].wav"

    with_holder(place, work)
    assert (place.ours / "Song.wav").read_bytes() == other
    assert sorted(place.listed) == ["Song [" + TRACK[:12] + "].wav", "Song.wav"]


def test_the_same_bytes_in_its_place_are_the_copy(place: Place) -> None:
    (place.ours / "Song.wav").write_bytes(SONG)

    async def work(source: Holder) -> None:
        assert (await copy(source.order(TRACK, "Song.wav", len(SONG)), place)).name == "Song.wav"

    with_holder(place, work)
    assert [path.name for path in place.ours.iterdir()] == ["Song.wav"]


def test_a_name_by_id_is_never_too_long() -> None:
    order = FetchOrder(TRACK, "folder/" + "ä" * 125 + ".wav", 1, HOLDER, Role.PLANE, None)  # type: ignore[arg-type]
    assert len(name_by_id(order).split("/")[1].encode()) <= 255


def test_a_track_that_is_not_there_is_told_so(place: Place) -> None:
    async def work(source: Holder) -> None:
        with pytest.raises(HocketError) as caught:
            await copy(source.order(TrackId("0" * 64), "Song.wav", 5), place)
        assert caught.value.code is ErrorCode.TRACK_MISSING

    with_holder(place, work)


def test_who_left_the_cluster_gets_nothing(place: Place) -> None:
    async def work(source: Holder) -> None:
        source.members.clear()
        with pytest.raises(HocketError) as caught:
            await copy(source.order(TRACK, "Song.wav", len(SONG)), place)
        assert caught.value.code is ErrorCode.NOT_ALLOWED
        assert source.opened == []

    with_holder(place, work)


@pytest.mark.parametrize(
    ("cluster", "role", "node"),
    [("another", Role.PLANE, TAKER), ("ours", Role.LISTENER, TAKER), ("ours", Role.PLANE, STRANGER)],
)
def test_strangers_get_nothing(place: Place, cluster: str, role: Role, node: NodeId) -> None:
    """Another cluster's certificate, a claim that is not in the certificate, an unknown machine."""

    async def work(source: Holder) -> None:
        order = source.order(TRACK, "Song.wav", len(SONG))
        job = Fetch(order, place.ours, taker_context(cluster=cluster), (role, node), Pace())
        with pytest.raises(HocketError) as caught:
            await asyncio.to_thread(job.run)
        assert caught.value.code in (ErrorCode.CERTIFICATE_REFUSED, ErrorCode.CONNECTION_LOST, ErrorCode.NOT_REACHABLE)
        assert source.opened == []

    with_holder(place, work)


def test_another_machine_at_the_address_is_noticed(place: Place) -> None:
    async def work(source: Holder) -> None:
        order = msgspec.structs.replace(source.order(TRACK, "Song.wav", len(SONG)), source=STRANGER)
        with pytest.raises(HocketError) as caught:
            await copy(order, place)
        assert caught.value.code is ErrorCode.CERTIFICATE_REFUSED

    with_holder(place, work)


def test_a_disk_without_room_is_told_at_once_and_a_smaller_song_still_fits(place: Place) -> None:
    small = wav(100_000, seed=3)
    (place.theirs / "Small.wav").write_bytes(small)

    async def work() -> None:
        async with holder({TRACK: place.song, id_of(small): place.theirs / "Small.wav"}) as source:
            with pytest.raises(HocketError, match="is full") as caught:
                await copy(source.order(TRACK, "Song.wav", len(SONG)), place)
            assert caught.value.code is ErrorCode.DISK_FULL
            await copy(source.order(id_of(small), "Small.wav", len(small)), place)

    with small_disk(place.ours, 1024):
        asyncio.run(work())
        assert place.listed == ["Small.wav"]


def test_a_disk_that_fills_up_meanwhile_gives_the_room_back(place: Place) -> None:
    with small_disk(place.ours, 8 * 1024):
        with Partial(place.ours, TRACK, "Song.wav") as partial:
            partial.resume(len(SONG), threading.Event(), lambda count: None)
            partial.append(memoryview(SONG[:1_000_000]))
            fill(place.ours, leave_bytes=100_000)
            with pytest.raises(HocketError, match="is full") as caught:
                partial.append(memoryview(SONG[1_000_000:]))
            assert caught.value.code is ErrorCode.DISK_FULL
        assert not place.partial.exists()
        assert place.listed == []


def test_a_folder_that_may_not_be_written_says_what_to_do(place: Place) -> None:
    with unwritable(place.ours), pytest.raises(HocketError, match="make it writable") as caught:
        Partial(place.ours, TRACK, "Song.wav")
    assert caught.value.code is ErrorCode.MUSIC_UNWRITABLE


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


def test_the_trash_keeps_every_name_and_gives_it_back(place: Place) -> None:
    (place.ours / "A").mkdir()
    for name in ("A/one.wav", "two.wav"):
        (place.ours / name).write_bytes(SONG)
    trash.discard(place.ours, TRACK, ["A/one.wav", "two.wav", "gone.wav"])
    assert place.listed == []
    (place.ours / "two.wav").write_bytes(b"taken meanwhile")
    assert sorted(trash.put_back(place.ours, TRACK)) == ["A/one.wav", "two (2).wav"]
    assert (place.ours / "two.wav").read_bytes() == b"taken meanwhile"
    assert (place.ours / "two (2).wav").read_bytes() == (place.ours / "A/one.wav").read_bytes() == SONG
    assert trash.put_back(place.ours, TRACK) == []


def test_what_is_removed_twice_is_kept_twice(place: Place) -> None:
    for _ in range(2):
        (place.ours / "Song.wav").write_bytes(SONG)
        trash.discard(place.ours, TRACK, ["Song.wav"])
    assert len(list((place.ours / trash.TRASH / TRACK).iterdir())) == 2


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
