"""Copies between machines over real sockets: whole, under the right name, refused where they must be."""

import asyncio
import socket
import threading

import msgspec
import pytest

from hocket.adapters.streaming import Connection
from hocket.adapters.transfer import Pace, trash
from hocket.adapters.transfer.fetch import Fetch, name_by_id
from hocket.adapters.transfer.lines import KEPT_S, Lines
from hocket.adapters.transfer.partial import Partial
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import NodeId, Role, TrackId
from hocket.media.paths import BadName
from hocket.wire.messages.library import FetchOrder
from tests.adapters.transfer_kit import (
    HOLDER,
    SONG,
    STRANGER,
    TAKER,
    TIMEOUT_S,
    TRACK,
    Holder,
    Place,
    copy,
    fetch,
    holder,
    id_of,
    taker_context,
    wav,
    with_holder,
)
from tests.kit.disks import fill, small_disk, unwritable


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
