"""Music that was played is kept, checked, and played again without the network."""

import asyncio
import os
from pathlib import Path

import pytest
from blake3 import blake3

from hocket.adapters.trackcache import BLOCK_BYTES, CacheEntry, TrackCache
from hocket.client import events
from hocket.client.keeper import Keeper
from hocket.core.ids import TrackId
from hocket.wire.messages.tracks import Read
from tests.client.kit import WAIT_S, listening
from tests.kit.fakecluster import FakeCluster, Song, make_song

ROOMY = 10**9


def _content(blocks: float, seed: int = 1) -> tuple[TrackId, bytes]:
    data = blake3(bytes([seed])).digest(round(blocks * BLOCK_BYTES))
    return TrackId(blake3(data).hexdigest()), data


def _open(cache: TrackCache, track: TrackId, data: bytes) -> CacheEntry:
    entry = cache.open(track, len(data))
    assert entry is not None
    return entry


def _fill(entry: CacheEntry, data: bytes, blocks: range | None = None) -> None:
    for block in range(entry.block_count) if blocks is None else blocks:
        start, end = entry.block_span(block)
        entry.write(block, data[start:end])


def _keep(cache: TrackCache, track: TrackId, data: bytes) -> None:
    entry = _open(cache, track, data)
    _fill(entry, data)
    assert entry.finish() is True
    entry.close()


def test_a_whole_track_is_there_again(tmp_path: Path) -> None:
    track, data = _content(2.5)
    _keep(TrackCache(tmp_path), track, data)
    entry = _open(TrackCache(tmp_path), track, data)
    assert entry.is_whole
    assert entry.covers(0, len(data))
    assert entry.read(0, len(data)) == data
    assert entry.read(BLOCK_BYTES - 3, 6) == data[BLOCK_BYTES - 3 : BLOCK_BYTES + 3]
    entry.close()


def test_a_part_survives_and_is_completed_later(tmp_path: Path) -> None:
    track, data = _content(3.2)
    entry = _open(TrackCache(tmp_path), track, data)
    _fill(entry, data, range(1, 3))
    entry.close()
    entry = _open(TrackCache(tmp_path), track, data)
    assert not entry.is_whole
    assert entry.missing() == [0, 3]
    assert entry.finish() is None
    assert entry.read(BLOCK_BYTES, 100) == data[BLOCK_BYTES : BLOCK_BYTES + 100]
    assert entry.read(BLOCK_BYTES - 1, 2) is None
    _fill(entry, data, range(4))
    assert entry.finish() is True
    entry.close()


def test_bytes_that_are_not_the_tracks_are_dropped(tmp_path: Path) -> None:
    track, data = _content(1.5)
    entry = _open(TrackCache(tmp_path), track, data)
    _fill(entry, data[:-1] + b"!")
    assert entry.finish() is False
    assert entry.read(0, 1) is None
    entry.close()
    assert TrackCache(tmp_path).size_bytes() == 0


@pytest.mark.parametrize("suffix", ["part", "whole"])
def test_a_byte_that_the_disk_changed_is_never_given_out(suffix: str, tmp_path: Path) -> None:
    track, data = _content(2.0)
    entry = _open(TrackCache(tmp_path), track, data)
    _fill(entry, data)
    if suffix == "whole":
        entry.finish()
    entry.close()
    with (tmp_path / f"{track}.{suffix}").open("r+b") as file:
        file.seek(BLOCK_BYTES + 7)
        file.write(bytes([data[BLOCK_BYTES + 7] ^ 1]))
    entry = _open(TrackCache(tmp_path), track, data)
    assert entry.read(0, 100) == data[:100]
    assert entry.read(BLOCK_BYTES, 100) is None
    assert not entry.covers(BLOCK_BYTES, 1)
    entry.close()


def test_a_torn_log_loses_only_its_last_record(tmp_path: Path) -> None:
    track, data = _content(3.0)
    entry = _open(TrackCache(tmp_path), track, data)
    _fill(entry, data, range(2))
    entry.close()
    log = tmp_path / f"{track}.blocks"
    os.truncate(log, log.stat().st_size - 5)
    entry = _open(TrackCache(tmp_path), track, data)
    assert entry.missing() == [1, 2]
    _fill(entry, data)
    assert entry.finish() is True
    entry.close()


@pytest.mark.parametrize("garbage", [b"", b"x", b"hocket-blocks-0\n" + bytes(8)])
def test_a_log_that_makes_no_sense_is_begun_anew(garbage: bytes, tmp_path: Path) -> None:
    track, data = _content(1.0)
    (tmp_path / f"{track}.blocks").write_bytes(garbage)
    _keep(TrackCache(tmp_path), track, data)
    entry = _open(TrackCache(tmp_path), track, data)
    assert entry.read(0, len(data)) == data
    entry.close()


def test_lost_data_beside_a_good_log_is_noticed(tmp_path: Path) -> None:
    track, data = _content(2.0)
    _keep(TrackCache(tmp_path), track, data)
    os.truncate(tmp_path / f"{track}.whole", BLOCK_BYTES)
    entry = _open(TrackCache(tmp_path), track, data)
    assert not entry.is_whole
    assert entry.read(0, 10) is None
    entry.close()
    _keep(TrackCache(tmp_path), track, data)


def test_two_programs_share_a_folder(tmp_path: Path) -> None:
    track, data = _content(2.0)
    first, second = (_open(TrackCache(tmp_path), track, data) for _ in range(2))
    assert first.may_write
    assert not second.may_write
    _fill(second, data)  # in vain, and harmless
    _fill(first, data)
    assert second.finish() is None
    assert first.finish() is True
    second.close()
    third = _open(TrackCache(tmp_path), track, data)
    assert third.is_whole
    third.close()
    first.close()


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    tracks = [_content(1.0, seed) for seed in range(4)]
    cache = TrackCache(tmp_path, 3 * BLOCK_BYTES)
    for age, (track, data) in enumerate(tracks[:3]):
        _keep(cache, track, data)
        os.utime(tmp_path / f"{track}.blocks", (1000 + age, 1000 + age))
    _open(cache, *tracks[0]).close()  # used again: now 1 is the oldest
    _keep(cache, *tracks[3])
    assert cache.size_bytes() == 3 * BLOCK_BYTES
    kept = {path.stem for path in tmp_path.glob("*.whole")}
    assert kept == {tracks[0][0], tracks[2][0], tracks[3][0]}


def test_what_is_being_written_is_not_taken_away(tmp_path: Path) -> None:
    (one, one_data), (two, two_data) = _content(1.0, 1), _content(1.0, 2)
    cache = TrackCache(tmp_path, BLOCK_BYTES)
    writing = _open(cache, one, one_data)
    other = _open(cache, two, two_data)
    _fill(writing, one_data)
    assert writing.finish() is True
    for entry in (writing, other):
        entry.close()


def test_what_is_too_large_or_has_no_id_is_not_kept(tmp_path: Path) -> None:
    track, _ = _content(1.0)
    cache = TrackCache(tmp_path, 1000)
    assert cache.open(track, 1001) is None
    assert cache.open(TrackId("../../etc/passwd"), 10) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_means_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert TrackCache(tmp_path / "file" / "cache").open(*_sized(_content(1.0))) is None


def _sized(content: tuple[TrackId, bytes]) -> tuple[TrackId, int]:
    return content[0], len(content[1])


# -- under an engine


def _reads(cluster: FakeCluster) -> int:
    return sum(file.count(Read) for file in cluster.files)


async def _play(cluster: FakeCluster, song: Song, folder: Path, **options: float) -> list[events.Event]:
    async with listening(cluster, folder, fast=True, cache=ROOMY) as listener:
        await listener.engine.play(song.track, **options)
        assert await listener.idle() is None
        if not options:
            assert listener.samples() == song.samples
        return listener.told.all


def test_the_second_time_nothing_is_read_from_a_node(tmp_path: Path) -> None:
    song = make_song(seconds=12.0, trailer=b"id3 \x04\x00\x00\x00tags")

    async def scene() -> None:
        async with FakeCluster(song) as cluster:
            await _play(cluster, song, tmp_path)
            assert (tmp_path / "home/cache" / f"{song.track.id}.whole").read_bytes() == song.content
            reads = _reads(cluster)
            told = await _play(cluster, song, tmp_path)
            assert _reads(cluster) == reads
            assert [event.source for event in told if isinstance(event, events.Opened)] == ["cache"]

    asyncio.run(scene())


def test_damage_in_the_cache_is_mended_from_a_node(tmp_path: Path) -> None:
    song = make_song(seconds=12.0)

    async def scene() -> None:
        async with FakeCluster(song) as cluster:
            await _play(cluster, song, tmp_path)
            with (tmp_path / "home/cache" / f"{song.track.id}.whole").open("r+b") as file:
                file.seek(1_000_000)
                file.write(bytes(1000))
            told = await _play(cluster, song, tmp_path)
            moved = [event for event in told if isinstance(event, events.Moved)]
            assert [(event.origin, event.to) for event in moved] == [("cache", cluster.files[0].node)]

    asyncio.run(scene())


def test_a_node_that_sends_other_music_is_found_out(tmp_path: Path) -> None:
    song = make_song(seconds=5.0)  # heard in real time: whoever plays faster than it is checked never hears of it

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, cache=ROOMY) as listener:
            cluster.files[0].spoil = lambda offset, data: bytes(len(data)) if offset > 300_000 else data
            await listener.engine.play(song.track)
            error = await listener.told.wait(events.Error)
            assert error.code == "TRACK_DAMAGED"
            assert await listener.idle() is None
            assert list((tmp_path / "home/cache").glob("*.whole")) == []

    asyncio.run(scene())


def test_what_was_left_out_is_fetched_so_that_the_track_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = make_song(seconds=9.0)

    async def scene() -> None:
        whole = asyncio.Event()
        finish = Keeper.finish

        async def finish_and_tell(keeper: Keeper) -> bool | None:
            result = await finish(keeper)
            if result:
                whole.set()
            return result

        monkeypatch.setattr(Keeper, "finish", finish_and_tell)
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, cache=ROOMY) as listener:
            await listener.engine.play(song.track, start_s=4.0)
            await asyncio.wait_for(whole.wait(), WAIT_S)
            assert (tmp_path / "home/cache" / f"{song.track.id}.whole").read_bytes() == song.content

    asyncio.run(scene())


def test_a_full_disk_only_costs_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make_song(seconds=9.0)

    def no_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, fast=True, cache=ROOMY) as listener:
            monkeypatch.setattr("hocket.adapters.trackcache.os.pwrite", no_room)
            await listener.engine.play(song.track)
            assert await listener.idle() is None
            assert listener.samples() == song.samples

    asyncio.run(scene())


def test_a_disk_that_fails_at_the_end_is_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = make_song(seconds=2.0)
    calls = []

    def fails(fd: int) -> None:
        calls.append(fd)
        raise OSError(5, "Input/output error")

    async def scene() -> None:
        async with FakeCluster(song) as cluster, listening(cluster, tmp_path, cache=ROOMY) as listener:
            monkeypatch.setattr("hocket.adapters.trackcache.os.fsync", fails)
            await listener.engine.play(song.track)
            assert await listener.idle() is None
        assert len(calls) == 1

    asyncio.run(scene())
